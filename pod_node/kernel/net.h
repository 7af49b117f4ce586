/* What the parts of `/net` share: net.c has the tree, net_names.c what is asked, net_udp.c the datagram sockets. */
#ifndef PODNET_KERNEL_NET_H
#define PODNET_KERNEL_NET_H

#include "pod_node/kernel/wasi.h"
#include "vnet/fabric/outside/resolve.h"
#include "vnet/fabric/text.h"

#define WORD_SIZE RESOLVE_NAME_SIZE /* nothing else is longer than a name */
#define WORDS 5u

/* The words of a path or command: the first few, the rest empty. */
struct words {
	char word[WORDS][WORD_SIZE];
};

/* The words between separators. Their number, or -E_INVAL for too many or too long ones. */
int net_split(struct words *words, const char *text, u32 length, char separator);

/* The addresses of a name, or the one that is written out. Their number, or a negative errno. */
int net_resolve(struct process *process, const char *host, struct address *addresses, u32 capacity);
/* The process's own open socket with the id that a word gives; NULL when it has none. */
struct file *net_own_socket(struct process *process, const char *id);
/* A file for a fresh socket, which is closed when there is no room for one. */
int net_open_socket(struct process *process, struct socket *socket, bool nonblocking, struct file **opened);

/* A file for a text of at most `size` bytes; how it is written, and that it has been. */
int net_open_text(struct process *process, enum file_kind kind, u32 size, struct file **opened);
struct writer net_writer(struct text *text);
void net_finish(struct text *text, const struct writer *writer);

/* Answers, one a line. 0, -E_NOENT for none, -E_INVAL for what is no address, or why the host was not asked. */
int net_write_addresses(struct process *process, const char *host, struct writer *writer);
int net_write_reverse(struct process *process, const char *address, struct writer *writer);
void net_write_interfaces(struct process *process, struct writer *writer);
int net_open_hosts(struct process *process, struct file **opened);

/* The paths below `udp`. */
int net_open_udp(struct process *process, const struct words *path, u32 count, bool nonblocking, struct file **opened);

#endif

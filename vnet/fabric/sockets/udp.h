/* UDP as a program sees it: sockets that send and receive datagrams (RFC 768), with Linux's outcomes.
 *
 * A datagram for a port that nobody holds makes its sender's socket, if that is connected there, report
 * ECONNREFUSED, as the ICMP message that says so would. One for an address that no pod has is lost without a word.
 * Broadcasts reach the sockets of one network that are bound to the port; there is no multicast.
 *
 * States, ends and tables are under `network_lock`, queues under their own locks.
 */
#ifndef PODNET_FABRIC_UDP_H
#define PODNET_FABRIC_UDP_H

#include "vnet/fabric/sockets/socket.h"
#include "vnet/fabric/user_spans.h"

#define DATAGRAM_MOST 65507u /* RFC 768 over IPv4: 65,535 bytes less two headers */
/* Linux's net.core.rmem_max and wmem_max, and the least that it accepts. */
#define UDP_BUFFER_MOST 212992u
#define UDP_BUFFER_LEAST 2304u

/* NULL when the pod's limit of sockets or bytes is reached. */
struct socket *udp_open(struct pod *pod);
void udp_close(struct socket *socket);

int udp_bind(struct socket *socket, struct address address, u32 port);
/* Choose the only peer; the address 0.0.0.0 with port 0 chooses none again. */
int udp_connect(struct socket *socket, struct address address, u32 port);
int udp_shutdown(struct socket *socket, bool reading, bool writing);

/* What was received with one read. */
struct udp_received {
	struct endpoint source;
	bool truncated; /* there was more than the reader had room for; it is gone */
	bool ended;     /* nothing was received: reading was shut down */
};

/* Bytes moved, or a negative errno. One call, one datagram. */
i32 udp_read(struct socket *socket, const struct user_spans *to, bool wait, bool peek, struct udp_received *received);
/* `to` is NULL for the peer of a connected socket. Never waits. */
i32 udp_write(struct socket *socket, const struct user_spans *from, const struct endpoint *to);

/* SO_RCVBUF, cut to what is allowed. */
void udp_set_receive_buffer(struct socket *socket, u32 bytes);
u32 udp_take_error(struct socket *socket);
u32 udp_poll(struct socket *socket);

#endif

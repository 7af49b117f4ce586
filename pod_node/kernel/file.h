/* Open file descriptions and descriptor tables: what a number means to a process.
 *
 * An open file is one of a few kinds; the calls that all kinds share (`file_read`, `file_poll`, ...) choose by
 * kind in one place each. A table belongs to one process and only its own thread touches it while it runs.
 */
#ifndef PODNET_KERNEL_FILE_H
#define PODNET_KERNEL_FILE_H

#include "pod_node/kernel/mounts.h"
#include "pod_node/kernel/terminal.h"
#include "vnet/fabric/captures/capture.h"
#include "vnet/fabric/sockets/awaited.h"
#include "vnet/fabric/sockets/stream.h"
#include "vnet/fabric/sockets/socket_calls.h"

enum file_kind {
	FILE_HOST = 1,    /* a file or directory of the host, through the engine's own WASI */
	FILE_SOCKET,
	FILE_PIPE_READER,
	FILE_PIPE_WRITER,
	FILE_NET_DIRECTORY, /* /net */
	FILE_TEXT,          /* a small text of /net, made when it was opened */
	FILE_CONTROL,       /* /net/ctl: a reply that the last command left */
	FILE_GATEWAY,       /* the host's: readable when there is a request from a pod */
	FILE_TRUNK,         /* the host's: readable when a pod connects to one on another node */
	FILE_CAPTURE,       /* the host's: records of what a capture has seen */
	FILE_PROC_DIRECTORY, /* /proc */
	FILE_PROC_CONTROL,   /* /proc/ctl: a reply that the last command left */
	FILE_SPAWN,          /* /proc/spawn: a request that is being written */
	FILE_NULL,           /* /proc/null, as /dev/null */
	FILE_EXIT,           /* /proc/PID/exit: readable when the process has ended */
	FILE_SIGNALS,        /* /proc/signals: readable when a caught signal has come */
	FILE_DEV_DIRECTORY,  /* /dev, as the next three */
	FILE_ZERO,
	FILE_FULL,
	FILE_RANDOM,
	FILE_SPAWNS,         /* the host's: readable when there is a process to be started */
	FILE_AWAITED,        /* the host's: readable when a program listens on a port of a pod */
};

/* Bytes between two processes, or between a process and the host. */
struct pipe {
	_Atomic u32 references; /* one for each end that is open */
	struct file *_Atomic writer; /* of a fresh pipe: the end that nobody has opened yet, held; owner */
	struct account *account; /* held; pays for the pipe */
	struct terminal *terminal; /* held; NULL for a plain pipe; fixed once it is handed out */
	struct stream stream;
};

#define TEXT_SIZE 1000u /* room in most of them */

struct text {
	u32 size; /* of `bytes` */
	u32 length, offset;
	char bytes[];
};

/* Where a file or directory was when it was opened: its path in the pod. */
struct place {
	_Atomic u32 references;
	u32 length;
	char text[]; /* without a slash at its end */
};

struct file {
	_Atomic u32 references;
	enum file_kind kind;
	_Atomic bool nonblocking;
	u32 option_socket; /* FILE_TEXT of /net/sock/ID/options: the socket that writes go to; 0 = none */
	struct account *account; /* held; pays for this description */
	union {
		u32 host_descriptor;
		struct socket *socket;
		struct pipe *pipe;
		struct text *text;
		struct capture *capture;
		struct pid *pid; /* held */
		struct awaited_port *awaited;
	};
	struct mount *mount;   /* FILE_HOST: the one that it is on; the table is its process's */
	bool is_mount;         /* FILE_HOST: its target itself */
	struct place *place;   /* FILE_HOST: held; below its mount's target; NULL when not known */
	bool pure;             /* FILE_HOST: a directory where layers show something, but not in it */
	struct listing *listing; /* FILE_HOST: what is being read of a directory of the union (listing.h) */
	struct inode *inode;   /* FILE_HOST: of a file that is counted */
	bool appends;          /* FILE_HOST: writes may go to the end of a counted file */
	struct description
		*shared; /* FILE_HOST: held; what other processes share of it; NULL for a file of one's own */
	u32 engine_flags;           /* FILE_HOST: those that the engine's file has, of one that is shared */
	struct waiter *watches; /* two, when the host watches it: for reading and for writing */
};

static inline bool file_is_kernel_directory(const struct file *file)
{
	return file->kind == FILE_NET_DIRECTORY || file->kind == FILE_PROC_DIRECTORY ||
	       file->kind == FILE_DEV_DIRECTORY;
}

struct descriptors {
	struct file **files;
	u32 size; /* slots in `files` */
	u32 first; /* no slot below is free */
	u32 limit;
	_Atomic u32 open; /* slots in use; the node reads it at any time */
	u32 host_files, host_limit; /* files of the host take descriptors of the whole node's */
	struct account *account; /* the pod's; outlives the table */
};

struct file *file_create(struct account *account, enum file_kind kind);
struct file *file_hold(struct file *file);
/* Close what it stands for with the last reference. */
void file_release(struct file *file);

/* The file for the table of a process that the current one is spawning: the same, or of the host's one of its own
 * (description.h). -E_OPNOTSUPP for what only its own process can use, -E_MFILE, -E_NOBUFS. */
int file_inherit(struct descriptors *table, struct file *file, struct file **inherited);

struct place *place_hold(struct place *place);
void place_release(struct account *account, struct place *place);

/* Reading and writing of what is below /proc (proc.c). */
i32 proc_read(struct file *file, uaddr to, u32 size, bool wait);
i32 proc_write(struct file *file, uaddr from, u32 size);

i32 file_read(struct file *file, uaddr to, u32 size, bool wait, bool peek);
i32 file_write(struct file *file, uaddr from, u32 size, bool wait);
u32 file_poll(struct file *file);
u32 file_available(struct file *file);
/* Join the queue that is woken when `event` may hold; false when the kind is always ready. */
bool file_join(struct file *file, u32 event, struct waiter *waiter);
void file_idle(struct file *file);

/* See to it that the next install succeeds. The number it will get, -E_MFILE or -E_NOMEM. */
int descriptor_reserve(struct descriptors *table);
/* The lowest free number, holding `file`; -E_MFILE or -E_NOMEM leave the reference with the caller. */
int descriptor_install(struct descriptors *table, struct file *file);
struct file *descriptor_get(const struct descriptors *table, u32 number);
/* Take the reference out of the table; NULL when the number is not open. */
struct file *descriptor_remove(struct descriptors *table, u32 number);
/* Put `file` at a number, whatever was there; -E_BADF past the limit, -E_NOMEM leave the reference with the caller. */
int descriptor_place(struct descriptors *table, u32 number, struct file *file);
/* dup2: `to` is closed first. */
int descriptor_move(struct descriptors *table, u32 from, u32 to);
void descriptors_close(struct descriptors *table);

/* A pipe with a descriptor's worth of reference for each end. */
int pipe_open(struct account *account, u32 limit, struct file **reader, struct file **writer);

#endif

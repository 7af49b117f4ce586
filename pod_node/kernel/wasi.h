/* WASI preview1: numbers, layouts and the frame that every call runs in.
 *
 * Layouts are those of the witx definition of wasi_snapshot_preview1; a call's documentation is there.
 */
#ifndef PODNET_KERNEL_WASI_H
#define PODNET_KERNEL_WASI_H

#include "pod_node/kernel/process.h"
#include "vnet/fabric/errno.h"

enum wasi_errno {
	WASI_SUCCESS = 0,
	WASI_2BIG = 1,
	WASI_ACCES = 2,
	WASI_ADDRINUSE = 3,
	WASI_ADDRNOTAVAIL = 4,
	WASI_AFNOSUPPORT = 5,
	WASI_AGAIN = 6,
	WASI_ALREADY = 7,
	WASI_BADF = 8,
	WASI_CHILD = 12,
	WASI_BUSY = 10,
	WASI_CONNABORTED = 13,
	WASI_CONNREFUSED = 14,
	WASI_CONNRESET = 15,
	WASI_DESTADDRREQ = 17,
	WASI_DOM = 18,
	WASI_DQUOT = 19,
	WASI_EXIST = 20,
	WASI_FAULT = 21,
	WASI_FBIG = 22,
	WASI_HOSTUNREACH = 23,
	WASI_INPROGRESS = 26,
	WASI_INTR = 27,
	WASI_INVAL = 28,
	WASI_IO = 29,
	WASI_ISCONN = 30,
	WASI_ISDIR = 31,
	WASI_LOOP = 32,
	WASI_MFILE = 33,
	WASI_MSGSIZE = 35,
	WASI_NAMETOOLONG = 37,
	WASI_NETUNREACH = 40,
	WASI_NOBUFS = 42,
	WASI_NOENT = 44,
	WASI_NOMEM = 48,
	WASI_NOPROTOOPT = 50,
	WASI_NOSPC = 51,
	WASI_NOSYS = 52,
	WASI_NOTCONN = 53,
	WASI_NOTDIR = 54,
	WASI_NOTEMPTY = 55,
	WASI_NOTSOCK = 57,
	WASI_NOTSUP = 58,
	WASI_NOTTY = 59,
	WASI_NXIO = 60,
	WASI_PERM = 63,
	WASI_PIPE = 64,
	WASI_PROTONOSUPPORT = 66,
	WASI_PROTOTYPE = 67,
	WASI_RANGE = 68,
	WASI_ROFS = 69,
	WASI_SPIPE = 70,
	WASI_SRCH = 71,
	WASI_STALE = 72,
	WASI_TIMEDOUT = 73,
	WASI_XDEV = 75,
	WASI_NOTCAPABLE = 76,
};

/* The one table from the kernel's errors (positive) to WASI's. */
u32 wasi_errno(u32 error);

static inline u32 wasi_result(i32 result)
{
	return result < 0 ? wasi_errno((u32)-result) : WASI_SUCCESS;
}

enum wasi_filetype {
	WASI_FILETYPE_UNKNOWN = 0,
	WASI_FILETYPE_CHARACTER_DEVICE = 2,
	WASI_FILETYPE_DIRECTORY = 3,
	WASI_FILETYPE_REGULAR_FILE = 4,
	WASI_FILETYPE_SOCKET_DGRAM = 5,
	WASI_FILETYPE_SOCKET_STREAM = 6,
	WASI_FILETYPE_SYMBOLIC_LINK = 7,
};

enum { WASI_FDFLAGS_APPEND = 1, WASI_FDFLAGS_NONBLOCK = 4 };
enum { WASI_LOOKUP_FOLLOW = 1 };
enum { WASI_OFLAGS_CREAT = 1, WASI_OFLAGS_DIRECTORY = 2, WASI_OFLAGS_EXCL = 4, WASI_OFLAGS_TRUNC = 8 };
enum {
	WASI_FSTFLAGS_ATIM = 1,
	WASI_FSTFLAGS_MTIM = 4,
	WASI_FSTFLAGS_MTIM_NOW = 8,
};
enum {
	WASI_RIGHTS_FD_READ = 1 << 1,
	WASI_RIGHTS_FD_SEEK = 1 << 2,
	WASI_RIGHTS_FD_TELL = 1 << 5,
	WASI_RIGHTS_FD_WRITE = 1 << 6,
	WASI_RIGHTS_FD_READDIR = 1 << 14,
	WASI_RIGHTS_ALL = 0x1fffffff,
};

struct wasi_iovec {
	u32 buffer, length;
};

struct wasi_dirent { /* its name comes after it */
	u64 next, inode;
	u32 name_length;
	u8 filetype;
};

struct wasi_fdstat {
	u8 filetype;
	u16 flags;
	u64 rights_base, rights_inheriting;
};

struct wasi_filestat {
	u64 device, inode;
	u8 filetype;
	u64 links, size, atim, mtim, ctim;
};

/* At most this many buffers of one vectored call are used; a shorter transfer is what POSIX allows. */
#define WASI_IOVS_MOST 64u

/* Copy the list in and check every buffer. The number of buffers, or a negative errno. */
int wasi_read_iovs(uaddr iovs, u32 count, struct wasi_iovec list[WASI_IOVS_MOST]);

/* Put an entry where `length` bytes are left, as much of it as there is room for: how much that is. */
u32 wasi_put_dirent(uaddr to, u32 length, const struct wasi_dirent *head, const char *name);

/* Store one value at a guest address; false when the guest does not own it. */
bool guest_store(uaddr to, const void *value, u32 size);
bool guest_load(void *value, uaddr from, u32 size);

static inline bool guest_store_u32(uaddr to, u32 value)
{
	return guest_store(to, &value, sizeof(value));
}

/* Give the guest a descriptor for a fresh `file` (consumed) and store its number. A WASI errno. */
u32 wasi_install(struct file *file, uaddr number);

/* The listener's next connection in a new file. As on Linux it stays in the backlog when there is no room for a
 * descriptor. 0 or a negative errno. */
int wasi_accept(struct process *process, struct socket *listener, bool wait, struct file **accepted);

/* Transfer through a kernel object's file. Bytes moved or a negative errno. */
i32 wasi_transfer_in(struct file *file, uaddr iovs, u32 count, bool wait, bool peek, bool fill);
i32 wasi_transfer_out(struct file *file, uaddr iovs, u32 count, bool wait);

/* Define an exported call: enter, run the body, leave (which may end the guest). */
#define WASI_CALL(name, parameters, arguments)            \
	static u32 do_##name parameters;                  \
	EXPORT(name) u32 wasi_##name parameters;          \
	u32 wasi_##name parameters                        \
	{                                                 \
		kernel_enter();                           \
		return kernel_leave(do_##name arguments); \
	}                                                 \
	static u32 do_##name parameters

/* `/net`: open what `path` names below the directory. A new file, or a negative errno. */
int net_open(struct process *process, const char *path, bool nonblocking, struct file **opened);
/* A command written to /net/ctl; the reply is left in the file's text. */
i32 net_control(struct process *process, struct file *file, const char *command, u32 length);
i32 net_write_options(struct process *process, struct file *file, const char *line, u32 length);

/* Options of IPPROTO_UDP beside Linux's: whether reads and writes carry headers (datagrams.h); what was dropped
 * because the receive buffer was full. */
enum { UDP_HEADERS = 0x1000, UDP_DROPS };
/* SO_* and TCP_* by Linux's numbers, shared by `/net` and the socket calls. 0 or a negative errno. */
int socket_option_get(struct socket *socket, u32 level, u32 name, i32 *value);
int socket_option_set(struct socket *socket, u32 level, u32 name, i32 value);
/* The field behind SO_RCVTIMEO or SO_SNDTIMEO, NULL for other options. Above they are in milliseconds; in calls they are
 * a struct timeval. */
_Atomic u64 *socket_option_timeout(struct socket *socket, u32 level, u32 name);

/* The process's own open socket with this id; NULL when it has none. */
struct file *net_socket_file(struct process *process, u32 id);

#endif

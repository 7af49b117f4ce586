/* Guests that are C functions on threads, and the node that boots and reaps them.
 *
 * The node's calls are made by the main thread, as in the real node; `guest_*` functions but `guest_main` belong
 * to it. The `sys_*` functions are for guests: system calls with WASI's errnos, negated.
 */
#ifndef PODNET_TESTS_NATIVE_GUEST_H
#define PODNET_TESTS_NATIVE_GUEST_H

#include <pthread.h>

#include "tests/native/calls.h"
#include "tests/native/platform.h"
#include "vnet/fabric/sockets/tcp.h"
#include "pod_node/kernel/host.h"
#include "pod_node/kernel/wasi.h"

#define GUEST_MEMORY (1u << 20)
#define GUESTS_MOST 64u
#define PROCESSES_MOST 12u /* of one pod */
#define GUEST_DATA 65536u /* below are arguments of calls, above is the guest's own */

#define NETWORK 1u
#define ADDRESS_OF(host) (0x0a0a0000u | (host)) /* 10.10.x.x */

/* Say which scenario and seed, what and where, then abort. */
_Noreturn void check_failed(const char *what, const char *file, int line);
#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

struct guest;
typedef void (*guest_main)(struct guest *self);

struct limits {
	u64 bytes;
	u32 sockets, descriptors;
};

#define NO_LIMITS ((struct limits){64u << 20, 4096, 4096})

struct guest {
	u32 host; /* the last part of its address */
	u32 process, files;
	struct thread *thread;
	u32 stdio[3]; /* the node's descriptors */
	u32 net, proc; /* the guest's descriptors of `/net` and `/proc` */
	u8 *memory;
	u64 random;
	guest_main main;
	void *job;
	bool ended; /* `main` returned; false after a kill */
	pthread_t pthread;
	jmp_buf exit;
};

/* Boot the kernel, once; `scenario` and `seed` go into every message. */
void node_boot(const char *scenario, u64 seed);
/* What must be the same when everything that a scenario made is gone. */
struct usage {
	u64 bytes;
	u32 sockets;
};
struct usage node_usage(void);
/* Wait for helpers to close what they still have, then insist on `before`. */
void node_expect(struct usage before);

/* A pod at ADDRESS_OF(host) named `p<host>`, without a thread; NULL when the kernel refuses. */
struct guest *guest_create(u32 host, struct limits limits, u64 seed);
/* A process that a guest has spawned. */
struct guest *guest_adopt(const struct process_started *started, u64 seed);
void guest_start(struct guest *guest, guest_main main, void *job);
struct guest *guest_boot(u32 host, guest_main main, void *job, u64 seed);
void guest_join(struct guest *guest);
void guest_kill(struct guest *guest);
/* Free all that it had, the node's ends of its stdio too. */
void guest_reap(struct guest *guest);
/* The same for one process of a pod. */
void guest_reap_process(struct guest *guest, u32 status);
/* Join and reap. */
void guest_end(struct guest *guest);
/* For a thread that acts as this guest. */
struct identity guest_identity(struct guest *guest);

static inline u32 random_below(u64 *state, u32 bound)
{
	return (u32)(random_next(state) % bound);
}

/* The byte at `index` of the stream that `key` names. */
static inline u8 pattern(u64 key, u64 index)
{
	u64 state = key + (index >> 3);
	return (u8)(random_next(&state) >> (index & 7) * 8);
}

enum { OPEN_NONBLOCK = 1 };

/* Open a path below /net. */
int sys_open(struct guest *self, u32 flags, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same below /proc. */
int sys_open_proc(struct guest *self, u32 flags, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same below another directory of the guest's. */
int sys_open_file(struct guest *self, u32 directory, const char *name);
int sys_spawn(struct guest *self, const char *request, u32 size);
int sys_wait(struct guest *self, u32 number, u32 options, u32 *status);
int sys_pipe(struct guest *self, u32 ends[2]);
/* `at` is an offset in the guest's memory. */
int sys_read(struct guest *self, u32 fd, u32 at, u32 size);
int sys_write(struct guest *self, u32 fd, u32 at, u32 size);
int sys_receive(struct guest *self, u32 fd, u32 at, u32 size, u32 flags);
int sys_accept(struct guest *self, u32 fd);
int sys_close(struct guest *self, u32 fd);
int sys_shutdown(struct guest *self, u32 fd, u32 how);
int sys_set_nonblocking(struct guest *self, u32 fd, bool nonblocking);
u32 sys_socket_id(struct guest *self, u32 fd);
int sys_socket_error(struct guest *self, u32 fd);
/* One command to /net/ctl about the socket `fd`; 0 or an errno. */
int sys_control(struct guest *self, u32 fd, const char *verb, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

enum { WANT_CLOCK = 0, WANT_READ = 1, WANT_WRITE = 2 };

struct want {
	u32 fd, type;
	u64 timeout; /* of a clock, ns */
	bool real;   /* of the real-time clock, not the monotonic one */
	bool absolute;
	bool holds;
	bool hangup;
	int error;
};

/* The number of wants that hold. */
u32 sys_poll(struct guest *self, struct want *wants, u32 count);

#endif

/* The fabric's memory: a buddy allocator of pages, slabs for small objects, and accounts that limit pods.
 *
 * Sizes are passed to both allocate and free, so objects carry no header. Objects of up to 2 KiB come back zeroed,
 * larger ones (buffers) as they are.
 */
#ifndef PODNET_FABRIC_MEMORY_H
#define PODNET_FABRIC_MEMORY_H

#include "vnet/fabric/wait.h"

#define PAGE_SIZE 4096u

/* What one pod has taken. Streams outlive the process that wrote them, so an account is counted. */
struct account {
	_Atomic u32 references;
	_Atomic u32 sockets;
	_Atomic u64 bytes;
	u32 socket_limit; /* fixed at creation */
	u64 byte_limit;   /* fixed at creation */
	_Atomic u64 refusals; /* allocations refused because of a limit */
	struct waitq room;    /* woken whenever something is given back */
};

/* Take over [start, start + size) for all later allocations. Once, before anything else. */
void memory_initialize(uintptr_t start, u64 size);

/* NULL when the account or the fabric is exhausted. `account` may be NULL: the kernel's own memory. */
void *memory_allocate(struct account *account, u32 size);
void memory_free(struct account *account, void *object, u32 size);

/* What an object of `size` bytes takes. */
u32 memory_occupied(u32 size);
/* From now on `to` pays for an object instead of `from`; false when that is over its limit. */
bool memory_transfer(struct account *from, struct account *to, u32 size);

struct account *account_create(u64 byte_limit, u32 socket_limit);
struct account *account_hold(struct account *account);
void account_release(struct account *account);
bool account_add_socket(struct account *account);
void account_remove_socket(struct account *account);

struct memory_statistics {
	u64 total; /* bytes under management */
	u64 used;  /* bytes handed out, rounded up to what they occupy */
};
struct memory_statistics memory_statistics(void);

/* Thread records with their kernel stacks. They are reused and never given back, so the set of park words
 * stays as small as the most threads there ever were at once. */
#define KERNEL_STACK_SIZE 16384u
struct thread *thread_create(struct process *process, bool counted);
void thread_destroy(struct thread *thread);

#endif

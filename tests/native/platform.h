/* The native platform's own face, for the drivers: guests' memories, the clock, and how waits behave.
 *
 * Guest memories and the fabric lie below 4 GiB, because WASI's structures and the node's requests hold
 * 32-bit addresses. A thread that has no guest memory is the node's: the fabric is its user memory.
 */
#ifndef PODNET_TESTS_NATIVE_PLATFORM_H
#define PODNET_TESTS_NATIVE_PLATFORM_H

#include <setjmp.h>

#include "vnet/fabric/wait.h"

/* Zeroed pages below 4 GiB; ends the program when there are none. */
void *map_low(size_t size);

/* Who the calling thread is to the kernel. */
struct identity {
	struct thread *thread;
	uaddr memory;     /* 0: the node's own thread, any address is its own */
	u64 memory_size;
	jmp_buf *on_exit; /* where `native_proc_exit` goes */
	u64 noise;        /* state of the generator that disturbs the schedule; 0 leaves it alone */
	/* Asked now and then while the thread is parked; true kills the guest there. NULL: wait as long as it takes. */
	bool (*abandon_wait)(void);
	bool skip_time; /* a timed wait moves the clock instead of waiting */
};

struct identity identity_set(struct identity identity);

/* The longest time for which a thread was to sleep since this was asked last. */
u64 longest_park(void);

/* The monotonic clock runs ahead by this much more from now on. */
void clock_advance(u64 nanoseconds);

u64 random_next(u64 *state);

#endif

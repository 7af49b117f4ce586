/* Waiting: locks, parking, wait queues.
 *
 * Every thread has a park slot, taken once and reused, because the engine keeps a map entry for each address ever
 * waited on. A wait queue holds waiters; a waiter belongs to a thread, or to the host endpoint
 * as a one-shot watch. There is no global event word and nobody waits on a shared address.
 *
 * The protocol for blocking on an object: join its queue, evaluate the condition, park, leave, evaluate again.
 * The protocol for waking: change the object, then `waitq_wake`. Both orders are sequentially consistent, so
 * either the waker sees the waiter or the waiter sees the change.
 *
 * Lock order (outermost first): network lock, stream write lock, stream read lock, pacer's lock, datagram queue lock,
 * wait queue lock, ready list lock, memory locks. A holder never blocks, never traps and touches only checked user ranges.
 */
#ifndef PODNET_FABRIC_WAIT_H
#define PODNET_FABRIC_WAIT_H

#include "vnet/fabric/platform.h"

struct lock {
	_Atomic u32 held; /* 0 when free; LOCK_WANTED when somebody naps until it is */
};
#define LOCK_WANTED 2u

void lock_acquire(struct lock *lock);
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);
/* Release it; whether somebody has been napping for it. Who would take it again at once rests then, with no lock. */
bool lock_release_wanted(struct lock *lock);
void lock_rest(void);

/* Why the node keeps a thread from running: it is paused, or has used its share of a processor. */
enum hold { HOLD_PAUSED = 1, HOLD_THROTTLED = 2 };

/* The first byte is what the node's epoch callback looks at. */
enum interrupt {
	INTERRUPT_KILL = 1,     /* ends when it leaves the kernel; for good */
	INTERRUPT_SIGNAL = 256, /* a signal has come that its program wants to handle: one wait ends early */
};

enum park_state { PARK_EMPTY = 0, PARK_TOKEN = 1, PARK_PARKED = 2 };

struct process;

/* One guest or host thread, at the bottom of its kernel stack slice. */
struct thread {
	_Atomic u32 park;      /* enum park_state; any thread */
	u32 slot;              /* its park slot, and with the next one its nap slot, which nobody wakes; fixed */
	_Atomic u32 in_kernel; /* owner; read by the node's epoch callback, on the same thread */
	_Atomic u32 interrupt; /* of enum interrupt: why a wait ends early; any thread sets, the owner clears */
	_Atomic u32 paused;    /* set and cleared by the node */
	u32 held;              /* of enum hold: the node keeps it from running outside of the kernel; the node */
	bool held_counted;     /* and has taken it out of the count of runnable threads; the node */
	u32 spin_skips;        /* waits to come that hardly spin; owner */
	u32 spin_penalty;      /* how many the last failed spin cost; owner */
	bool counted;          /* takes part in the count of runnable threads; fixed at creation */
	bool running;          /* started; by the owner, then by whoever reaps it */
	struct process *process;
	struct thread *next_free; /* under the thread pool's lock */
};

struct waitq {
	struct lock lock;
	_Atomic u32 count;
	struct waiter *first; /* under lock; in order of arrival */
	struct waiter *last;
};

struct waiter {
	struct waiter *next, *previous; /* under queue->lock */
	struct waitq *queue;            /* the queue last joined; owner */
	bool queued;                    /* under queue->lock */
	struct thread *thread;          /* NULL for a watch */
	u32 token;                      /* what a watch puts into the ready list */
};

struct thread *current(void);

/* Park until unparked or `deadline` (CLOCK_ID_MONOTONIC, ns; NEVER). False when the time was over. */
bool thread_park(struct thread *thread, u64 deadline);
void thread_unpark(struct thread *thread);
/* The thread takes part in the count of runnable threads from now on, or no longer. */
void thread_started(struct thread *thread);
void thread_ended(struct thread *thread);
/* How many runnable threads may spin at once; 0 forbids spinning. */
void wait_set_cores(u32 cores);

/* Whether the thread is to end. */
static inline bool thread_killed(const struct thread *thread)
{
	return atomic_load(&thread->interrupt) & INTERRUPT_KILL;
}

/* A wait that a signal ended is over: the next one is not cut short by the same signal. */
static inline void thread_interrupted(struct thread *thread)
{
	atomic_fetch_and(&thread->interrupt, ~(u32)INTERRUPT_SIGNAL);
}

/* Park for as long as the thread is paused and not killed. The time-outs of what it waits for pass meanwhile. */
void thread_freeze(struct thread *thread);
/* The node has stopped the thread outside of the kernel for these reasons, or with none lets it go on. */
void thread_hold(struct thread *thread, u32 held);
/* Whether a paused thread has come to rest: until it is resumed or killed it does not leave the kernel. */
bool thread_frozen(const struct thread *thread);

void waitq_join(struct waitq *queue, struct waiter *waiter);
void waitq_leave(struct waiter *waiter);
/* Wake every waiter. Watches are one-shot: they leave the queue. */
void waitq_wake(struct waitq *queue);

typedef bool (*condition)(const void *object);

/* Block until `ready(object)`. Returns 0, -E_TIMEDOUT or -E_INTR (the thread was killed or a signal came). While it still spins, the
 * weaker `eager(object)` is enough. */
int waitq_block(struct waitq *queue, condition eager, condition ready, const void *object, u64 deadline);

/* Spin while it promises more than parking: true as soon as `ready(object)`. */
bool spin_until(condition ready, const void *object);

/* The host endpoint's ready list: tokens of watches that fired, in order, each at most once at a time. Tokens are
 * below READY_TOKENS: two for each descriptor that the host may hold. */
#define READY_TOKENS (2 * 65536u)
void ready_post(u32 token);
u32 ready_take(u32 *tokens, u32 capacity);
/* Park the calling host thread until the list is not empty; false when it was told to stop. */
bool ready_wait(void);
void ready_stop(void);

#endif

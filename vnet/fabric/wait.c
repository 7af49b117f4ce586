#include "vnet/fabric/wait.h"

#include "vnet/fabric/errno.h"

/* Polls per wait, a few nanoseconds each: about what parking and being woken costs (tens of microseconds
 * on a virtual machine), the point up to which spinning is at most twice as dear as parking at once. */
#define SPIN_MOST 8000u
#define SPIN_LEAST 64u
#define SPIN_PENALTY_MOST 64u
#define LOCK_SPINS 400u
#define NAP_LEAST_NS (20 * NSEC_PER_USEC)
#define NAP_MOST_NS (1000 * NSEC_PER_USEC)
/* Longer than a first nap, with the 50 microseconds that Linux may add to it. */
#define REST_NS (100 * NSEC_PER_USEC)

static _Atomic u32 spinning_cores;
static _Atomic i32 runnable;

bool lock_try(struct lock *lock)
{
	return atomic_load_explicit(&lock->held, memory_order_relaxed) == 0 && atomic_exchange(&lock->held, 1) == 0;
}

static void take_nap(u64 nanoseconds)
{
	u32 slot = current()->slot + 1;
	park_wait(slot, park_sequence(slot), (i64)nanoseconds);
}

/* The holder may have been preempted, so after a short spin nap on the thread's own slot; holders never
 * block, so a nap or two is enough and no queue is needed. */
static __attribute__((noinline)) void lock_contend(struct lock *lock)
{
	u64 nap = NAP_LEAST_NS;
	for (;;) {
		for (u32 spins = 0; spins < LOCK_SPINS; spins++) {
			if (lock_try(lock))
				return;
			spin_hint();
		}
		u32 held = 1;
		atomic_compare_exchange_strong(&lock->held, &held, LOCK_WANTED);
		take_nap(nap);
		nap = MIN(nap * 2, NAP_MOST_NS);
	}
}

void lock_acquire(struct lock *lock)
{
	if (!lock_try(lock))
		lock_contend(lock);
}

void lock_release(struct lock *lock)
{
	atomic_put(&lock->held, 0);
}

bool lock_release_wanted(struct lock *lock)
{
	return atomic_exchange(&lock->held, 0) == LOCK_WANTED;
}

void lock_rest(void)
{
	take_nap(REST_NS);
}

void wait_set_cores(u32 cores)
{
	atomic_store(&spinning_cores, cores);
}

void thread_started(struct thread *thread)
{
	thread->running = true;
	if (thread->counted)
		atomic_fetch_add(&runnable, 1);
}

void thread_ended(struct thread *thread)
{
	if (thread->counted && thread->running)
		atomic_fetch_sub(&runnable, 1);
}

static i64 timeout_until(u64 deadline)
{
	if (deadline == NEVER)
		return -1;
	u64 now = clock_now(CLOCK_ID_MONOTONIC);
	return deadline > now ? (i64)MIN(deadline - now, (u64)INT64_MAX) : 0;
}

bool thread_park(struct thread *thread, u64 deadline)
{
	u32 expected = PARK_EMPTY;
	if (!atomic_compare_exchange_strong(&thread->park, &expected, PARK_PARKED)) {
		atomic_store(&thread->park, PARK_EMPTY);
		return true;
	}
	if (thread->counted)
		atomic_fetch_sub(&runnable, 1);
	for (;;) {
		u32 sequence = park_sequence(thread->slot);
		expected = PARK_TOKEN; /* the waker has counted this thread already */
		if (atomic_compare_exchange_strong(&thread->park, &expected, PARK_EMPTY))
			return true;
		if (park_wait(thread->slot, sequence, timeout_until(deadline)) != 2)
			continue;
		expected = PARK_PARKED;
		if (atomic_compare_exchange_strong(&thread->park, &expected, PARK_EMPTY)) {
			if (thread->counted)
				atomic_fetch_add(&runnable, 1);
			return false;
		}
	}
}

void thread_unpark(struct thread *thread)
{
	if (atomic_exchange(&thread->park, PARK_TOKEN) != PARK_PARKED)
		return;
	if (thread->counted)
		atomic_fetch_add(&runnable, 1);
	park_wake(thread->slot);
}

void thread_freeze(struct thread *thread)
{
	while (atomic_load(&thread->paused) && !thread_killed(thread))
		thread_park(thread, NEVER);
}

void thread_hold(struct thread *thread, u32 held)
{
	bool goes_on = held == 0, went_on = thread->held == 0;
	thread->held = held;
	if (goes_on == went_on)
		return;
	if (!goes_on)
		thread->held_counted = thread->counted && thread->running;
	if (thread->held_counted)
		atomic_fetch_add(&runnable, goes_on ? 1 : -1);
}

bool thread_frozen(const struct thread *thread)
{
	return atomic_load(&thread->paused) &&
	       (thread->held & HOLD_PAUSED || atomic_load(&thread->park) == PARK_PARKED);
}

void waitq_join(struct waitq *queue, struct waiter *waiter)
{
	lock_acquire(&queue->lock);
	waiter->queue = queue;
	waiter->queued = true;
	waiter->next = NULL;
	waiter->previous = queue->last;
	if (queue->last)
		queue->last->next = waiter;
	else
		queue->first = waiter;
	queue->last = waiter;
	atomic_fetch_add(&queue->count, 1);
	lock_release(&queue->lock);
}

static void unlink_waiter(struct waiter *waiter)
{
	struct waitq *queue = waiter->queue;
	if (waiter->previous)
		waiter->previous->next = waiter->next;
	else
		queue->first = waiter->next;
	if (waiter->next)
		waiter->next->previous = waiter->previous;
	else
		queue->last = waiter->previous;
	waiter->queued = false;
	atomic_fetch_sub(&queue->count, 1);
}

/* Only the waiter's owner calls this, and a thread's waiter is unlinked by nobody else; a watch may have
 * been unlinked by a waker, which the owner sees under the lock. */
void waitq_leave(struct waiter *waiter)
{
	struct waitq *queue = waiter->queue;
	if (!queue)
		return;
	lock_acquire(&queue->lock);
	if (waiter->queued)
		unlink_waiter(waiter);
	lock_release(&queue->lock);
}

void waitq_wake(struct waitq *queue)
{
	if (atomic_load(&queue->count) == 0)
		return;
	lock_acquire(&queue->lock);
	for (struct waiter *waiter = queue->first, *next; waiter; waiter = next) {
		next = waiter->next;
		if (waiter->thread) {
			thread_unpark(waiter->thread);
		} else {
			unlink_waiter(waiter);
			ready_post(waiter->token);
		}
	}
	lock_release(&queue->lock);
}

/* Spinning pays only while every runnable thread has a core to itself. */
static bool spinning_allowed(void)
{
	u32 cores = atomic_load_explicit(&spinning_cores, memory_order_relaxed);
	return atomic_load_explicit(&runnable, memory_order_relaxed) <= (i32)cores;
}

/* A full spin that fails is followed by waits that hardly spin: one, then two, four, up to SPIN_PENALTY_MOST, until a
 * full spin succeeds. So a thread whose peer takes long, or shares its core with somebody, soon parks at once. */
static void spin_judge(struct thread *thread, bool succeeded)
{
	if (succeeded)
		thread->spin_penalty = 0;
	else
		thread->spin_penalty = MIN(MAX(2 * thread->spin_penalty, 1u), SPIN_PENALTY_MOST);
	thread->spin_skips = thread->spin_penalty;
}

bool spin_until(condition ready, const void *object)
{
	struct thread *thread = current();
	bool full = thread->spin_skips == 0;
	u32 budget = full ? SPIN_MOST : SPIN_LEAST;
	for (u32 spins = 0; spins < budget && spinning_allowed(); spins++) {
		if (ready(object)) {
			if (spins > SPIN_LEAST)
				spin_judge(thread, true);
			return true;
		}
		spin_hint();
	}
	if (ready(object))
		return true;
	if (!full)
		thread->spin_skips--;
	else if (spinning_allowed())
		spin_judge(thread, false);
	return false;
}

int waitq_block(struct waitq *queue, condition eager, condition ready, const void *object, u64 deadline)
{
	struct thread *thread = current();
	thread_freeze(thread);
	if (atomic_load(&thread->interrupt)) { /* whose peer may keep it busy here for long */
		thread_interrupted(thread);
		return -E_INTR;
	}
	if (spin_until(eager, object))
		return 0;
	struct waiter waiter = {.thread = thread};
	int result = 0;
	waitq_join(queue, &waiter);
	for (;;) {
		thread_freeze(thread);
		if (atomic_load(&thread->interrupt)) {
			thread_interrupted(thread);
			result = -E_INTR;
			break;
		}
		if (ready(object))
			break;
		if (!thread_park(thread, deadline)) {
			result = ready(object) ? 0 : -E_TIMEDOUT;
			break;
		}
	}
	waitq_leave(&waiter);
	return result;
}

/* A ring with room for every token there is; it cannot overflow, because a token that waits in it is not posted
 * again: whoever takes it looks at what is true then. */
static struct {
	struct lock lock;
	u32 head, tail; /* under lock */
	_Atomic u32 stopped;
	struct thread *_Atomic sleeper;
	u32 tokens[READY_TOKENS];
	bool posted[READY_TOKENS];
} ready_list;

void ready_post(u32 token)
{
	lock_acquire(&ready_list.lock);
	bool was_empty = ready_list.head == ready_list.tail;
	if (token < READY_TOKENS && !ready_list.posted[token]) {
		ready_list.posted[token] = true;
		ready_list.tokens[ready_list.head++ % READY_TOKENS] = token;
	}
	lock_release(&ready_list.lock);
	struct thread *sleeper = atomic_load(&ready_list.sleeper);
	if (was_empty && sleeper)
		thread_unpark(sleeper);
}

u32 ready_take(u32 *tokens, u32 capacity)
{
	u32 taken = 0;
	lock_acquire(&ready_list.lock);
	while (taken < capacity && ready_list.tail != ready_list.head) {
		u32 token = ready_list.tokens[ready_list.tail++ % READY_TOKENS];
		ready_list.posted[token] = false;
		tokens[taken++] = token;
	}
	lock_release(&ready_list.lock);
	return taken;
}

static bool ready_not_empty(void)
{
	lock_acquire(&ready_list.lock);
	bool result = ready_list.head != ready_list.tail;
	lock_release(&ready_list.lock);
	return result;
}

bool ready_wait(void)
{
	struct thread *thread = current();
	atomic_store(&ready_list.sleeper, thread);
	while (!ready_not_empty() && !atomic_load(&ready_list.stopped))
		thread_park(thread, NEVER);
	return !atomic_load(&ready_list.stopped);
}

void ready_stop(void)
{
	atomic_store(&ready_list.stopped, 1);
	struct thread *sleeper = atomic_load(&ready_list.sleeper);
	if (sleeper)
		thread_unpark(sleeper);
}

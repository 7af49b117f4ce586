/* poll_oneoff: wait for any of a list of descriptors and clocks.
 *
 * A round looks at every subscription and writes the events that hold. Only when there are none does the
 * thread join the queue of each object, look once more, and park until the earliest deadline.
 */
#include "pod_node/kernel/wasi.h"

enum subscription_type { SUBSCRIBE_CLOCK = 0, SUBSCRIBE_READ = 1, SUBSCRIBE_WRITE = 2 };

#define CLOCK_ABSTIME 1
#define EVENT_HANGUP 1

struct subscription {
	u64 userdata;
	u8 type;
	u8 padding[7];
	union {
		u32 fd;
		struct {
			u32 id;
			u64 timeout, precision;
			u16 flags;
		} clock;
	};
};

struct event {
	u64 userdata;
	u16 error;
	u8 type;
	u8 padding[5];
	u64 bytes;
	u16 flags;
};

_Static_assert(sizeof(struct subscription) == 48, "witx layout");
_Static_assert(sizeof(struct event) == 32, "witx layout");

/* Few subscriptions need no memory but the kernel stack. */
#define WAITERS_ON_STACK 16u

/* Timers of this length and more are in no hurry: they may end late by a part of their length, and by no more than
 * SLACK_MOST_NS, a thirtieth of a second. Shorter ones are waited for as exactly as the host can. */
#define SLACK_FROM_NS (250 * 1000 * NSEC_PER_USEC)
#define SLACK_FRACTION 20u
#define SLACK_MOST_NS (1ull << 25)

struct poll {
	uaddr subscriptions, events;
	u32 count;
	u64 started;  /* CLOCK_ID_MONOTONIC */
	u64 now;      /* the same, when the thread last looked at the clock */
	u64 deadline; /* the earliest of the clocks and of the sockets' own */
	struct waiter *waiters;
	u32 joined;
};

static struct subscription load_subscription(const struct poll *poll, u32 index)
{
	struct subscription subscription;
	user_copy_in(&subscription, poll->subscriptions + index * (u32)sizeof(subscription), sizeof(subscription));
	return subscription;
}

/* When a clock subscription is over, on the monotonic clock. */
static u64 clock_deadline(const struct poll *poll, const struct subscription *subscription)
{
	u64 timeout = subscription->clock.timeout, base = poll->started;
	if (subscription->clock.flags & CLOCK_ABSTIME) {
		if (subscription->clock.id == CLOCK_ID_MONOTONIC)
			return timeout;
		u64 now = clock_now(CLOCK_ID_REALTIME);
		timeout = timeout > now ? timeout - now : 0;
		base = poll->now; /* what is left is left from here on, however often the thread has looked before */
	}
	return timeout < NEVER - base ? base + timeout : NEVER;
}

static struct event poll_clock(struct poll *poll, const struct subscription *subscription, bool *holds)
{
	u64 deadline = clock_deadline(poll, subscription);
	poll->deadline = MIN(poll->deadline, deadline);
	*holds = deadline <= poll->now;
	struct event event = {.userdata = subscription->userdata, .type = SUBSCRIBE_CLOCK};
	if (subscription->clock.id > CLOCK_ID_MONOTONIC) {
		event.error = WASI_INVAL;
		*holds = true;
	}
	return event;
}

static struct event poll_file(struct poll *poll, const struct subscription *subscription, bool *holds)
{
	struct event event = {.userdata = subscription->userdata, .type = subscription->type};
	struct file *file = descriptor_get(&current_process()->descriptors, subscription->fd);
	if (!file) {
		event.error = WASI_BADF;
		*holds = true;
		return event;
	}
	u32 events = file_poll(file);
	*holds = events & ((subscription->type == SUBSCRIBE_READ ? (u32)POLL_READ : (u32)POLL_WRITE) | POLL_HANGUP);
	event.bytes = subscription->type == SUBSCRIBE_READ ? file_available(file) : 1;
	event.flags = events & POLL_HANGUP ? EVENT_HANGUP : 0;
	if (file->kind == FILE_SOCKET)
		poll->deadline = MIN(poll->deadline, socket_deadline(file->socket));
	return event;
}

/* One round. The number of events written. */
static u32 poll_round(struct poll *poll)
{
	u32 held = 0;
	poll->deadline = NEVER;
	for (u32 i = 0; i < poll->count; i++) {
		struct subscription subscription = load_subscription(poll, i);
		struct event event;
		bool holds;
		if (subscription.type == SUBSCRIBE_CLOCK)
			event = poll_clock(poll, &subscription, &holds);
		else
			event = poll_file(poll, &subscription, &holds);
		if (holds)
			user_copy_out(poll->events + held++ * (u32)sizeof(event), &event, sizeof(event));
	}
	return held;
}

static void poll_join(struct poll *poll)
{
	for (u32 i = 0; i < poll->count; i++) {
		struct subscription subscription = load_subscription(poll, i);
		if (subscription.type == SUBSCRIBE_CLOCK)
			continue;
		struct file *file = descriptor_get(&current_process()->descriptors, subscription.fd);
		if (!file)
			continue;
		if (subscription.type == SUBSCRIBE_READ)
			file_idle(file);
		struct waiter *waiter = &poll->waiters[poll->joined];
		*waiter = (struct waiter){.thread = current()};
		poll->joined += file_join(file, subscription.type, waiter);
	}
}

static void poll_leave(struct poll *poll)
{
	while (poll->joined)
		waitq_leave(&poll->waiters[--poll->joined]);
}

struct spin {
	struct poll *poll;
	u32 *held;
};

static bool poll_spin(const void *object)
{
	const struct spin *spin = object;
	*spin->held = poll_round(spin->poll);
	return *spin->held != 0;
}

/* Round a far deadline up to a multiple of a power of two within its slack. Timers of different pods then end
 * together: to wake an idle processor costs several times what a thread does that finds it awake, its code and the
 * engine's in the caches. Linux's poll has slack for the same reason (a thousandth of the time-out, or PR_SET_TIMERSLACK),
 * and FreeBSD's sleeps (a twentieth). With this one 500 pods, a third of them in timers of a second, take a fifth to two
 * fifths less time, about 1.3 times as much as so many native threads; a wake is one system call, and pods that wait for
 * anything else take none at all. */
static u64 with_slack(u64 now, u64 deadline)
{
	if (deadline == NEVER || deadline < now + SLACK_FROM_NS)
		return deadline;
	u64 slack = MIN((deadline - now) / SLACK_FRACTION, SLACK_MOST_NS);
	u64 grain = 1ull << (63 - __builtin_clzll(slack));
	return deadline < NEVER - grain ? (deadline + grain - 1) & ~(grain - 1) : deadline;
}

static void poll_park(struct poll *poll)
{
	u64 until = with_slack(poll->now, poll->deadline);
	if (!thread_park(current(), until))
		poll->now = MAX(poll->now, until); /* that time is over: no need to ask */
	else if (poll->deadline != NEVER)
		poll->now = clock_now(CLOCK_ID_MONOTONIC);
}

/* A signal ends the wait: every clock is over. Without one there is no event. So the sleep that a C library makes of a
 * clock ends early, and its poll sees its time-out. */
static u32 poll_interrupted(struct poll *poll)
{
	thread_interrupted(current());
	poll->now = NEVER;
	return poll_round(poll);
}

/* Until an event holds, the time is over (which a clock event says), a signal comes or the thread is killed. */
static u32 poll_wait(struct poll *poll)
{
	u32 held = poll_round(poll);
	/* Looking at many descriptors over and over costs more than it can win. */
	if (!held && poll->count <= 4 && poll->deadline == NEVER)
		spin_until(poll_spin, &(struct spin){poll, &held});
	while (!held) {
		u32 interrupt = atomic_load(&current()->interrupt);
		if (interrupt)
			return interrupt & INTERRUPT_KILL ? 0 : poll_interrupted(poll);
		poll_join(poll);
		held = poll_round(poll);
		if (!held)
			poll_park(poll);
		poll_leave(poll);
		if (!held)
			held = poll_round(poll);
	}
	return held;
}

static u32 check_types(const struct poll *poll)
{
	for (u32 i = 0; i < poll->count; i++)
		if (load_subscription(poll, i).type > SUBSCRIBE_WRITE)
			return WASI_INVAL;
	return WASI_SUCCESS;
}

static u32 poll_with_memory(struct poll *poll, uaddr held)
{
	struct waiter on_stack[WAITERS_ON_STACK];
	struct account *account = current_process()->pod->account;
	bool few = poll->count <= WAITERS_ON_STACK;
	u32 size = poll->count * (u32)sizeof(struct waiter);
	poll->waiters = few ? on_stack : memory_allocate(account, size);
	if (!poll->waiters)
		return WASI_NOMEM;
	guest_store_u32(held, poll_wait(poll));
	if (!few)
		memory_free(account, poll->waiters, size);
	return WASI_SUCCESS;
}

WASI_CALL(poll_oneoff, (uaddr subscriptions, uaddr events, u32 count, uaddr held), (subscriptions, events, count, held))
{
	if (count == 0)
		return WASI_INVAL;
	if (count > 2 * current_process()->descriptors.limit + 64)
		return WASI_INVAL;
	if (!user_range_ok(subscriptions, (u64)count * sizeof(struct subscription)) ||
	    !user_range_ok(events, (u64)count * sizeof(struct event)) || !user_range_ok(held, sizeof(u32)))
		return WASI_FAULT;
	u64 now = clock_now(CLOCK_ID_MONOTONIC);
	struct poll poll = {
		.subscriptions = subscriptions,
		.events = events,
		.count = count,
		.started = now,
		.now = now,
	};
	u32 error = check_types(&poll);
	return error ? error : poll_with_memory(&poll, held);
}

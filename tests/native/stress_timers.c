/* Guests in timers, on both clocks, relative and absolute, that are woken before their time over and over while the
 * clock runs ahead: no timer ends early, and each ends when its time is over. */
#include "tests/native/stress.h"

#include <sched.h>

#define GUESTS 4u
#define FIRST 10u
#define TIMERS 60u
#define LONGEST_NS (20 * NSEC_PER_SEC)
#define MSEC (1000 * NSEC_PER_USEC)
#define LATE_FROM_NS (250 * MSEC)
#define LATE_MOST_NS (34 * MSEC)

static struct want random_timer(u64 *random)
{
	u64 length = random_next(random) % LONGEST_NS >> random_below(random, 32);
	struct want want = {.type = WANT_CLOCK, .timeout = length, .real = random_below(random, 2)};
	if (random_below(random, 2)) {
		want.absolute = true;
		want.timeout += clock_now(want.real ? CLOCK_ID_REALTIME : CLOCK_ID_MONOTONIC);
	}
	return want;
}

static void timers_main(struct guest *self)
{
	_Atomic u32 *ended = self->job;
	for (u32 i = 0; i < TIMERS; i++) {
		struct want wants[2] = {random_timer(&self->random), {.fd = 0, .type = WANT_READ}};
		u32 clock = wants[0].real ? CLOCK_ID_REALTIME : CLOCK_ID_MONOTONIC;
		u64 deadline = wants[0].absolute ? wants[0].timeout : clock_now(clock) + wants[0].timeout;
		CHECK(sys_poll(self, wants, 1 + random_below(&self->random, 2)) == 1 && wants[0].holds);
		CHECK(clock_now(clock) >= deadline);
	}
	atomic_fetch_add(ended, 1);
}

static void disturb(struct guest *const *guests, u64 random)
{
	thread_unpark(guests[random_below(&random, GUESTS)]->thread);
	clock_advance(random_next(&random) % NSEC_PER_SEC >> random_below(&random, 24));
	sched_yield();
}

static _Atomic bool timer_over;

static void one_timer_main(struct guest *self)
{
	struct want want = {.type = WANT_CLOCK, .timeout = *(const u64 *)self->job};
	CHECK(sys_poll(self, &want, 1) == 1);
	atomic_store(&timer_over, true);
}

/* It sleeps for no longer than to the deadline and its slack: a twentieth of what is waited for, and for short ones none. */
static void expect_little_slack(u64 seed, u64 length)
{
	longest_park();
	atomic_store(&timer_over, false);
	struct guest *guest = guest_boot(FIRST, one_timer_main, &length, seed);
	/* On a loaded machine its time may be over before this thread has seen it sleep. */
	while (atomic_load(&guest->thread->park) != PARK_PARKED && !atomic_load(&timer_over))
		sched_yield();
	clock_advance(length + LATE_MOST_NS);
	guest_end(guest);
	CHECK(longest_park() <= length + (length < LATE_FROM_NS ? 0 : MIN(length / 20, LATE_MOST_NS)));
}

void stress_timers(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct guest *guests[GUESTS];
		_Atomic u32 ended = 0;
		for (u32 i = 0; i < GUESTS; i++)
			guests[i] = guest_boot(FIRST + i, timers_main, &ended, seed + round * 100 + i);
		for (u64 step = seed; atomic_load(&ended) < GUESTS; step++)
			disturb(guests, step);
		for (u32 i = 0; i < GUESTS; i++)
			guest_end(guests[i]);
		static const u64 lengths[] = {LATE_FROM_NS - 1, LATE_FROM_NS, NSEC_PER_SEC, 3600 * NSEC_PER_SEC};
		for (u32 i = 0; i < COUNT_OF(lengths); i++)
			expect_little_slack(seed, lengths[i]);
		node_expect(before);
	}
}

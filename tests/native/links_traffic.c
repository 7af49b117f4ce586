/* Traffic under configurations that nobody would write: every packet arrives, or is counted where it was lost. */
#include "tests/native/links.h"

#include <pthread.h>
#include <sched.h>

#define SENDERS 3u

static u32 some_chance(u64 *random)
{
	switch (random_below(random, 4)) {
	case 0: return UINT32_MAX;
	case 1: return (u32)random_next(random);
	case 2: return PERCENT(5);
	default: return 0;
	}
}

static struct link_parameters some_parameters(u64 *random)
{
	static const u64 rates[] = {0, 0, 1000, 1000000, 100000000, LINK_MOST_RATE};
	struct link_parameters parameters = {
		.delay = random_below(random, 2) ? random_next(random) % (50 * MSEC) : 0,
		.jitter = random_below(random, 2) ? random_next(random) % (50 * MSEC) : 0,
		.rate = rates[random_below(random, COUNT_OF(rates))],
		.distribution = random_below(random, DISTRIBUTIONS),
		.bursty = random_below(random, 4) == 0,
		.duplicate = some_chance(random),
		.reorder = some_chance(random),
		.queue_packets = 1 + random_below(random, 50),
		.mtu = LINK_LEAST_MTU + random_below(random, 1500),
	};
	parameters.good_to_bad = some_chance(random), parameters.bad_to_good = some_chance(random);
	parameters.loss_in_bad = some_chance(random), parameters.loss_in_good = some_chance(random);
	parameters.loss = random_below(random, 2) ? some_chance(random) : 0;
	return parameters;
}

/* As the node does that shares links with others. */
static void share_links(u64 *random)
{
	static u8 uses[1 << 12];
	const struct {
		u32 id, direction, share;
	} shares[] = {
		{WIRE, random_below(random, 2), 1 + random_below(random, LINK_WHOLE)},
		{ADDRESS_OF(random_below(random, 2) ? LEFT : RIGHT), LINK_ACCESS, LINK_WHOLE / 3},
	};
	host_link_shares((uaddr)shares, COUNT_OF(shares));
	host_link_uses(0, (uaddr)uses, sizeof(uses));
}

static void change_something(u64 *random)
{
	const u32 addresses[] = {ADDRESS_OF(LEFT), ADDRESS_OF(RIGHT)};
	u32 from = random_below(random, 2);
	struct link_parameters access = some_parameters(random);
	switch (random_below(random, 7)) {
	case 6: share_links(random); break;
	case 0: connect_pods(some_parameters(random), some_parameters(random)); break;
	case 1: set_fault(random_below(random, 3), from ? LEFT : RIGHT, from ? RIGHT : LEFT); break;
	case 2:
		CHECK(host_group_set(from ? RIGHT : LEFT, NETWORK, random_below(random, 2) ? (uaddr)&access : 0,
				     (uaddr)&addresses[from], 1) == 0);
		break;
	case 3: host_link_remove(WIRE); break;
	case 4: connect_pods((struct link_parameters){PERFECT}, (struct link_parameters){PERFECT}); break;
	default: host_network_commit();
	}
}

static u32 send_something(u64 *random, u32 number)
{
	static const u32 protocols[] = {PACKET_UDP, PACKET_TCP, PACKET_ICMP};
	u32 size = random_below(random, 20) ? 44 + random_below(random, 2000) : 44 + random_below(random, 65000);
	u32 from = random_below(random, 2) ? LEFT : RIGHT;
	return send_packet(from, protocols[random_below(random, 3)], random_below(random, 5), number, size);
}

static void calm_down(void)
{
	set_fault(FAULT_NONE, LEFT, RIGHT);
	set_fault(FAULT_NONE, RIGHT, LEFT);
	link_pods((struct link_parameters){PERFECT});
}

void test_traffic(u64 seed, u32 rounds)
{
	u64 random = seed;
	for (u32 round = 0; round < rounds; round++) {
		link_pods(some_parameters(&random));
		on_arrival(NULL);
		for (u32 i = 0; i < 400; i++) {
			if (random_below(&random, 10) == 0)
				change_something(&random);
			send_something(&random, i);
			simulate(random_next(&random) % (5 * MSEC));
		}
		calm_down();
		disconnect_pods();
	}
}

static void test_every_packet_is_accounted_for(u64 *random)
{
	struct link_parameters parameters = some_parameters(random);
	parameters.delay++; /* or the pods are direct now and then */
	link_pods(parameters);
	on_arrival(NULL);
	struct link_statistics before = statistics_of(0);
	for (u32 i = 0; i < 500; i++) {
		CHECK(send_packet(LEFT, PACKET_UDP, i % 5, i, 44 + random_below(random, 1400)));
		simulate(random_next(random) % MSEC);
	}
	simulate_all();
	struct link_statistics now = statistics_of(0);
	CHECK(now.packets - before.packets == 500 && now.queued == 0 && now.unpaid == 0);
	CHECK(500 + now.duplicated - before.duplicated ==
	      arrivals() + now.lost - before.lost + now.overflowed - before.overflowed);
	CHECK(now.queued_most <= 50);
}

static _Atomic u32 finished;

static void *send_much(void *argument)
{
	u64 random = (u64)(uintptr_t)argument;
	struct thread *thread = thread_create(NULL, false);
	identity_set((struct identity){.thread = thread, .noise = random | 1});
	for (u32 i = 0; i < 3000; i++) {
		send_something(&random, i);
		if (random_below(&random, 64) == 0)
			sched_yield();
	}
	thread_destroy(thread);
	atomic_fetch_add(&finished, 1);
	return NULL;
}

static void *pace(void *argument)
{
	struct thread *thread = argument;
	identity_set((struct identity){.thread = thread, .noise = 1});
	host_pacer();
	return NULL;
}

void test_threads(u64 seed, u32 rounds)
{
	u64 random = seed;
	pthread_t pacer, senders[SENDERS];
	struct thread *thread = thread_create(NULL, false);
	for (u32 round = 0; round < rounds; round++) {
		test_every_packet_is_accounted_for(&random);
		disconnect_pods();
	}
	link_pods((struct link_parameters){PERFECT, .delay = MSEC});
	on_arrival(NULL);
	simulation_real_time();
	pthread_create(&pacer, NULL, pace, thread);
	for (u32 i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, send_much, (void *)(uintptr_t)random_next(&random));
	while (atomic_load(&finished) < SENDERS) {
		change_something(&random);
		sched_yield();
	}
	for (u32 i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	calm_down();
	host_pacer_stop();
	pthread_join(pacer, NULL);
	thread_destroy(thread);
	CHECK(arrivals() > 0);
	disconnect_pods();
}

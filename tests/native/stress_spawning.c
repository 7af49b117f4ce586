#define _GNU_SOURCE
#include "tests/native/stress_spawning.h"

#include <sched.h>

#define PODS_MOST 4u

struct child {
	struct guest *guest;
	guest_main work;
};

static struct child children[GUESTS_MOST];

bool spawn_may_be_refused(int result)
{
	return result == -WASI_AGAIN || result == -WASI_NOENT || result == -WASI_NOMEM || result == -WASI_NOBUFS;
}

static void live(struct guest *self)
{
	((struct child *)self->job)->work(self);
}

static void reap_some(void)
{
	for (u32 i = 0; i < GUESTS_MOST; i++) {
		struct child *child = &children[i];
		if (!child->guest || pthread_tryjoin_np(child->guest->pthread, NULL))
			continue;
		guest_reap_process(child->guest, child->guest->ended ? 0 : SIGNAL_KILL);
		child->guest = NULL;
	}
}

static u32 living(void)
{
	u32 count = 0;
	for (u32 i = 0; i < GUESTS_MOST; i++)
		count += children[i].guest != NULL;
	return count;
}

static void serve(program_table programs, u64 *random)
{
	struct {
		struct process_started started;
		u32 parent, main, request, size;
	} reply;
	host_kills_take();
	while (host_spawn_take((uaddr)&reply)) {
		if (!reply.main || random_below(random, 8) == 0) {
			CHECK(host_spawn_refuse(reply.started.process, E_NOENT) == 0);
			continue;
		}
		u32 slot = 0;
		while (children[slot].guest)
			slot++;
		children[slot].work = programs(((const char *)(uintptr_t)reply.request)[1]);
		children[slot].guest = guest_adopt(&reply.started, random_next(random));
		guest_start(children[slot].guest, live, &children[slot]);
		CHECK(host_spawn_started(reply.started.process) == 0);
	}
	reap_some();
}

static void end_pod(struct guest *first, program_table programs, u64 *random)
{
	guest_join(first);
	CHECK(host_pod_end(first->process) == 0);
	while (living())
		serve(programs, random), sched_yield();
	serve(programs, random);
	guest_reap(first);
}

void spawning_stress(u32 first_host, u32 pods, guest_main first, program_table programs, u64 seed, u32 rounds)
{
	u64 random = seed;
	i32 bell = host_spawn_open();
	CHECK(bell >= 0 && pods <= PODS_MOST);
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct guest *mains[PODS_MOST];
		for (u32 i = 0; i < pods; i++)
			mains[i] = guest_boot(first_host + i, first, NULL, seed * 31 + round * 100 + i);
		for (u32 i = random_below(&random, 3000); i; i--)
			serve(programs, &random), sched_yield();
		for (u32 i = 0; i < pods; i++) { /* who waits for a child that runs for ever is killed */
			guest_kill(mains[i]);
			CHECK(host_pod_end(mains[i]->process) == 0);
		}
		for (u32 i = 0; i < pods; i++)
			end_pod(mains[i], programs, &random);
		node_expect(before);
	}
	CHECK(host_close((u32)bell) == 0);
}

/* Guests that are stopped and let go again and again while they exchange bytes: what is paused does not move, and
 * nothing is lost. Some are killed while they are stopped. */
#include "tests/native/stress.h"

#include <sched.h>

#define SERVER 10u
#define CLIENT 11u
#define PORT 9100u
#define TOTAL (2u << 20)
#define CHUNK (64u << 10)
#define AT_BYTES GUEST_DATA

struct job {
	u64 key;
	_Atomic u64 done; /* bytes that this side has moved */
};

static u32 open_connected(struct guest *self)
{
	int fd;
	if (self->host == SERVER) {
		int listener = sys_open(self, 0, "tcp/listen/0.0.0.0/%u", PORT);
		CHECK(listener >= 0);
		fd = sys_accept(self, (u32)listener);
	} else {
		while ((fd = sys_open(self, 0, "tcp/connect/10.10.0.%u/%u", SERVER, PORT)) == -WASI_CONNREFUSED)
			;
	}
	CHECK(fd >= 0);
	return (u32)fd;
}

static void send_all(struct guest *self)
{
	struct job *job = self->job;
	u32 fd = open_connected(self);
	for (u64 at = 0; at < TOTAL;) {
		u32 size = 1 + random_below(&self->random, (u32)MIN((u64)CHUNK, TOTAL - at));
		for (u32 i = 0; i < size; i++)
			self->memory[AT_BYTES + i] = pattern(job->key, at + i);
		CHECK(sys_write(self, fd, AT_BYTES, size) == (int)size);
		at += size;
		atomic_store(&job->done, at);
	}
}

static void receive_all(struct guest *self)
{
	struct job *job = self->job;
	u32 fd = open_connected(self);
	for (u64 at = 0; at < TOTAL;) {
		struct want wants[] = {{.fd = fd, .type = WANT_READ}, {.type = WANT_CLOCK, .timeout = NSEC_PER_USEC}};
		if (random_below(&self->random, 4) == 0)
			sys_poll(self, wants, COUNT_OF(wants));
		int got = sys_read(self, fd, AT_BYTES, 1 + random_below(&self->random, CHUNK));
		CHECK(got > 0);
		for (int i = 0; i < got; i++)
			CHECK(self->memory[AT_BYTES + i] == pattern(job->key, at + (u32)i));
		at += (u32)got;
		atomic_store(&job->done, at);
	}
}

static void pass_time(u64 *random)
{
	for (u32 i = random_below(random, 200); i; i--)
		sched_yield();
}

/* What the node shows of it may be read at any time. */
static void look_at(const struct guest *guest)
{
	u64 usage[5]; /* as struct usage */
	CHECK(host_process_usage(guest->process, (uaddr)usage) == 0);
	CHECK(usage[1] <= usage[2]);
}

/* Stop it, see that it stays where it is, and let it go. */
static void hold_up(struct guest *guest, u64 *random)
{
	struct job *job = guest->job;
	look_at(guest);
	CHECK(host_process_pause(guest->process) == 0);
	for (u32 tries = 0; host_process_frozen(guest->process) == 0; tries++) {
		if (atomic_load(&job->done) == TOTAL) /* it may be past its last call */
			break;
		sched_yield();
	}
	if (host_process_frozen(guest->process)) {
		u64 done = atomic_load(&job->done);
		pass_time(random);
		CHECK(atomic_load(&job->done) == done);
	}
	CHECK(host_process_resume(guest->process) == 0);
}

static void run_pair(u64 seed, bool killing)
{
	struct job jobs[2] = {{.key = seed}, {.key = seed}};
	struct guest *guests[2] = {
		guest_boot(SERVER, receive_all, &jobs[0], seed),
		guest_boot(CLIENT, send_all, &jobs[1], seed + 1),
	};
	u64 random = seed, most = killing ? random_below(&random, TOTAL) : TOTAL;
	while (atomic_load(&jobs[0].done) < most) {
		hold_up(guests[random_below(&random, 2)], &random);
		pass_time(&random);
	}
	for (u32 i = 0; killing && i < 2; i++) { /* both, before one notices that the other has gone */
		CHECK(host_process_pause(guests[i]->process) == 0);
		pass_time(&random);
		guest_kill(guests[i]);
	}
	for (u32 i = 0; i < 2; i++)
		guest_end(guests[i]);
}

void stress_pause(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		run_pair(seed + round, round % 2);
		node_expect(before);
	}
}

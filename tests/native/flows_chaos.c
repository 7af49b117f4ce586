/* Connections under links, faults and conversions that nobody would configure: in virtual time with every kind of end,
 * and in real time with threads. Whatever is read is what was written, in order; and nothing stays. */
#include "tests/native/flows.h"

#include <pthread.h>
#include <sched.h>

#include "vnet/fabric/errno.h"

#define CONNECTIONS 5u
#define STEPS 400u
#define WAYS (2 * CONNECTIONS)

/* One direction of one connection. */
struct way {
	u64 key, sent, received;
	bool finished, ended; /* the writer has shut down; the reader has seen it */
};

struct talk {
	struct ends ends;
	struct way ways[2]; /* from the client, from the server */
	bool broken;        /* reset by one of the ends, or too poor */
};

static struct link_parameters some_link(u64 *random)
{
	static const u32 losses[] = {0, 0, PERCENT(1), PERCENT(10), PERCENT(40)};
	static const u64 rates[] = {0, 0, 1000000, 20000000};
	return (struct link_parameters){
		.delay = random_below(random, 3) ? random_next(random) % (60 * MSEC) : 0,
		.jitter = random_below(random, 3) ? 0 : random_next(random) % (30 * MSEC),
		.loss = losses[random_below(random, COUNT_OF(losses))],
		.rate = rates[random_below(random, COUNT_OF(rates))],
		.duplicate = random_below(random, 3) ? 0 : PERCENT(10),
		.reorder = random_below(random, 3) ? 0 : PERCENT(10),
		.corrupt = random_below(random, 5) ? 0 : PERCENT(10),
		.queue_packets = random_below(random, 3) ? 1000 : 1 + random_below(random, 20),
		.mtu = random_below(random, 3) ? 1500 : LINK_LEAST_MTU + random_below(random, 4000),
	};
}

static void change_something(u64 *random)
{
	u32 from = random_below(random, 2) ? LEFT : RIGHT;
	switch (random_below(random, 8)) {
	case 0: set_fault(random_below(random, 3), from, LEFT + RIGHT - from); break;
	case 1:
	case 2: link_pods((struct link_parameters){PERFECT}); break;
	case 3: connect_pods(some_link(random), (struct link_parameters){PERFECT}); break;
	default: connect_pods(some_link(random), some_link(random));
	}
}

static void calm_down(void)
{
	set_fault(FAULT_NONE, LEFT, RIGHT);
	set_fault(FAULT_NONE, RIGHT, LEFT);
	link_pods(slow(MSEC));
}

static bool is_broken(i32 result)
{
	return result == -E_CONNRESET || result == -E_PIPE || result == -E_TIMEDOUT || result == -E_NOBUFS;
}

static struct socket *end_of(struct talk *talk, u32 side)
{
	return side ? talk->ends.server : talk->ends.client;
}

static void talk_write(struct talk *talk, u32 side, u32 size)
{
	struct socket *socket = end_of(talk, side);
	struct way *way = &talk->ways[side];
	if (!socket || way->finished)
		return;
	i32 moved = send_pattern(socket, way->key, &way->sent, size);
	CHECK(moved > 0 || moved == -E_AGAIN || is_broken(moved));
	talk->broken |= is_broken(moved);
}

static void talk_read(struct talk *talk, u32 side, u32 size)
{
	struct socket *socket = end_of(talk, side);
	struct way *way = &talk->ways[1 - side];
	if (!socket)
		return;
	i32 moved = receive_pattern(socket, way->key, &way->received, size);
	CHECK(moved >= 0 || moved == -E_AGAIN || is_broken(moved));
	talk->broken |= is_broken(moved);
	if (moved == 0 && !talk->broken) {
		CHECK(way->finished && way->received == way->sent);
		way->ended = true;
	}
	CHECK(way->received <= way->sent);
}

static void talk_finish(struct talk *talk, u32 side)
{
	struct socket *socket = end_of(talk, side);
	if (!socket || talk->ways[side].finished)
		return;
	CHECK(tcp_shutdown(socket, TCP_SHUT_WRITE) == 0);
	talk->ways[side].finished = true;
}

static void talk_close(struct talk *talk, u32 side, bool at_once)
{
	struct socket **socket = side ? &talk->ends.server : &talk->ends.client;
	if (!*socket)
		return;
	talk->broken |=
		at_once || talk->ways[1 - side].received < talk->ways[1 - side].sent || !talk->ways[1 - side].finished;
	if (at_once)
		(*socket)->linger = 0;
	tcp_close(*socket);
	*socket = NULL;
	talk->ways[side].finished = true;
}

static void do_something(struct talk *talk, u64 *random)
{
	u32 side = random_below(random, 2), size = 1 + random_below(random, 1u << random_below(random, 19));
	switch (random_below(random, 64)) {
	case 0: talk_finish(talk, side); break;
	case 1: talk_close(talk, side, random_below(random, 4) == 0); break;
	default:
		if (random_below(random, 2))
			talk_write(talk, side, size);
		else
			talk_read(talk, side, size);
	}
}

static void begin(struct talk *talk, u64 *random)
{
	*talk = (struct talk){.ends = open_ends(1u << (8 + random_below(random, 12)))};
	tcp_close(talk->ends.listener);
	talk->ends.listener = NULL;
	talk->ends.client->send_buffer = 1u << (8 + random_below(random, 12));
	for (u32 side = 0; side < 2; side++)
		talk->ways[side].key = random_next(random);
}

/* All that was written comes, unless somebody broke it off. */
static void see_it_through(struct talk *talk)
{
	for (u32 side = 0; side < 2; side++)
		talk_finish(talk, side);
	for (u32 i = 0; i < 200000 && !talk->broken && !(talk->ways[0].ended && talk->ways[1].ended); i++) {
		for (u32 side = 0; side < 2; side++)
			if (!talk->ways[1 - side].ended)
				talk_read(talk, side, 1 << 19);
		if (!talk->ends.client)
			talk->ways[1].ended = true;
		if (!talk->ends.server)
			talk->ways[0].ended = true;
		simulate(2 * MSEC);
	}
	CHECK(talk->broken || (talk->ways[0].ended && talk->ways[1].ended));
	for (u32 side = 0; side < 2; side++)
		talk_close(talk, side, false);
}

void test_chaos(u64 seed, u32 rounds)
{
	u64 random = seed;
	for (u32 round = 0; round < rounds; round++) {
		struct talk talks[CONNECTIONS];
		link_pods(slow(MSEC));
		for (u32 i = 0; i < CONNECTIONS; i++)
			begin(&talks[i], &random);
		for (u32 step = 0; step < STEPS; step++) {
			if (random_below(&random, 20) == 0)
				change_something(&random);
			do_something(&talks[random_below(&random, CONNECTIONS)], &random);
			simulate(random_next(&random) % (20 * MSEC));
		}
		calm_down();
		simulate(200 * NSEC_PER_SEC); /* the longest time-out */
		for (u32 i = 0; i < CONNECTIONS; i++)
			see_it_through(&talks[i]);
		disconnect_pods();
	}
}

/* With threads. */

struct job {
	struct socket *socket;
	u64 key, total, seed;
	struct thread *thread;
	pthread_t pthread;
	bool writes;
};

static _Atomic u32 running;

static void move_all(struct job *job)
{
	u8 *chunk = malloc(1 << 16);
	for (u64 at = 0; at < job->total;) {
		u32 most = 1 + random_below(&job->seed, 1u << random_below(&job->seed, 17));
		u32 size = (u32)MIN(job->total - at, (u64)most);
		for (u32 i = 0; job->writes && i < size; i++)
			chunk[i] = pattern(job->key, at + i);
		i32 moved = job->writes ? tcp_write(job->socket, (uaddr)chunk, size, true)
					: tcp_read(job->socket, (uaddr)chunk, size, true, false);
		CHECK(moved > 0);
		for (i32 i = 0; !job->writes && i < moved; i++)
			CHECK(chunk[i] == pattern(job->key, at + (u32)i));
		at += (u32)moved;
	}
	if (job->writes)
		CHECK(tcp_shutdown(job->socket, TCP_SHUT_WRITE) == 0);
	else
		CHECK(tcp_read(job->socket, (uaddr)chunk, 1, true, false) == 0);
	free(chunk);
}

static void *work(void *argument)
{
	struct job *job = argument;
	identity_set((struct identity){.thread = job->thread, .noise = job->seed | 1});
	move_all(job);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void *pace(void *argument)
{
	identity_set((struct identity){.thread = argument, .noise = 1});
	host_pacer();
	return NULL;
}

/* Links over which everything gets through in little time. */
static void change_link(u64 *random)
{
	struct link_parameters link = {PERFECT};
	switch (random_below(random, 5)) {
	case 0: link.delay = random_next(random) % MSEC; break;
	case 1: link.delay = MSEC, link.loss = PERCENT(2), link.jitter = MSEC / 2; break;
	case 2: link.rate = 400000000, link.duplicate = PERCENT(5); break;
	default: break;
	}
	link_pods(link);
	for (u32 i = random_below(random, 200); i; i--)
		sched_yield();
	if (random_below(random, 4) == 0)
		set_fault(random_below(random, 2) ? FAULT_HOLD : FAULT_NONE, LEFT, RIGHT);
}

static void start_jobs(struct ends *ends, struct job *jobs, u64 *random, u64 total)
{
	for (u32 i = 0; i < 4 * CONNECTIONS; i++) {
		u32 way = i / 2;
		struct socket *from = way % 2 ? ends[way / 2].server : ends[way / 2].client;
		struct socket *to = way % 2 ? ends[way / 2].client : ends[way / 2].server;
		jobs[i] = (struct job){
			.socket = i % 2 ? to : from,
			.key = way + 1,
			.total = total,
			.seed = random_next(random),
			.thread = thread_create(NULL, false),
			.writes = i % 2 == 0,
		};
		CHECK(jobs[i].thread != NULL);
		atomic_fetch_add(&running, 1);
		CHECK(pthread_create(&jobs[i].pthread, NULL, work, &jobs[i]) == 0);
	}
}

void test_conversions(u64 seed, u32 rounds)
{
	u64 random = seed;
	struct ends ends[CONNECTIONS];
	static struct job jobs[4 * CONNECTIONS];
	struct thread *thread = thread_create(NULL, false);
	pthread_t pacer;
	link_pods(slow(1));
	for (u32 i = 0; i < CONNECTIONS; i++) {
		ends[i] = open_ends(1u << (12 + 2 * i));
		tcp_close(ends[i].listener), ends[i].listener = NULL;
	}
	simulation_real_time();
	pthread_create(&pacer, NULL, pace, thread);
	start_jobs(ends, jobs, &random, (u64)rounds << 16);
	for (u32 changes = 0; atomic_load(&running); changes++) {
		if (changes % 8 == 7)
			set_fault(FAULT_NONE, LEFT, RIGHT), link_pods((struct link_parameters){PERFECT});
		else
			change_link(&random);
		sched_yield();
	}
	for (u32 i = 0; i < COUNT_OF(jobs); i++) {
		pthread_join(jobs[i].pthread, NULL);
		thread_destroy(jobs[i].thread);
	}
	calm_down();
	host_pacer_stop();
	pthread_join(pacer, NULL);
	thread_destroy(thread);
	for (u32 i = 0; i < CONNECTIONS; i++)
		close_ends(&ends[i]);
	disconnect_pods();
}

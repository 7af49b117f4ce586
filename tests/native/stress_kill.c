/* Guests that are killed wherever they happen to be: blocked, polling, transferring or connecting, and reaped by
 * another thread at once; and guests that run with nearly nothing. */
#include "tests/native/stress.h"

#include <sched.h>
#include <stdio.h>

#define SERVER 10u
#define VICTIMS 8u
#define PORT 80u
#define FULL_PORT 81u
#define AT_BYTES GUEST_DATA
#define BYTES (256u << 10)

static int listen_on(struct guest *self, u32 port, u32 backlog)
{
	int fd = sys_open(self, 0, "tcp/socket");
	CHECK(fd >= 0);
	CHECK(sys_control(self, (u32)fd, "bind", "0.0.0.0 %u", port) == 0);
	CHECK(sys_control(self, (u32)fd, "listen", "%u", backlog) == 0);
	return fd;
}

/* Accepts on one port and reads a little of what comes; the other port's backlog stays full. */
static void careless_server(struct guest *self)
{
	listen_on(self, FULL_PORT, 1);
	int listener = listen_on(self, PORT, 4), held[3] = {-1, -1, -1};
	for (u32 i = 0;; i = (i + 1) % COUNT_OF(held)) {
		if (held[i] >= 0)
			CHECK(sys_close(self, (u32)held[i]) == 0);
		held[i] = sys_accept(self, (u32)listener);
		CHECK(held[i] >= 0);
		CHECK(sys_set_nonblocking(self, (u32)held[i], true) == 0);
		sys_read(self, (u32)held[i], AT_BYTES, BYTES);
	}
}

static int reach(struct guest *self, u32 port)
{
	int fd;
	while ((fd = sys_open(self, 0, "tcp/connect/10.10.0.%u/%u", SERVER, port)) == -WASI_CONNREFUSED)
		;
	return fd;
}

static void pair_ends(struct guest *self, u32 ends[2])
{
	int first = sys_open(self, 0, "tcp/pair");
	CHECK(first >= 0);
	ends[0] = (u32)first;
	int second = sys_open(self, 0, "tcp/pair/%u", sys_socket_id(self, ends[0]));
	CHECK(second >= 0);
	ends[1] = (u32)second;
}

static void poll_everything(struct guest *self, bool timed)
{
	u32 ends[2];
	pair_ends(self, ends);
	struct want wants[] = {
		{.fd = ends[0], .type = WANT_READ},
		{.fd = ends[1], .type = WANT_READ},
		{.fd = (u32)listen_on(self, 90, 1), .type = WANT_READ},
		{.fd = 0, .type = WANT_READ},
		{.type = WANT_CLOCK, .timeout = 3600 * NSEC_PER_SEC},
	};
	sys_poll(self, wants, COUNT_OF(wants) - !timed);
}

/* Block in one of the ways there are; whoever gets through begins again, until it is killed. */
static void victim(struct guest *self)
{
	u32 ends[2];
	for (;;) {
		switch (random_below(&self->random, 10)) {
		case 0: sys_accept(self, (u32)listen_on(self, 91, 1)); break;
		case 1: pair_ends(self, ends), sys_read(self, ends[0], AT_BYTES, 1); break;
		case 2: sys_open(self, 0, "tcp/pair"); break; /* its twin is never opened */
		case 3: sys_write(self, (u32)reach(self, PORT), AT_BYTES, BYTES); break;
		case 4: sys_receive(self, (u32)reach(self, PORT), AT_BYTES, BYTES, 2); break;
		case 5: reach(self, FULL_PORT), reach(self, FULL_PORT); break;
		case 6: poll_everything(self, false); break;
		case 7: poll_everything(self, true); break;
		case 8: sys_read(self, 0, AT_BYTES, 1); break;
		default:
			for (;;) /* until the pipe is full */
				sys_write(self, 1, AT_BYTES, BYTES);
		}
	}
}

static void pass_time(u64 *random)
{
	for (u32 i = random_below(random, 400); i; i--)
		sched_yield();
}

void stress_kill(u64 seed, u32 rounds)
{
	u64 random = seed;
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct guest *victims[VICTIMS], *server = guest_boot(SERVER, careless_server, NULL, seed + round);
		for (u32 i = 0; i < VICTIMS; i++)
			victims[i] = guest_boot(SERVER + 1 + i, victim, NULL, seed * 31 + round * 100 + i);
		bool server_first = random_below(&random, 2);
		pass_time(&random);
		if (server_first) {
			guest_kill(server);
			guest_end(server);
		}
		for (u32 i = 0; i < VICTIMS; i++) {
			pass_time(&random);
			guest_kill(victims[i]);
			guest_end(victims[i]);
		}
		if (!server_first) {
			guest_kill(server);
			guest_end(server);
		}
		node_expect(before);
	}
}

/* Any call may fail for want of something, none may do harm. */
static void starving(struct guest *self)
{
	for (u32 i = 0; i < 400; i++) {
		u32 fd = random_below(&self->random, 16), size = 1 + random_below(&self->random, BYTES);
		switch (random_below(&self->random, 12)) {
		case 0:
			sys_open(self, OPEN_NONBLOCK, "tcp/connect/10.10.0.%u/%u",
				 SERVER + random_below(&self->random, VICTIMS), PORT);
			break;
		case 1: sys_open(self, OPEN_NONBLOCK, "tcp/listen/0.0.0.0/%u", PORT); break;
		case 2: sys_open(self, OPEN_NONBLOCK, "tcp/pair"); break;
		case 3: sys_open(self, OPEN_NONBLOCK, "interfaces"); break;
		case 4: sys_open(self, OPEN_NONBLOCK, "ctl"); break;
		case 5:
		case 6: sys_set_nonblocking(self, fd, true), sys_write(self, fd, AT_BYTES, size); break;
		case 7: sys_set_nonblocking(self, fd, true), sys_read(self, fd, AT_BYTES, size); break;
		case 8: sys_set_nonblocking(self, fd, true), sys_accept(self, fd); break;
		case 9: sys_shutdown(self, fd, 1 + random_below(&self->random, 3)); break;
		default:
			if (fd != self->net)
				sys_close(self, fd);
		}
		struct want wants[] = {{.fd = fd, .type = WANT_READ}, {.type = WANT_CLOCK}};
		CHECK(sys_poll(self, wants, 2) >= 1);
	}
}

void stress_starved(u64 seed, u32 rounds)
{
	u64 random = seed;
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct guest *guests[VICTIMS];
		u32 count = 0;
		for (u32 i = 0; i < VICTIMS; i++) {
			struct limits limits = {
				.bytes = random_below(&random, 100000),
				.sockets = random_below(&random, 12),
				.descriptors = random_below(&random, 20),
			};
			guests[count] = guest_create(SERVER + i, limits, seed + round * 100 + i);
			if (guests[count])
				guest_start(guests[count++], starving, NULL);
		}
		for (u32 i = 0; i < count; i++)
			guest_end(guests[i]);
		node_expect(before);
	}
}

/* Connections that come and go: storms on small backlogs, listeners that close with connects pending, resets,
 * connects that time out, and polls that begin before a connect is decided. */
#include "tests/native/stress.h"

#include <sched.h>

#define PORT 80u
#define SERVER 10u
#define CLIENTS 6u
#define CONNECTS 40u
#define AT_BYTES GUEST_DATA

static int dial(struct guest *self, u32 flags)
{
	return sys_open(self, flags, "tcp/connect/10.10.0.%u/%u", SERVER, PORT);
}

static bool broken(int result)
{
	return result == -WASI_CONNRESET || result == -WASI_PIPE;
}

/* After a connect that did not wait: its outcome, as a program would learn it. */
static int connect_outcome(struct guest *self, u32 fd)
{
	struct want wants[2] = {{.fd = fd, .type = WANT_WRITE}, {.type = WANT_CLOCK, .timeout = 3600 * NSEC_PER_SEC}};
	CHECK(sys_poll(self, wants, 2) >= 1);
	CHECK(wants[0].holds);
	return sys_socket_error(self, fd);
}

/* One connection: the server sends back what it got, or breaks off. */
static void converse(struct guest *self, u32 fd)
{
	u32 choice = random_below(&self->random, 6);
	if (choice == 0)
		return;
	if (choice == 1)
		CHECK(sys_control(self, fd, "set", "linger 0") == 0);
	memcpy(self->memory + AT_BYTES, "ping", 4);
	int sent = sys_write(self, fd, AT_BYTES, 4);
	CHECK(sent == 4 || broken(sent));
	if (choice == 2)
		CHECK(sys_shutdown(self, fd, TCP_SHUT_WRITE) == 0);
	if (choice == 3 || sent < 0)
		return;
	int got = sys_receive(self, fd, AT_BYTES, 4, 2);
	CHECK(got == 0 || got == 4 || broken(got));
	CHECK(got != 4 || memcmp(self->memory + AT_BYTES, "ping", 4) == 0);
}

static void storm_client(struct guest *self)
{
	for (u32 i = 0; i < CONNECTS; i++) {
		u32 flags = random_below(&self->random, 3) ? 0 : OPEN_NONBLOCK;
		int fd = dial(self, flags);
		CHECK(fd >= 0 || fd == -WASI_CONNREFUSED || broken(fd));
		if (fd < 0)
			continue;
		if (flags && random_below(&self->random, 4)) {
			int error = connect_outcome(self, (u32)fd);
			CHECK(error == 0 || error == WASI_CONNREFUSED || broken(-error));
			sys_set_nonblocking(self, (u32)fd, false);
			if (error == 0)
				converse(self, (u32)fd);
		} else if (!flags) {
			converse(self, (u32)fd);
		}
		CHECK(sys_close(self, (u32)fd) == 0);
	}
}

static int open_listener(struct guest *self, u32 backlog)
{
	int fd = sys_open(self, 0, "tcp/socket");
	CHECK(fd >= 0);
	CHECK(sys_control(self, (u32)fd, "bind", "0.0.0.0 %u", PORT) == 0);
	CHECK(sys_control(self, (u32)fd, "listen", "%u", backlog) == 0);
	return fd;
}

static void serve(struct guest *self, u32 fd)
{
	int got = random_below(&self->random, 5) ? sys_receive(self, fd, AT_BYTES, 4, 2) : 0;
	CHECK(got == 0 || got == 4 || broken(got));
	if (got == 4) {
		int sent = sys_write(self, fd, AT_BYTES, 4);
		CHECK(sent == 4 || broken(sent));
	}
	if (random_below(&self->random, 4) == 0)
		CHECK(sys_control(self, fd, "set", "linger 0") == 0);
	CHECK(sys_close(self, fd) == 0);
}

/* Until it is killed. */
static void storm_server(struct guest *self)
{
	for (;;) {
		int listener = open_listener(self, 1 + random_below(&self->random, 3));
		for (u32 i = random_below(&self->random, 40); i; i--) {
			struct want want = {.fd = (u32)listener, .type = WANT_READ};
			if (random_below(&self->random, 2))
				CHECK(sys_poll(self, &want, 1) == 1);
			int fd = sys_accept(self, (u32)listener);
			CHECK(fd >= 0);
			serve(self, (u32)fd);
		}
		CHECK(sys_close(self, (u32)listener) == 0);
	}
}

/* Clients against one server, which is killed when they are done; the clock runs ahead by `seconds` meanwhile. */
static void run_clients(guest_main server_main, guest_main client_main, u64 seed, u32 seconds)
{
	struct usage before = node_usage();
	struct guest *clients[CLIENTS], *server = guest_boot(SERVER, server_main, NULL, seed);
	for (u32 i = 0; i < CLIENTS; i++)
		clients[i] = guest_boot(SERVER + 1 + i, client_main, NULL, seed * 100 + i);
	for (; seconds; seconds--) {
		clock_advance(NSEC_PER_SEC);
		sched_yield();
	}
	for (u32 i = 0; i < CLIENTS; i++)
		guest_end(clients[i]);
	guest_kill(server);
	guest_end(server);
	node_expect(before);
}

void stress_storm(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++)
		run_clients(storm_server, storm_client, seed + round, 0);
}

/* A greeting to each, slowly, and now and then the door shut on those who wait. Until it is killed. */
static void pending_server(struct guest *self)
{
	for (;;) {
		int listener = open_listener(self, 1);
		for (u32 i = random_below(&self->random, 12); i; i--) {
			int fd = sys_accept(self, (u32)listener);
			CHECK(fd >= 0);
			sched_yield();
			int sent = sys_write(self, (u32)fd, AT_BYTES, 1);
			CHECK(sent == 1 || broken(sent));
			CHECK(sys_close(self, (u32)fd) == 0);
		}
		CHECK(sys_close(self, (u32)listener) == 0);
	}
}

/* Waits to read, from before the connect is decided until the greeting or a failure. */
static void read_poll(struct guest *self, u32 fd)
{
	struct want want = {.fd = fd, .type = WANT_READ};
	CHECK(sys_poll(self, &want, 1) == 1 && want.holds && want.error == 0);
	int got = sys_read(self, fd, AT_BYTES, 1);
	CHECK(got == 0 || got == 1 || broken(got) || got == -WASI_CONNREFUSED || got == -WASI_TIMEDOUT);
}

static void pending_client(struct guest *self)
{
	for (u32 i = 0; i < CONNECTS; i++) {
		u32 choice = random_below(&self->random, 4);
		int fd = dial(self, choice ? OPEN_NONBLOCK : 0);
		CHECK(fd >= 0 || fd == -WASI_CONNREFUSED || fd == -WASI_TIMEDOUT || broken(fd));
		if (fd < 0)
			continue;
		if (choice == 1) {
			int error = connect_outcome(self, (u32)fd);
			CHECK(error == 0 || error == WASI_CONNREFUSED || error == WASI_TIMEDOUT || broken(-error));
		} else if (choice == 2) {
			read_poll(self, (u32)fd);
		} else if (choice == 3) {
			int sent = sys_write(self, (u32)fd, AT_BYTES,
					     1); /* whatever state it is in; a first write breaks no pipe */
			CHECK(sent == 1 || sent == -WASI_AGAIN || sent == -WASI_CONNREFUSED || sent == -WASI_TIMEDOUT ||
			      sent == -WASI_CONNRESET);
		}
		CHECK(sys_close(self, (u32)fd) == 0);
	}
}

/* In odd rounds the clock runs fast, so that connects time out. */
void stress_pending(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++)
		run_clients(pending_server, pending_client, seed + round, round % 2 ? 2000 : 0);
}

/* Sends a part and resets. Until it is killed. */
static void resetting_server(struct guest *self)
{
	int listener = open_listener(self, 2);
	for (;;) {
		int fd = sys_accept(self, (u32)listener);
		CHECK(fd >= 0);
		CHECK(sys_control(self, (u32)fd, "set", "linger 0") == 0);
		CHECK(sys_write(self, (u32)fd, AT_BYTES, 1 + random_below(&self->random, 5000)) > 0);
		CHECK(sys_close(self, (u32)fd) == 0);
	}
}

/* A reset never looks like the end of a stream, however the client learns of it. */
static void reset_client(struct guest *self)
{
	for (u32 i = 0; i < CONNECTS; i++) {
		int fd, got;
		while ((fd = dial(self, 0)) == -WASI_CONNREFUSED)
			;
		CHECK(fd >= 0 || fd == -WASI_CONNRESET); /* it was reset while it waited in the backlog */
		if (fd < 0)
			continue;
		struct want want = {.fd = (u32)fd, .type = WANT_READ};
		do {
			if (random_below(&self->random, 2))
				CHECK(sys_poll(self, &want, 1) == 1);
			got = sys_read(self, (u32)fd, AT_BYTES, 1 + random_below(&self->random, 3000));
		} while (got > 0);
		CHECK(got == -WASI_CONNRESET);
		CHECK(sys_close(self, (u32)fd) == 0);
	}
}

void stress_resets(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++)
		run_clients(resetting_server, reset_client, seed + round, 0);
}

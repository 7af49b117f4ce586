/* Connects and lookups that leave the deployment, answered late, early, wrongly or never by the host, while the guests
 * that ask give up or are killed, and while the host stops serving and begins again. */
#include "tests/native/stress_crowd.h"

#include <sched.h>
#include <stdio.h>

#define AT_BYTES GUEST_DATA

static bool refused(int result)
{
	return result == -WASI_ACCES || result == -WASI_NETUNREACH || result == -WASI_HOSTUNREACH ||
	       result == -WASI_TIMEDOUT || result == -WASI_CONNRESET;
}

static void connect_and_wait(struct guest *self)
{
	int fd = sys_open(self, 0, "tcp/connect/192.0.2.%u/443", random_below(&self->random, 256));
	CHECK(fd >= 0 || refused(fd));
	if (fd < 0)
		return;
	crowd_converse(self, (u32)fd);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void connect_and_poll(struct guest *self)
{
	int fd = sys_open(self, OPEN_NONBLOCK, "tcp/connect/192.0.2.1/%u", 1 + random_below(&self->random, 9));
	CHECK(fd >= 0 || refused(fd));
	if (fd < 0)
		return;
	if (random_below(&self->random, 2)) {
		struct want want = {.fd = (u32)fd, .type = WANT_WRITE};
		CHECK(sys_poll(self, &want, 1) == 1);
		int error = sys_socket_error(self, (u32)fd);
		CHECK(error == 0 || error == WASI_PIPE || refused(-error));
	}
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void look_up(struct guest *self)
{
	int fd = sys_open(self, 0, "dns/%u.example.com", random_below(&self->random, 5));
	CHECK(fd >= 0 || fd == -WASI_NOENT || fd == -WASI_TIMEDOUT);
	if (fd < 0)
		return;
	int length = sys_read(self, (u32)fd, AT_BYTES, 4096);
	CHECK(length == 11 && memcmp(self->memory + AT_BYTES, "198.18.0.1\n", 11) == 0);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void attempt(struct guest *self)
{
	static void (*const ways[])(struct guest *) = {connect_and_wait, connect_and_poll, look_up};
	ways[random_below(&self->random, COUNT_OF(ways))](self);
}

/* What the host has taken and not answered, and the ends of connections that it has. */
struct host {
	u64 random;
	u32 gateway;
	struct numbers taken, lookups, ends;
};

static void end_one(struct host *host)
{
	u8 bytes[4];
	u32 fd = pick_number(&host->random, &host->ends);
	if (host_read(fd, (uaddr)bytes, sizeof(bytes)) > 0)
		host_write(fd, (uaddr)bytes, sizeof(bytes));
	if (random_below(&host->random, 3) == 0)
		CHECK(host_reset_on_close(fd) == 0);
	CHECK(host_close(fd) == 0);
}

static void decide_one(struct host *host)
{
	static const u32 errors[] = {E_ACCES, E_HOSTUNREACH, E_NETUNREACH, E_TIMEDOUT};
	u32 id = pick_number(&host->random, &host->taken);
	if (random_below(&host->random, 2)) {
		i32 result = host_gateway_refuse(id, errors[random_below(&host->random, COUNT_OF(errors))]);
		CHECK(result == 0 || result == -E_NOENT);
		return;
	}
	i32 fd = host_gateway_accept(id);
	CHECK(fd >= 0 || fd == -E_NOENT);
	if (fd >= 0)
		host->ends.list[host->ends.count++] = (u32)fd;
	CHECK(host_gateway_accept(id) == -E_NOENT); /* decided once */
}

static void answer_one(struct host *host)
{
	u32 address = 0xc6120001, id = pick_number(&host->random, &host->lookups);
	i32 result = host_resolve_answer(id, (uaddr)&address, random_below(&host->random, 2));
	CHECK(result == 0 || result == -E_NOENT);
	CHECK(host_resolve_answer(id, (uaddr)&address, 1) == -E_NOENT);
}

static void take_some(struct host *host)
{
	struct {
		u32 id, source, source_port, destination, port;
	} connect;
	struct {
		u32 id, source;
		char name[256];
	} lookup;
	while (host->taken.count < OPEN_MOST && host_gateway_take((uaddr)&connect) == 1) {
		CHECK(connect.destination >> 8 == 0xc00002 && connect.source >> 8 == ADDRESS_OF(0) >> 8);
		host->taken.list[host->taken.count++] = connect.id;
	}
	while (host->lookups.count < OPEN_MOST && host_resolve_take((uaddr)&lookup) == 1) {
		CHECK(strcmp(strchr(lookup.name, '.'), ".example.com") == 0);
		host->lookups.list[host->lookups.count++] = lookup.id;
	}
}

static void drop_withdrawn(struct host *host)
{
	u32 gone[OPEN_MOST];
	memcpy(gone, host->taken.list, sizeof(gone));
	i32 count = host_gateway_withdrawn((uaddr)gone, host->taken.count);
	CHECK(count >= 0 && (u32)count <= host->taken.count);
	for (i32 i = 0; i < count; i++)
		CHECK(host_gateway_refuse(gone[i], E_ACCES) == -E_NOENT);
}

static void reopen(struct host *host)
{
	CHECK(host_gateway_open() == -E_ADDRINUSE);
	CHECK(host_close(host->gateway) == 0);
	i32 fd = host_gateway_open();
	CHECK(fd >= 0);
	host->gateway = (u32)fd;
}

static void serve(void *argument)
{
	struct host *host = argument;
	take_some(host);
	if (host->taken.count && random_below(&host->random, 3))
		decide_one(host);
	if (host->lookups.count && random_below(&host->random, 3))
		answer_one(host);
	if (host->ends.count > random_below(&host->random, OPEN_MOST))
		end_one(host);
	switch (random_below(&host->random, 400)) {
	case 0: reopen(host); break;
	case 1: clock_advance(6 * NSEC_PER_SEC); break; /* lookups time out */
	case 2: clock_advance(130 * NSEC_PER_SEC); break; /* connects do */
	case 3: drop_withdrawn(host); break;
	default: sched_yield();
	}
}

void stress_outside(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct host host = {.random = seed + round, .gateway = (u32)host_gateway_open()};
		crowd_run(attempt, seed + round * 100, serve, &host);
		while (host.ends.count)
			end_one(&host);
		CHECK(host_close(host.gateway) == 0);
		node_expect(before);
	}
}

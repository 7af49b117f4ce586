/* Connects and lookups that leave the deployment, answered late, early, wrongly or never by the host, while the guests
 * that ask give up or are killed, and while the host stops serving and begins again. */
#include "tests/native/stress.h"

#include <sched.h>
#include <stdio.h>

#define FIRST 10u
#define FINISHERS 4u /* come to their end; the others are killed */
#define GUESTS 8u
#define ATTEMPTS 60u
#define OPEN_MOST 64u
#define AT_BYTES GUEST_DATA

static _Atomic u32 finishing;

static bool refused(int result)
{
	return result == -WASI_ACCES || result == -WASI_NETUNREACH || result == -WASI_HOSTUNREACH ||
	       result == -WASI_TIMEDOUT || result == -WASI_CONNRESET;
}

/* The host echoes, ends or resets. */
static void converse(struct guest *self, u32 fd)
{
	int sent = sys_write(self, fd, AT_BYTES, 4);
	CHECK(sent == 4 || sent == -WASI_PIPE || sent == -WASI_CONNRESET);
	if (random_below(&self->random, 2)) {
		int got = sys_receive(self, fd, AT_BYTES, 4, 2);
		CHECK(got == 0 || got == 4 || got == -WASI_CONNRESET);
	}
}

static void connect_and_wait(struct guest *self)
{
	int fd = sys_open(self, 0, "tcp/connect/192.0.2.%u/443", random_below(&self->random, 256));
	CHECK(fd >= 0 || refused(fd));
	if (fd < 0)
		return;
	converse(self, (u32)fd);
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

static void finisher(struct guest *self)
{
	for (u32 i = 0; i < ATTEMPTS; i++)
		attempt(self);
	atomic_fetch_sub(&finishing, 1);
}

static void victim(struct guest *self)
{
	for (;;)
		attempt(self);
}

/* What the host has taken and not answered, and the ends of connections that it has. */
struct host {
	u64 random;
	u32 gateway;
	u32 taken[OPEN_MOST], taken_count;
	u32 lookups[OPEN_MOST], lookup_count;
	u32 ends[OPEN_MOST], end_count;
};

static u32 pick(struct host *host, u32 *list, u32 *count)
{
	u32 index = random_below(&host->random, *count), value = list[index];
	list[index] = list[--*count];
	return value;
}

static void end_one(struct host *host)
{
	u8 bytes[4];
	u32 fd = pick(host, host->ends, &host->end_count);
	if (host_read(fd, (uaddr)bytes, sizeof(bytes)) > 0)
		host_write(fd, (uaddr)bytes, sizeof(bytes));
	if (random_below(&host->random, 3) == 0)
		CHECK(host_reset_on_close(fd) == 0);
	CHECK(host_close(fd) == 0);
}

static void decide_one(struct host *host)
{
	static const u32 errors[] = {E_ACCES, E_HOSTUNREACH, E_NETUNREACH, E_TIMEDOUT};
	u32 id = pick(host, host->taken, &host->taken_count);
	if (random_below(&host->random, 2)) {
		i32 result = host_gateway_refuse(id, errors[random_below(&host->random, COUNT_OF(errors))]);
		CHECK(result == 0 || result == -E_NOENT);
		return;
	}
	i32 fd = host_gateway_accept(id);
	CHECK(fd >= 0 || fd == -E_NOENT);
	if (fd >= 0)
		host->ends[host->end_count++] = (u32)fd;
	CHECK(host_gateway_accept(id) == -E_NOENT); /* decided once */
}

static void answer_one(struct host *host)
{
	u32 address = 0xc6120001, id = pick(host, host->lookups, &host->lookup_count);
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
	while (host->taken_count < OPEN_MOST && host_gateway_take((uaddr)&connect) == 1) {
		CHECK(connect.destination >> 8 == 0xc00002 && connect.source >> 8 == ADDRESS_OF(0) >> 8);
		host->taken[host->taken_count++] = connect.id;
	}
	while (host->lookup_count < OPEN_MOST && host_resolve_take((uaddr)&lookup) == 1) {
		CHECK(strcmp(strchr(lookup.name, '.'), ".example.com") == 0);
		host->lookups[host->lookup_count++] = lookup.id;
	}
}

static void drop_withdrawn(struct host *host)
{
	u32 gone[OPEN_MOST];
	memcpy(gone, host->taken, sizeof(gone));
	i32 count = host_gateway_withdrawn((uaddr)gone, host->taken_count);
	CHECK(count >= 0 && (u32)count <= host->taken_count);
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

static void serve(struct host *host)
{
	take_some(host);
	if (host->taken_count && random_below(&host->random, 3))
		decide_one(host);
	if (host->lookup_count && random_below(&host->random, 3))
		answer_one(host);
	if (host->end_count > random_below(&host->random, OPEN_MOST))
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
		struct guest *guests[GUESTS];
		struct host host = {.random = seed + round, .gateway = (u32)host_gateway_open()};
		atomic_store(&finishing, FINISHERS);
		for (u32 i = 0; i < GUESTS; i++)
			guests[i] =
				guest_boot(FIRST + i, i < FINISHERS ? finisher : victim, NULL, seed + round * 100 + i);
		while (atomic_load(&finishing))
			serve(&host);
		for (u32 i = FINISHERS; i < GUESTS; i++)
			guest_kill(guests[i]);
		for (u32 i = 0; i < GUESTS; i++)
			guest_end(guests[i]);
		while (host.end_count)
			end_one(&host);
		CHECK(host_close(host.gateway) == 0);
		node_expect(before);
	}
}

/* The node's own addresses come and go, as networks are attached and detached, while pods connect to them, send datagrams
 * there and are called from there. */
#include "tests/native/stress_crowd.h"

#include <sched.h>

#define ADDRESSES 3u
#define OF_HOST(index) ADDRESS_OF(2 + (index))
#define PORT 53u
#define GUEST_PORT 80u
#define AT_BYTES GUEST_DATA

static bool broken(int result)
{
	return result == -WASI_CONNRESET || result == -WASI_PIPE;
}

static bool refused(int result)
{
	return result == -WASI_CONNREFUSED || result == -WASI_HOSTUNREACH || result == -WASI_NETUNREACH ||
	       result == -WASI_TIMEDOUT || broken(result);
}

static void connect_to_host(struct guest *self)
{
	u32 nonblock = random_below(&self->random, 2) ? OPEN_NONBLOCK : 0;
	int fd =
		sys_open(self, nonblock, "tcp/connect/10.10.0.%u/%u", 2 + random_below(&self->random, ADDRESSES), PORT);
	CHECK(fd >= 0 || refused(fd));
	if (fd < 0)
		return;
	if (!nonblock)
		crowd_converse(self, (u32)fd);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void send_to_host(struct guest *self)
{
	int fd = sys_open(self, 0, "udp/connect/10.10.0.%u/%u", 2 + random_below(&self->random, ADDRESSES), PORT);
	CHECK(fd >= 0 || refused(fd));
	if (fd < 0)
		return;
	int sent = sys_write(self, (u32)fd, AT_BYTES, 1 + random_below(&self->random, 100));
	CHECK(sent > 0 || refused(sent));
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void answer_host(struct guest *self)
{
	int listener = sys_open(self, OPEN_NONBLOCK, "tcp/listen/0.0.0.0/%u", GUEST_PORT);
	CHECK(listener >= 0);
	for (u32 i = 0; i < 8; i++) {
		int fd = sys_accept(self, (u32)listener);
		CHECK(fd >= 0 || fd == -WASI_AGAIN);
		if (fd >= 0)
			CHECK(sys_close(self, (u32)fd) == 0);
		else
			sched_yield();
	}
	CHECK(sys_close(self, (u32)listener) == 0);
}

static void attempt(struct guest *self)
{
	static void (*const ways[])(struct guest *) = {connect_to_host, send_to_host, answer_host};
	ways[random_below(&self->random, COUNT_OF(ways))](self);
}

struct host {
	u64 random;
	bool attached[ADDRESSES];
	i32 listeners[ADDRESSES]; /* -1: none */
	struct numbers ends;
};

static void keep(struct host *host, i32 fd)
{
	if (fd < 0)
		return;
	if (host->ends.count == OPEN_MOST)
		CHECK(host_close((u32)fd) == 0);
	else
		host->ends.list[host->ends.count++] = (u32)fd;
}

/* A listener stays when its address goes, and takes connections again when it is back. */
static void move_address(struct host *host, u32 index)
{
	if (host->attached[index])
		CHECK(host_detach(OF_HOST(index)) == 0);
	else
		CHECK(host_attach(NETWORK, OF_HOST(index), 16) == 0);
	host->attached[index] = !host->attached[index];
}

static void open_or_close(struct host *host, u32 index)
{
	i32 *listener = &host->listeners[index];
	if (*listener >= 0) {
		CHECK(host_close((u32)*listener) == 0);
		*listener = -1;
		return;
	}
	*listener = host_listen(OF_HOST(index), PORT, 1 + random_below(&host->random, 4));
	CHECK(*listener >= 0 || (*listener == -E_ADDRNOTAVAIL && !host->attached[index]) || *listener == -E_ADDRINUSE);
	*listener = MAX(*listener, -1);
}

static void accept_some(struct host *host, u32 index)
{
	i32 fd = host->listeners[index] < 0 ? -E_AGAIN : host_accept((u32)host->listeners[index]);
	CHECK(fd >= 0 || fd == -E_AGAIN);
	keep(host, fd);
}

static void call_somebody(struct host *host)
{
	i32 fd = host_connect(ADDRESS_OF(CROWD_FIRST + random_below(&host->random, CROWD)), GUEST_PORT);
	CHECK(fd >= 0 || fd == -E_CONNREFUSED || fd == -E_HOSTUNREACH || fd == -E_NETUNREACH);
	keep(host, fd);
}

static void end_one(struct host *host)
{
	u8 bytes[4];
	u32 fd = pick_number(&host->random, &host->ends);
	if (host_read(fd, (uaddr)bytes, sizeof(bytes)) > 0)
		host_write(fd, (uaddr)bytes, sizeof(bytes));
	host_endpoint(fd, random_below(&host->random, 2));
	CHECK(host_close(fd) == 0);
}

static void serve(void *argument)
{
	static _Alignas(8) u8 batch[16384];
	struct host *host = argument;
	u32 index = random_below(&host->random, ADDRESSES);
	if (host->ends.count > random_below(&host->random, OPEN_MOST))
		end_one(host);
	switch (random_below(&host->random, 12)) {
	case 0: move_address(host, index); break;
	case 1: open_or_close(host, index); break;
	case 2: call_somebody(host); break;
	case 3: CHECK(host_interfaces(0, (uaddr)batch, sizeof(batch)) >= 0); break;
	case 4: CHECK(host_detach(ADDRESS_OF(200)) == 0); break; /* nobody has it */
	case 5: clock_advance(NSEC_PER_SEC); break;
	default: accept_some(host, index);
	}
}

void stress_detach(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct host host = {.random = seed + round, .listeners = {-1, -1, -1}};
		crowd_run(attempt, seed + round * 100, serve, &host);
		for (u32 i = 0; i < ADDRESSES; i++) {
			if (host.attached[i])
				move_address(&host, i);
			if (host.listeners[i] >= 0)
				open_or_close(&host, i);
		}
		while (host.ends.count)
			end_one(&host);
		node_expect(before);
	}
}

/* Connects and datagrams to pods on other nodes, and from them, while guests come and go, give up or are killed, and while
 * who is elsewhere changes. The host decides as another node would: late, early, wrongly or never. */
#include "tests/native/stress_crowd.h"

#include "vnet/fabric/outside/trunk.h"

#include <sched.h>

#define ELSEWHERE 0x0a0a0900u /* 10.10.9.0 to 10.10.9.7 */
#define REMOTES 8u
#define AT_BYTES GUEST_DATA

static bool refused(int result)
{
	return result == -WASI_CONNREFUSED || result == -WASI_HOSTUNREACH || result == -WASI_TIMEDOUT ||
	       result == -WASI_CONNRESET || result == -WASI_NOBUFS;
}

static void connect_elsewhere(struct guest *self)
{
	u32 nonblock = random_below(&self->random, 2) ? OPEN_NONBLOCK : 0;
	int fd = sys_open(self, nonblock, "tcp/connect/10.10.9.%u/80", random_below(&self->random, REMOTES));
	CHECK(fd >= 0 || refused(fd));
	if (fd < 0)
		return;
	if (!nonblock)
		crowd_converse(self, (u32)fd);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void send_elsewhere(struct guest *self)
{
	int fd = sys_open(self, 0, "udp/connect/10.10.9.%u/9", random_below(&self->random, REMOTES));
	CHECK(fd >= 0 || refused(fd));
	if (fd < 0)
		return;
	int sent = sys_write(self, (u32)fd, AT_BYTES, 1 + random_below(&self->random, 1000));
	CHECK(sent > 0 || refused(sent));
	CHECK(sys_close(self, (u32)fd) == 0);
}

/* Take what comes from elsewhere, if anything does. */
static void listen_awhile(struct guest *self)
{
	int listener = sys_open(self, OPEN_NONBLOCK, "tcp/listen/0.0.0.0/80");
	CHECK(listener >= 0);
	for (u32 i = 0; i < 8; i++) {
		int fd = sys_accept(self, (u32)listener);
		CHECK(fd >= 0 || fd == -WASI_AGAIN || fd == -WASI_NOBUFS);
		if (fd < 0) {
			sched_yield();
			continue;
		}
		if (random_below(&self->random, 2))
			sys_write(self, (u32)fd, AT_BYTES, 4);
		CHECK(sys_close(self, (u32)fd) == 0);
	}
	CHECK(sys_close(self, (u32)listener) == 0);
}

static void attempt(struct guest *self)
{
	static void (*const ways[])(struct guest *) = {connect_elsewhere, send_elsewhere, listen_awhile};
	ways[random_below(&self->random, COUNT_OF(ways))](self);
}

struct ends {
	u32 source, source_port, target, target_port, send_buffer, receive_buffer;
};

/* What the host has taken and not answered, and the ends of connections that it has. */
struct host {
	u64 random;
	struct {
		i32 connects, listener, records;
	} trunk;
	struct numbers taken, ends;
};

/* Of four bytes there and up to four back, in any state of the connection. */
static void exchange(struct host *host, u32 fd, uaddr at)
{
	if (random_below(&host->random, 2)) {
		host_trunk_write(fd, at, 4);
		return;
	}
	i64 result = host_trunk_exchange(fd, at, 4, 4, random_below(&host->random, 50) * NSEC_PER_USEC);
	CHECK(result < 0 || (result >> 32 <= 4 && (u32)result <= 4));
	CHECK(result < 0 || (u32)result == 0 || result >> 32 == 4);
}

static void end_one(struct host *host)
{
	u8 bytes[4];
	u32 fd = pick_number(&host->random, &host->ends);
	if (random_below(&host->random, 2))
		host_watch(fd, POLL_READ);
	if (host_read(fd, (uaddr)bytes, sizeof(bytes)) > 0)
		exchange(host, fd, (uaddr)bytes);
	host_trunk_buffers(fd);
	if (random_below(&host->random, 3) == 0)
		CHECK(host_reset_on_close(fd) == 0);
	CHECK(host_close(fd) == 0);
}

static void decide_one(struct host *host)
{
	static const u32 errors[] = {E_CONNREFUSED, E_HOSTUNREACH, E_NOBUFS, E_TIMEDOUT};
	u32 id = pick_number(&host->random, &host->taken);
	if (random_below(&host->random, 2)) {
		i32 result = host_trunk_refuse(id, errors[random_below(&host->random, COUNT_OF(errors))]);
		CHECK(result == 0 || result == -E_NOENT);
		return;
	}
	i32 fd = host_trunk_accept(id, 65536, 4096);
	CHECK(fd >= 0 || fd == -E_NOENT);
	if (fd >= 0)
		host->ends.list[host->ends.count++] = (u32)fd;
	CHECK(host_trunk_accept(id, 1, 1) == -E_NOENT); /* decided once */
}

static void take_some(struct host *host)
{
	struct {
		u32 id;
		struct ends ends;
	} connect;
	while (host->taken.count < OPEN_MOST && host_trunk_take((uaddr)&connect) == 1) {
		CHECK(connect.ends.target >> 8 == ELSEWHERE >> 8 && connect.ends.source >> 16 == 0x0a0a);
		host->taken.list[host->taken.count++] = connect.id;
	}
}

static struct ends random_ends(struct host *host)
{
	return (struct ends){
		.source = ELSEWHERE + random_below(&host->random, REMOTES),
		.source_port = 1 + random_below(&host->random, 65535),
		.target = ADDRESS_OF(CROWD_FIRST + random_below(&host->random, CROWD + 1)),
		.target_port = 80,
		.send_buffer = 65536,
		.receive_buffer = 65536,
	};
}

static void arrive(struct host *host)
{
	struct ends ends = random_ends(host);
	host_trunk_probe(ends.target, ends.target_port);
	host_trunk_answer((uaddr)&ends, random_below(&host->random, 2) ? E_CONNREFUSED : 0);
	if (host->ends.count == OPEN_MOST)
		return;
	i32 fd = host_trunk_connect((uaddr)&ends);
	CHECK(fd >= 0 || fd == -E_CONNREFUSED || fd == -E_HOSTUNREACH || fd == -E_ADDRNOTAVAIL);
	if (fd >= 0)
		host->ends.list[host->ends.count++] = (u32)fd;
}

/* Packets that leave come back to somebody. */
static void reflect(struct host *host)
{
	struct {
		struct trunk_record record;
		u8 payload[2048];
	} packet;
	i32 size = host_read((u32)host->trunk.records, (uaddr)&packet, sizeof(packet));
	if (size < 0)
		return;
	CHECK((u32)size >= sizeof(packet.record));
	struct ends ends = random_ends(host);
	packet.record.target = ends.target;
	packet.record.source = ends.source;
	i32 result = host_trunk_deliver((uaddr)&packet, (u32)size - (u32)sizeof(packet.record));
	CHECK(result == 0 || result == -E_ADDRNOTAVAIL || result == -E_HOSTUNREACH);
}

static void move_somebody(struct host *host)
{
	u32 address = ELSEWHERE + random_below(&host->random, REMOTES);
	i32 result = host_trunk_detach(address);
	CHECK(result == 0 || result == -E_NOENT);
	if (result < 0)
		CHECK(host_trunk_attach(NETWORK, address, 16) == 0);
}

static void drop_withdrawn(struct host *host)
{
	u32 gone[OPEN_MOST];
	memcpy(gone, host->taken.list, sizeof(gone));
	i32 count = host_trunk_withdrawn((uaddr)gone, host->taken.count);
	CHECK(count >= 0 && (u32)count <= host->taken.count);
	for (i32 i = 0; i < count; i++)
		CHECK(host_trunk_refuse(gone[i], E_HOSTUNREACH) == -E_NOENT);
}

static void serve(void *argument)
{
	struct host *host = argument;
	take_some(host);
	if (host->taken.count && random_below(&host->random, 3))
		decide_one(host);
	if (host->ends.count > random_below(&host->random, OPEN_MOST))
		end_one(host);
	reflect(host);
	switch (random_below(&host->random, 400)) {
	case 0: clock_advance(130 * NSEC_PER_SEC); break; /* connects time out */
	case 1: drop_withdrawn(host); break;
	case 2: CHECK(host_trunk_open(1, 1, (uaddr)&host->taken.list[OPEN_MOST - 1]) < 0); break;
	case 3:
	case 4: move_somebody(host); break;
	default: arrive(host);
	}
}

static void open_trunk(struct host *host)
{
	CHECK(host_trunk_open(16u << 20, 4096, (uaddr)&host->trunk) == 0);
	for (u32 i = 0; i < REMOTES; i++)
		CHECK(host_trunk_attach(NETWORK, ELSEWHERE + i, 16) == 0);
}

static void close_trunk(struct host *host)
{
	CHECK(host_close((u32)host->trunk.connects) == 0);
	CHECK(host_close((u32)host->trunk.listener) == 0);
	CHECK(host_close((u32)host->trunk.records) == 0);
	CHECK(host_trunk_attach(NETWORK, ELSEWHERE, 16) == -E_NOTCONN);
}

void stress_trunk(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct host host = {.random = seed + round};
		open_trunk(&host);
		crowd_run(attempt, seed + round * 100, serve, &host);
		while (host.ends.count)
			end_one(&host);
		close_trunk(&host);
		node_expect(before);
	}
}

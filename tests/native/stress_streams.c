/* Pairs of guests over TCP with random chunk sizes and buffers, every byte compared: one way with blocking calls,
 * both ways at once over poll, and question and answer, where streams grow and are trimmed again. */
#include "tests/native/stress.h"

#define PORT 9000u
#define PAIRS 4u
#define ONE_WAY_BYTES (640u << 10)
#define BOTH_WAYS_BYTES (320u << 10)
#define QUESTIONS 60u
#define CHUNK (160u << 10)
#define AT_OUT GUEST_DATA
#define AT_IN (GUEST_DATA + CHUNK)

struct flow {
	u64 key;
	u64 at, total;
};

static void flow_fill(struct guest *self, const struct flow *flow, u32 size)
{
	for (u32 i = 0; i < size; i++)
		self->memory[AT_OUT + i] = pattern(flow->key, flow->at + i);
}

static void flow_compare(const struct guest *self, const struct flow *flow, u32 size)
{
	for (u32 i = 0; i < size; i++)
		CHECK(self->memory[AT_IN + i] == pattern(flow->key, flow->at + i));
}

/* Mostly small, sometimes larger than any stream's first buffers. */
static u32 chunk_size(struct guest *self, u64 rest)
{
	u32 bound = 1u << (4 + random_below(&self->random, 14));
	u32 size = 1 + random_below(&self->random, MIN(bound, CHUNK));
	return (u32)MIN((u64)size, rest);
}

static void wait_readable(struct guest *self, u32 fd)
{
	struct want want = {.fd = fd, .type = WANT_READ};
	CHECK(sys_poll(self, &want, 1) == 1 && want.holds);
}

static void send_all(struct guest *self, u32 fd, struct flow *flow)
{
	while (flow->at < flow->total) {
		u32 size = chunk_size(self, flow->total - flow->at);
		flow_fill(self, flow, size);
		int sent = sys_write(self, fd, AT_OUT, size);
		CHECK(sent == (int)size); /* blocking, so all of it */
		flow->at += size;
	}
}

static void receive_all(struct guest *self, u32 fd, struct flow *flow)
{
	while (flow->at < flow->total) {
		u32 size = chunk_size(self, flow->total - flow->at), flags = random_below(&self->random, 8);
		if (flags & 4)
			wait_readable(self, fd);
		flags &= 3; /* peek, wait for all */
		int got = sys_receive(self, fd, AT_IN, size, flags);
		CHECK(got > 0 && got <= (int)size);
		CHECK(flags != 2 || got == (int)size);
		flow_compare(self, flow, (u32)got);
		if (!(flags & 1))
			flow->at += (u64)got;
	}
}

static void expect_end(struct guest *self, u32 fd)
{
	CHECK(sys_read(self, fd, AT_IN, 1) == 0);
}

/* Both directions at once on one thread. */
static void exchange(struct guest *self, u32 fd, struct flow *out, struct flow *in)
{
	CHECK(sys_set_nonblocking(self, fd, true) == 0);
	while (out->at < out->total || in->at < in->total) {
		struct want wants[2] = {{.fd = fd, .type = WANT_READ}, {.fd = fd, .type = WANT_WRITE}};
		u32 first = in->at < in->total ? 0 : 1, count = first == 0 && out->at < out->total ? 2 : 1;
		CHECK(sys_poll(self, wants + first, count) > 0);
		if (wants[1].holds && out->at < out->total) {
			u32 size = chunk_size(self, out->total - out->at);
			flow_fill(self, out, size);
			int sent = sys_write(self, fd, AT_OUT, size);
			CHECK(sent > 0);
			out->at += (u64)sent;
		}
		if (wants[0].holds) {
			int got = sys_read(self, fd, AT_IN, chunk_size(self, in->total - in->at));
			CHECK(got > 0);
			flow_compare(self, in, (u32)got);
			in->at += (u64)got;
		}
	}
	CHECK(sys_set_nonblocking(self, fd, false) == 0);
}

struct pair {
	u64 seed;
	u32 server_host;
};

static struct flow flow_of(const struct pair *pair, u64 which, u64 total)
{
	return (struct flow){.key = pair->seed * 977 + which * 0x1000003, .total = total};
}

/* The larger of the two ends' buffers counts, from one page to more than a chunk. */
static int open_socket(struct guest *self)
{
	int fd = sys_open(self, 0, "tcp/socket");
	CHECK(fd >= 0);
	CHECK(sys_control(self, (u32)fd, "set", "sndbuf %u", 1u << random_below(&self->random, 20)) == 0);
	CHECK(sys_control(self, (u32)fd, "set", "rcvbuf %u", 1u << random_below(&self->random, 20)) == 0);
	return fd;
}

static void client(struct guest *self)
{
	const struct pair *pair = self->job;
	int fd = open_socket(self), result;
	while ((result = sys_control(self, (u32)fd, "connect", "10.10.0.%u %u", pair->server_host, PORT)) ==
	       -WASI_CONNREFUSED)
		;
	CHECK(result == 0);
	struct flow one_way = flow_of(pair, 0, ONE_WAY_BYTES);
	send_all(self, (u32)fd, &one_way);
	struct flow out = flow_of(pair, 1, BOTH_WAYS_BYTES), in = flow_of(pair, 2, BOTH_WAYS_BYTES);
	exchange(self, (u32)fd, &out, &in);
	for (u32 i = 0; i < QUESTIONS; i++) {
		u64 size = i % 10 == 9 ? CHUNK / 2 : 1;
		struct flow question = flow_of(pair, 3 + i, size), reply = flow_of(pair, 1000 + i, size);
		send_all(self, (u32)fd, &question);
		receive_all(self, (u32)fd, &reply);
	}
	CHECK(sys_shutdown(self, (u32)fd, TCP_SHUT_WRITE) == 0);
	expect_end(self, (u32)fd);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void server(struct guest *self)
{
	const struct pair *pair = self->job;
	int listener = open_socket(self);
	CHECK(sys_control(self, (u32)listener, "bind", "0.0.0.0 %u", PORT) == 0);
	CHECK(sys_control(self, (u32)listener, "listen", "1") == 0);
	int fd = sys_accept(self, (u32)listener);
	CHECK(fd >= 0);
	struct flow one_way = flow_of(pair, 0, ONE_WAY_BYTES);
	receive_all(self, (u32)fd, &one_way);
	struct flow in = flow_of(pair, 1, BOTH_WAYS_BYTES), out = flow_of(pair, 2, BOTH_WAYS_BYTES);
	exchange(self, (u32)fd, &out, &in);
	for (u32 i = 0; i < QUESTIONS; i++) {
		u64 size = i % 10 == 9 ? CHUNK / 2 : 1;
		struct flow question = flow_of(pair, 3 + i, size), reply = flow_of(pair, 1000 + i, size);
		receive_all(self, (u32)fd, &question);
		send_all(self, (u32)fd, &reply);
	}
	expect_end(self, (u32)fd);
	CHECK(sys_close(self, (u32)fd) == 0);
	CHECK(sys_close(self, (u32)listener) == 0);
}

void stress_streams(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct guest *guests[2 * PAIRS];
		struct pair pairs[PAIRS];
		for (u32 i = 0; i < PAIRS; i++) {
			pairs[i] = (struct pair){.seed = seed + round * 1000 + i, .server_host = 10 + 2 * i};
			guests[2 * i] = guest_boot(pairs[i].server_host, server, &pairs[i], pairs[i].seed);
			guests[2 * i + 1] = guest_boot(pairs[i].server_host + 1, client, &pairs[i], pairs[i].seed);
		}
		for (u32 i = 0; i < COUNT_OF(guests); i++)
			guest_end(guests[i]);
		node_expect(before);
	}
}

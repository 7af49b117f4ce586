/* Guests that send each other datagrams, one by one, to everybody, to ports that come and go, while the node answers,
 * pings, and changes links and faults under them: what arrives is whole and in order, and nothing stays. */
#include "tests/native/stress.h"

#include <sched.h>

#include "pod_node/kernel/datagrams.h"
#include "vnet/fabric/sockets/echo.h"
#include "vnet/fabric/paths/groups.h"

#define FIRST 10u
#define FINISHERS 4u /* come to their end; the others are killed */
#define GUESTS 6u
#define PORT 9000u
#define ATTEMPTS 150u
#define LARGEST 4000u
#define AT_OUT GUEST_DATA
#define AT_IN (GUEST_DATA + 65536u)
#define HEADER ((u32)sizeof(struct datagram_header))
#define WIRE 1u

static _Atomic u32 finishing;
static _Atomic u32 shaped; /* packets may overtake each other, or come twice */
static _Atomic u32 received;
static u32 echoed;

/* What stands at the beginning of every payload of more than a few bytes. */
struct label {
	u32 host, number, size;
};

struct conversation {
	u32 sent;               /* number of the last datagram */
	u32 seen[GUESTS + 1];   /* of each sender's that came */
	u32 open[2];            /* sockets on PORT and on the one after it */
};

static u64 key_of(const struct label *label)
{
	return (u64)label->host << 32 | label->number;
}

static u32 compose(struct guest *self, struct conversation *talk, u32 most)
{
	struct label label = {self->host, ++talk->sent, (u32)sizeof(label) + random_below(&self->random, most)};
	u8 *payload = self->memory + AT_OUT + HEADER;
	memcpy(payload, &label, sizeof(label));
	for (u32 i = sizeof(label); i < label.size; i++)
		payload[i] = pattern(key_of(&label), i);
	return label.size;
}

static void address_to(struct guest *self, u32 ipv4, u32 port)
{
	struct datagram_header header = {.address = {[10] = 0xff, [11] = 0xff}};
	for (u32 i = 0; i < 4; i++)
		header.address[12 + i] = (u8)(ipv4 >> (24 - 8 * i));
	header.port[0] = (u8)(port >> 8);
	header.port[1] = (u8)port;
	memcpy(self->memory + AT_OUT, &header, sizeof(header));
}

static u32 somebody(struct guest *self)
{
	return FIRST + random_below(&self->random, GUESTS + 1); /* one of them is nobody */
}

static void send_one(struct guest *self, struct conversation *talk)
{
	u32 size = compose(self, talk, LARGEST);
	address_to(self, ADDRESS_OF(somebody(self)), PORT + random_below(&self->random, 2));
	CHECK(sys_write(self, talk->open[0], AT_OUT, HEADER + size) == (int)(HEADER + size));
}

static void send_to_all(struct guest *self, struct conversation *talk)
{
	u32 size = compose(self, talk, 1000);
	address_to(self, 0xffffffff, PORT + 1);
	CHECK(sys_write(self, talk->open[0], AT_OUT, HEADER + size) == (int)(HEADER + size));
}

/* `got` bytes with a header came, of which at most `room` are payload. */
static void check_received(struct guest *self, struct conversation *talk, u32 got, u32 room)
{
	struct datagram_header header;
	struct label label;
	const u8 *payload = self->memory + AT_IN + HEADER;
	memcpy(&header, self->memory + AT_IN, sizeof(header));
	memcpy(&label, payload, sizeof(label));
	CHECK(got == HEADER + MIN(label.size, room));
	CHECK((header.flags[1] == HEADER_TRUNCATED) == (label.size > room));
	CHECK(label.host >= FIRST && label.host < FIRST + GUESTS && header.address[15] == label.host);
	for (u32 i = sizeof(label); i < got - HEADER; i++)
		CHECK(payload[i] == pattern(key_of(&label), i));
	u32 *seen = &talk->seen[label.host - FIRST];
	CHECK(label.number > *seen || atomic_load(&shaped));
	*seen = MAX(*seen, label.number);
	atomic_fetch_add(&received, 1);
}

static void receive_some(struct guest *self, struct conversation *talk)
{
	for (u32 tries = random_below(&self->random, 20); tries; tries--) {
		u32 room = (u32)sizeof(struct label) + random_below(&self->random, LARGEST);
		int got = sys_read(self, talk->open[0], AT_IN, HEADER + room);
		if (got == -WASI_AGAIN)
			return;
		CHECK(got > 0);
		check_received(self, talk, (u32)got, room);
	}
}

/* A socket with a peer learns that nobody is there, or hears nothing that others send. */
static void try_peer(struct guest *self)
{
	int fd = sys_open(self, OPEN_NONBLOCK, "udp/connect/10.10.0.%u/%u", somebody(self),
			  PORT + 1 + random_below(&self->random, 2));
	CHECK(fd >= 0);
	memset(self->memory + AT_OUT, 0, sizeof(struct label));
	for (u32 i = random_below(&self->random, 3); i; i--) {
		int sent = sys_write(self, (u32)fd, AT_OUT, 4);
		CHECK(sent == 4 || sent == -WASI_CONNREFUSED);
	}
	struct want wants[2] = {{.fd = (u32)fd, .type = WANT_READ}, {.type = WANT_CLOCK, .timeout = 1000}};
	CHECK(sys_poll(self, wants, 2) >= 1);
	int got = sys_receive(self, (u32)fd, AT_IN, 64, random_below(&self->random, 2));
	CHECK(got == -WASI_AGAIN || got == -WASI_CONNREFUSED);
	CHECK(sys_close(self, (u32)fd) == 0);
}

/* The second port is given back, with what waits there, and taken again by one or two. */
static void reopen(struct guest *self, struct conversation *talk)
{
	CHECK(sys_close(self, talk->open[1]) == 0);
	int fds[2];
	for (u32 i = 0; i < 2; i++) {
		fds[i] = sys_open(self, OPEN_NONBLOCK, "udp/socket");
		CHECK(fds[i] >= 0 && sys_control(self, (u32)fds[i], "set", "reuseport 1") == 0);
		CHECK(sys_control(self, (u32)fds[i], "bind", "0.0.0.0 %u", PORT + 1) == 0);
	}
	u32 which = random_below(&self->random, 2);
	CHECK(sys_close(self, (u32)fds[1 - which]) == 0);
	talk->open[1] = (u32)fds[which];
}

static void converse(struct guest *self, struct conversation *talk)
{
	switch (random_below(&self->random, 8)) {
	case 0: try_peer(self); break;
	case 1: send_to_all(self, talk); break;
	case 2: reopen(self, talk); break;
	case 3:
	case 4: receive_some(self, talk); break;
	default: send_one(self, talk);
	}
}

static int bound(struct guest *self, u32 port)
{
	int fd = sys_open(self, OPEN_NONBLOCK, "udp/bind/0.0.0.0/%u", port);
	CHECK(fd >= 0 && sys_control(self, (u32)fd, "set", "broadcast 1") == 0);
	return fd;
}

static void talk_on(struct guest *self)
{
	struct conversation talk = {.open = {(u32)bound(self, PORT), (u32)bound(self, PORT + 1)}};
	bool finishes = self->host < FIRST + FINISHERS;
	for (u32 i = 0; i < ATTEMPTS || !finishes; i++)
		converse(self, &talk);
	atomic_fetch_sub(&finishing, 1);
}

/* --- The node ------------------------------------------------------------------------------------------------ */

static void *pace(void *argument)
{
	identity_set((struct identity){.thread = argument, .noise = 1});
	host_pacer();
	return NULL;
}

/* Everybody talks to everybody over one link. */
static void shape(const struct link_parameters *both)
{
	u32 addresses[GUESTS];
	struct hop hop = {.wire = WIRE};
	for (u32 i = 0; i < GUESTS; i++)
		addresses[i] = ADDRESS_OF(FIRST + i);
	CHECK(host_link_set(WIRE, 1, (uaddr)both) == 0);
	CHECK(host_group_set(1, NETWORK, 0, (uaddr)addresses, GUESTS) == 0);
	CHECK(host_route_set(1, 1, (uaddr)&hop, 1) == 0);
	host_network_commit();
}

static void unshape(void)
{
	CHECK(host_route_remove(1, 1) == 0 && host_group_remove(1) == 0 && host_link_remove(WIRE) == 0);
	host_network_commit();
}

static void reshape(u64 *random)
{
	struct link_parameters link = {.queue_packets = 1 + random_below(random, 100), .mtu = 1500};
	link.delay = random_below(random, 300) * NSEC_PER_USEC;
	link.jitter = link.delay / 2;
	link.rate = random_below(random, 2) ? 1000000000 : 0;
	link.loss = random_below(random, 3) ? 0 : UINT32_MAX / 10;
	link.duplicate = random_below(random, 3) ? 0 : UINT32_MAX / 10;
	shape(&(const struct link_parameters[]){link, link}[0]);
}

static void break_something(u64 *random)
{
	const u32 pair[] = {ADDRESS_OF(FIRST + random_below(random, GUESTS)),
			    ADDRESS_OF(FIRST + random_below(random, GUESTS))};
	CHECK(host_fault_set(0, random_below(random, 3), (uaddr)pair, 1, 1) == 0);
	host_network_commit();
}

static void ping(u64 *random, i32 echoes)
{
	struct echo_result result;
	host_echo_send(ADDRESS_OF(FIRST + random_below(random, GUESTS + 1)),
		       ADDRESS_OF(FIRST + random_below(random, GUESTS + 1)), 1, 1, random_below(random, 2000));
	while (host_read((u32)echoes, (uaddr)&result, sizeof(result)) > 0) {
		CHECK(result.identifier == 1 && result.sequence == 1);
		CHECK(result.received >= result.sent);
		CHECK(result.error == 0 || result.error == E_HOSTUNREACH);
		echoed += result.error == 0;
	}
}

/* The node sends to a port on which nobody looks at what comes. */
static void answer(u64 *random, i32 fd)
{
	static u8 data[LARGEST];
	struct {
		u32 ipv4, port;
	} sender;
	host_datagram_send((u32)fd, (uaddr)data, random_below(random, LARGEST),
			   ADDRESS_OF(FIRST + random_below(random, GUESTS)), PORT + 1);
	while (host_datagram_receive((u32)fd, (uaddr)data, sizeof(data), (uaddr)&sender) >= 0)
		CHECK(sender.ipv4 >> 8 == ADDRESS_OF(0) >> 8);
}

static void disturb(u64 *random, i32 echoes, i32 fd)
{
	switch (random_below(random, 6)) {
	case 0: ping(random, echoes); break;
	case 1: answer(random, fd); break;
	case 2:
		if (atomic_load(&shaped))
			reshape(random);
		break;
	case 3:
		if (atomic_load(&shaped))
			break_something(random);
		break;
	default: sched_yield();
	}
}

static void one_round(u64 *random, u64 seed, i32 echoes, i32 fd)
{
	struct guest *guests[GUESTS];
	atomic_store(&finishing, FINISHERS);
	for (u32 i = 0; i < GUESTS; i++)
		guests[i] = guest_boot(FIRST + i, talk_on, NULL, seed * 100 + i);
	while (atomic_load(&finishing))
		disturb(random, echoes, fd);
	for (u32 i = FINISHERS; i < GUESTS; i++)
		guest_kill(guests[i]);
	for (u32 i = 0; i < GUESTS; i++)
		guest_end(guests[i]);
}

void stress_datagrams(u64 seed, u32 rounds)
{
	u64 random = seed;
	struct thread *thread = thread_create(NULL, false);
	pthread_t pacer;
	pthread_create(&pacer, NULL, pace, thread);
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		i32 echoes = host_echo_open(), fd = host_datagram_bind(0, PORT + 1);
		CHECK(echoes >= 0 && fd >= 0 && host_echo_open() == -E_NOBUFS);
		atomic_store(&shaped, round % 2);
		if (round % 2)
			reshape(&random);
		one_round(&random, seed + round, echoes, fd);
		CHECK(host_fault_set(0, FAULT_NONE, 0, 0, 0) == 0);
		if (round % 2)
			unshape();
		CHECK(host_close((u32)echoes) == 0 && host_close((u32)fd) == 0);
		node_expect(before);
	}
	CHECK(atomic_load(&received) > rounds && echoed > rounds);
	host_pacer_stop();
	pthread_join(pacer, NULL);
	thread_destroy(thread);
}

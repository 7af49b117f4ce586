/* Clients send to a server, connection after connection, while the node reads what interfaces have counted: counters never
 * go back, and in the end both sides have counted every byte, those of connections and pods that are gone too, and whose
 * they were. */
#include "tests/native/stress.h"
#include "vnet/fabric/pods/traffic.h"

#include <sched.h>

#define SERVER 10u
#define CLIENTS 3u
#define PORT 9300u
#define CONNECTIONS 12u
#define BYTES_MOST 100000u
#define TURNS 300u
#define GROUP 1u

static _Atomic u64 sent;

/* Until every client has come with all of its connections. */
static void server(struct guest *self)
{
	int listener = sys_open(self, 0, "tcp/listen/0.0.0.0/%u", PORT);
	CHECK(listener >= 0);
	for (u32 i = 0; i < CLIENTS * CONNECTIONS; i++) {
		int fd = sys_accept(self, (u32)listener);
		CHECK(fd >= 0);
		while (sys_read(self, (u32)fd, GUEST_DATA, 65536) > 0)
			;
		CHECK(sys_close(self, (u32)fd) == 0);
	}
}

static void client(struct guest *self)
{
	for (u32 i = 0; i < CONNECTIONS; i++) {
		int fd;
		while ((fd = sys_open(self, 0, "tcp/connect/10.10.0.%u/%u", SERVER, PORT)) == -WASI_CONNREFUSED)
			;
		CHECK(fd >= 0);
		for (u32 rest = random_below(&self->random, BYTES_MOST); rest;) {
			int moved = sys_write(self, (u32)fd, GUEST_DATA, rest);
			CHECK(moved > 0);
			atomic_fetch_add(&sent, (u64)moved);
			rest -= (u32)moved;
		}
		CHECK(sys_close(self, (u32)fd) == 0);
	}
}

/* Bring the counters up to date and look at them. */
static void read_counters(struct interface_counters *all)
{
	static _Alignas(8) u8 batch[65536];
	CHECK(host_interfaces(0, (uaddr)batch, sizeof(batch)) == 0);
	lock_acquire(&network_lock);
	for (u32 i = 0; i <= CLIENTS; i++)
		all[i] = interface_find(address_from_ipv4(ADDRESS_OF(SERVER + i)))->counters;
	lock_release(&network_lock);
}

static void watch_counters(void)
{
	struct interface_counters before[CLIENTS + 1], now[CLIENTS + 1];
	read_counters(before);
	for (u32 turn = 0; turn < TURNS; turn++) {
		read_counters(now);
		for (u32 i = 0; i <= CLIENTS; i++)
			CHECK(now[i].sent_bytes >= before[i].sent_bytes &&
			      now[i].received_bytes >= before[i].received_bytes);
		memcpy(before, now, sizeof(now));
		sched_yield();
	}
}

/* What all have sent to the server in all rounds, in batches of few. */
static u64 traffic_to_server(void)
{
	static _Alignas(8) u8 batch[64];
	const struct traffic_pair *pairs = (const struct traffic_pair *)(batch + 8);
	u64 bytes = 0;
	u32 cursor = 0;
	do {
		CHECK(host_traffic(cursor, (uaddr)batch, sizeof(batch)) == 0);
		const u32 *header = (const u32 *)(const void *)batch;
		for (u32 i = 0; i < header[1]; i++)
			bytes += pairs[i].target == ADDRESS_OF(SERVER) ? pairs[i].bytes : 0;
		cursor = header[0];
	} while (cursor);
	return bytes;
}

static void expect_totals(u64 earlier)
{
	struct interface_counters all[CLIENTS + 1];
	u64 by_clients = 0;
	read_counters(all);
	for (u32 i = 1; i <= CLIENTS; i++)
		by_clients += all[i].sent_bytes;
	CHECK(by_clients == atomic_load(&sent) && all[0].received_bytes == by_clients && all[0].sent_bytes == 0);
	CHECK(traffic_to_server() - earlier == by_clients);
}

void stress_interfaces(u64 seed, u32 rounds)
{
	static const u32 addresses[] = {ADDRESS_OF(SERVER), ADDRESS_OF(SERVER + 1), ADDRESS_OF(SERVER + 2),
					ADDRESS_OF(SERVER + 3)};
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct guest *guests[CLIENTS + 1];
		u64 earlier = traffic_to_server();
		atomic_store(&sent, 0);
		CHECK(host_group_set(GROUP, NETWORK, 0, (uaddr)addresses, COUNT_OF(addresses)) == 0);
		guests[0] = guest_boot(SERVER, server, NULL, seed + round);
		for (u32 i = 1; i <= CLIENTS; i++)
			guests[i] = guest_boot(SERVER + i, client, NULL, seed * 31 + round * 100 + i);
		watch_counters();
		for (u32 i = 0; i <= CLIENTS; i++)
			guest_end(guests[i]);
		expect_totals(earlier);
		CHECK(host_group_remove(GROUP) == 0);
		host_network_commit();
		node_expect(before);
	}
}

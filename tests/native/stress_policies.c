/* Guests connect, again and again, while the node changes policies under them: who is refused and who is not follows
 * from a table that was in force, and tables are freed whole. */
#include "tests/native/stress.h"

#include <sched.h>

#include "vnet/fabric/paths/groups.h"
#include "vnet/fabric/pods/policy.h"

#define SERVER 10u
#define CLIENTS 3u
#define PORT 9200u
#define CONNECTS 300u
#define GROUP_SERVER 1u
#define GROUP_CLIENTS 2u

static void server(struct guest *self)
{
	int listener = sys_open(self, 0, "tcp/listen/0.0.0.0/%u", PORT);
	CHECK(listener >= 0);
	for (;;) {
		int fd = sys_accept(self, (u32)listener);
		CHECK(fd >= 0 && sys_close(self, (u32)fd) == 0);
	}
}

static void client(struct guest *self)
{
	for (u32 i = 0; i < CONNECTS; i++) {
		/* A dropped one is not waited for. */
		int fd = sys_open(self, OPEN_NONBLOCK, "tcp/connect/10.10.0.%u/%u", SERVER, PORT);
		CHECK(fd >= 0 || fd == -WASI_CONNREFUSED);
		if (fd >= 0 && random_below(&self->random, 2))
			sys_write(self, (u32)fd, GUEST_DATA, 1);
		if (fd >= 0)
			CHECK(sys_close(self, (u32)fd) == 0);
	}
}

static void group(u32 id, const u32 *ipv4s, u32 count)
{
	lock_acquire(&network_lock);
	CHECK(group_configure(id, NETWORK, NULL, ipv4s, count, 0) == 0);
	lock_release(&network_lock);
}

/* One that lets the clients in on the port, or lets nobody in. */
static void add_policy(u64 *random)
{
	u32 open[] = {POLICY_INGRESS, VERDICT_REJECT, 1,    1,   1, 0, 0, 1, GROUP_SERVER, 1, 0, 1,
		      GROUP_CLIENTS,  POLICY_TCP,     PORT, PORT};
	u32 shut[] = {POLICY_INGRESS, VERDICT_REJECT, 1, 0, 0, 0, 0, 0, GROUP_SERVER};
	shut[1] = VERDICT_REJECT + random_below(random, 2);
	if (random_below(random, 2))
		CHECK(policies_add(open, COUNT_OF(open)) == 0);
	else
		CHECK(policies_add(shut, COUNT_OF(shut)) == 0);
}

/* Returns how many policies there are. */
static u32 change_table(u64 *random, u32 present)
{
	u32 kept = random_below(random, present + 1), added = random_below(random, 3);
	CHECK(policies_begin(kept + added) == 0);
	for (u32 i = 0; i < added; i++)
		add_policy(random);
	for (u32 i = 0; i < kept; i++)
		CHECK(policies_keep(i) == 0);
	CHECK(policies_keep(0) == -E_INVAL);
	if (random_below(random, 8) == 0)
		return present; /* thought better of it */
	CHECK(policies_commit() == 0);
	return kept + added;
}

static void read_counters(u32 present)
{
	u64 counters[2];
	for (u32 i = 0; i < present; i++)
		CHECK(policies_count(i, counters, COUNT_OF(counters)) >= 1);
	CHECK(policies_count(present, counters, COUNT_OF(counters)) == -E_INVAL);
}

void stress_policies(u64 seed, u32 rounds)
{
	u64 random = seed;
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		static const u32 clients_at[CLIENTS] = {ADDRESS_OF(11), ADDRESS_OF(12), ADDRESS_OF(13)};
		struct guest *listening = guest_boot(SERVER, server, NULL, seed + round), *connecting[CLIENTS];
		group(GROUP_SERVER, (const u32[]){ADDRESS_OF(SERVER)}, 1);
		group(GROUP_CLIENTS, clients_at, CLIENTS);
		for (u32 i = 0; i < CLIENTS; i++)
			connecting[i] = guest_boot(SERVER + 1 + i, client, NULL, seed * 31 + round * 100 + i);
		u32 present = 0;
		for (u32 turn = 0; turn < 200; turn++) {
			present = change_table(&random, present);
			read_counters(present);
			group(GROUP_CLIENTS, clients_at, 1 + random_below(&random, CLIENTS));
			sched_yield();
		}
		CHECK(policies_begin(0) == 0 && policies_commit() == 0);
		for (u32 i = 0; i < CLIENTS; i++)
			guest_end(connecting[i]);
		guest_kill(listening);
		guest_end(listening);
		lock_acquire(&network_lock);
		CHECK(group_remove(GROUP_SERVER) == 0 && group_remove(GROUP_CLIENTS) == 0);
		lock_release(&network_lock);
		host_network_commit();
		node_expect(before);
	}
}

/* Names published, changed and removed while guests look them up and connect through them, and pods that join and
 * leave the network meanwhile. One generation of a name is a set of addresses; a look-up sees exactly one. */
#include "tests/native/stress.h"

#include <stdio.h>

#define RESOLVERS 4u
#define FIRST 10u
#define LOOKUPS 150u
#define GENERATIONS 400u
#define AT_BYTES GUEST_DATA

static _Atomic u32 resolving;

/* Addresses of generation g: 10.10.g.1 to 10.10.g.n with n = g % 7 + 1. */
static void compare_generation(struct guest *self, int length)
{
	char *text = (char *)self->memory + AT_BYTES;
	u32 generation = 0, host = 0, seen = 0, count = 0;
	text[length] = 0;
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		u32 this_generation;
		CHECK(sscanf(line, "10.10.%u.%u\n", &this_generation, &host) == 2);
		CHECK(count == 0 || this_generation == generation);
		generation = this_generation;
		CHECK(host >= 1 && host <= generation % 7 + 1 && !(seen & 1u << host));
		seen |= 1u << host;
		count++;
	}
	CHECK(count == generation % 7 + 1);
}

/* Names of an address come and go, but an answer is made of whole lines. */
static void ask_back(struct guest *self)
{
	char *text = (char *)self->memory + AT_BYTES;
	int fd = random_below(&self->random, 4)
			 ? sys_open(self, 0, "dns/reverse/10.10.%u.%u", random_below(&self->random, 8),
				    1 + random_below(&self->random, 7))
			 : sys_open(self, 0, "hosts");
	CHECK(fd >= 0 || fd == -WASI_NOENT);
	if (fd < 0)
		return;
	int length = sys_read(self, (u32)fd, AT_BYTES, 65536);
	CHECK(length > 0 && text[length - 1] == '\n');
	text[length] = 0;
	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		CHECK(end && end > line);
		CHECK(strncmp(line, "service-", 8) == 0 || strncmp(line, "10.10.", 6) == 0 ||
		      strncmp(line, "127.0.0.1 localhost", 19) == 0 || line[0] == 'p');
	}
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void resolver(struct guest *self)
{
	for (u32 i = 0; i < LOOKUPS; i++) {
		ask_back(self);
		int fd = sys_open(self, 0, "dns/service-%u", random_below(&self->random, 3));
		CHECK(fd >= 0 || fd == -WASI_NOENT);
		if (fd >= 0) {
			int length = sys_read(self, (u32)fd, AT_BYTES, 4096);
			CHECK(length > 0);
			compare_generation(self, length);
			CHECK(sys_close(self, (u32)fd) == 0);
		}
		fd = sys_open(self, 0, "tcp/connect/service-0/99");
		CHECK(fd == -WASI_NOENT || fd == -WASI_HOSTUNREACH || fd == -WASI_CONNREFUSED);
	}
	atomic_fetch_sub(&resolving, 1);
}

static void publish(u32 service, u32 generation, u32 count)
{
	char name[32];
	u32 addresses[8];
	snprintf(name, sizeof(name), "service-%u", service);
	for (u32 i = 0; i < count; i++)
		addresses[i] = ADDRESS_OF(generation << 8 | (i + 1));
	CHECK(host_publish(NETWORK, (uaddr)name, (uaddr)addresses, count) == 0);
}

void stress_names(u64 seed, u32 rounds)
{
	u64 random = seed;
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct guest *guests[RESOLVERS];
		atomic_store(&resolving, RESOLVERS);
		for (u32 i = 0; i < RESOLVERS; i++)
			guests[i] = guest_boot(FIRST + i, resolver, NULL, seed + round * 100 + i);
		for (u32 i = 0; i < GENERATIONS || atomic_load(&resolving); i++) {
			u32 generation = 1 + random_below(&random, 250);
			publish(random_below(&random, 3), generation,
				random_below(&random, 4) ? generation % 7 + 1 : 0);
			if (random_below(&random, 8))
				continue;
			struct guest *passer_by = guest_create(generation << 8 | 1, NO_LIMITS, seed);
			CHECK(passer_by &&
			      !guest_create(generation << 8 | 1, NO_LIMITS, seed)); /* the address is taken */
			guest_reap(passer_by);
		}
		for (u32 service = 0; service < 3; service++)
			publish(service, 0, 0);
		for (u32 i = 0; i < RESOLVERS; i++)
			guest_end(guests[i]);
		node_expect(before);
	}
}

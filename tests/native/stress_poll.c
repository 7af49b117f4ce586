/* A ring of guests that pass tokens on, over TCP and from stdin, each polling everything that it has. A wake-up
 * that is lost stops a token: the scenario then hangs, and says so. */
#include "tests/native/stress.h"

#include <sched.h>

#define MEMBERS 6u
#define FIRST 10u
#define PORT 700u
#define HOPS 60u
#define TOKENS 3u
#define AT_BYTES GUEST_DATA
#define FOREVER (100000 * NSEC_PER_SEC)

struct token {
	u32 hops;
	u32 salt, check;
};

static bool sound(const struct token *token)
{
	return token->check == (token->salt ^ 0x5eed5eed);
}

struct member {
	u32 next; /* host */
	bool by_clock; /* polls with a deadline too: one that never comes, or comes soon */
	_Atomic u32 *arrived;
};

struct links {
	int listener, in, out;
};

static void establish_links(struct guest *self, struct links *links)
{
	const struct member *member = self->job;
	links->listener = sys_open(self, OPEN_NONBLOCK, "tcp/listen/0.0.0.0/%u", PORT);
	CHECK(links->listener >= 0);
	links->in = -1;
	while ((links->out = sys_open(self, 0, "tcp/connect/p%u/%u", member->next, PORT)) < 0)
		CHECK(links->out == -WASI_CONNREFUSED || links->out == -WASI_HOSTUNREACH); /* not there yet */
}

/* Takes exactly one token. */
static struct token take(struct guest *self, u32 fd)
{
	struct token token;
	for (u32 got = 0; got < sizeof(token);) {
		int count = sys_read(self, fd, AT_BYTES + got, (u32)sizeof(token) - got);
		CHECK(count > 0);
		got += (u32)count;
	}
	memcpy(&token, self->memory + AT_BYTES, sizeof(token));
	CHECK(sound(&token));
	return token;
}

static void pass_on(struct guest *self, struct links *links, struct token token)
{
	const struct member *member = self->job;
	if (token.hops == 0) {
		atomic_fetch_add(member->arrived, 1);
		return;
	}
	token.hops--;
	memcpy(self->memory + AT_BYTES, &token, sizeof(token));
	CHECK(sys_write(self, (u32)links->out, AT_BYTES, sizeof(token)) == (int)sizeof(token));
}

static void look(struct guest *self, struct links *links)
{
	const struct member *member = self->job;
	u64 timeout = random_below(&self->random, 4) ? FOREVER : random_below(&self->random, 200000);
	struct want wants[5] = {
		{.fd = 0, .type = WANT_READ},
		{.fd = (u32)links->listener, .type = WANT_READ},
		{.fd = (u32)links->out, .type = WANT_READ}, /* nothing ever comes that way */
	};
	u32 count = 3, in = 0;
	if (links->in >= 0)
		wants[in = count++] = (struct want){.fd = (u32)links->in, .type = WANT_READ};
	if (member->by_clock)
		wants[count++] = (struct want){.type = WANT_CLOCK, .timeout = timeout};
	CHECK(sys_poll(self, wants, count) > 0);
	CHECK(!(member->by_clock && timeout == FOREVER && wants[count - 1].holds));
	if (wants[0].holds)
		pass_on(self, links, take(self, 0));
	if (wants[1].holds)
		CHECK((links->in = sys_accept(self, (u32)links->listener)) >= 0);
	if (in && wants[in].holds)
		pass_on(self, links, take(self, (u32)links->in));
}

/* Until it is killed. */
static void member_main(struct guest *self)
{
	struct links links;
	establish_links(self, &links);
	for (;;)
		look(self, &links);
}

void stress_ring(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		_Atomic u32 arrived = 0;
		struct member members[MEMBERS];
		struct guest *guests[MEMBERS];
		for (u32 i = 0; i < MEMBERS; i++) {
			members[i] = (struct member){FIRST + (i + 1) % MEMBERS, i % 2, &arrived};
			i32 address = (i32)ADDRESS_OF(FIRST + i);
			char name[] = {'p', '1', (char)('0' + i), 0};
			CHECK(host_publish(NETWORK, (uaddr)name, (uaddr)&address, 1) == 0);
		}
		for (u32 i = 0; i < MEMBERS; i++)
			guests[i] = guest_boot(FIRST + i, member_main, &members[i], seed + round * 100 + i);
		for (u32 i = 0; i < TOKENS; i++) {
			struct token token = {.hops = HOPS, .salt = (u32)seed + i};
			token.check = token.salt ^ 0x5eed5eed;
			CHECK(host_write(guests[i]->stdio[0], (uaddr)&token, sizeof(token)) == (i32)sizeof(token));
		}
		while (atomic_load(&arrived) < TOKENS)
			sched_yield();
		for (u32 i = 0; i < MEMBERS; i++)
			guest_kill(guests[i]);
		for (u32 i = 0; i < MEMBERS; i++) {
			char name[] = {'p', '1', (char)('0' + i), 0};
			guest_end(guests[i]);
			CHECK(host_publish(NETWORK, (uaddr)name, 0, 0) == 0);
		}
		node_expect(before);
	}
}

#include "tests/native/stress_crowd.h"

#define FINISHERS 4u /* come to their end; the others are killed */
#define ATTEMPTS 60u
#define AT_BYTES GUEST_DATA

struct crowd {
	void (*attempt)(struct guest *self);
	_Atomic u32 finishing;
};

u32 pick_number(u64 *random, struct numbers *numbers)
{
	u32 index = random_below(random, numbers->count), value = numbers->list[index];
	numbers->list[index] = numbers->list[--numbers->count];
	return value;
}

void crowd_converse(struct guest *self, u32 fd)
{
	int sent = sys_write(self, fd, AT_BYTES, 4);
	CHECK(sent == 4 || sent == -WASI_PIPE || sent == -WASI_CONNRESET);
	if (random_below(&self->random, 2)) {
		int got = sys_receive(self, fd, AT_BYTES, 4, 2);
		CHECK(got == 0 || got == 4 || got == -WASI_CONNRESET);
	}
}

static void finisher(struct guest *self)
{
	struct crowd *crowd = self->job;
	for (u32 i = 0; i < ATTEMPTS; i++)
		crowd->attempt(self);
	atomic_fetch_sub(&crowd->finishing, 1);
}

static void victim(struct guest *self)
{
	struct crowd *crowd = self->job;
	for (;;)
		crowd->attempt(self);
}

void crowd_run(void (*attempt)(struct guest *self), u64 seed, void (*serve)(void *host), void *host)
{
	struct crowd crowd = {.attempt = attempt, .finishing = FINISHERS};
	struct guest *guests[CROWD];
	for (u32 i = 0; i < CROWD; i++)
		guests[i] = guest_boot(CROWD_FIRST + i, i < FINISHERS ? finisher : victim, &crowd, seed + i);
	while (atomic_load(&crowd.finishing))
		serve(host);
	for (u32 i = FINISHERS; i < CROWD; i++)
		guest_kill(guests[i]);
	for (u32 i = 0; i < CROWD; i++)
		guest_end(guests[i]);
}

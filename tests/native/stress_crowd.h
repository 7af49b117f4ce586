/* Guests that try something again and again while the host decides what becomes of it: some come to their end, the others
 * are killed in the middle. */
#ifndef PODNET_TESTS_NATIVE_STRESS_CROWD_H
#define PODNET_TESTS_NATIVE_STRESS_CROWD_H

#include "tests/native/stress.h"

#define CROWD 8u
#define CROWD_FIRST 10u /* their hosts, from this one on */
#define OPEN_MOST 64u

/* What the host has, and takes out again in any order. */
struct numbers {
	u32 list[OPEN_MOST];
	u32 count;
};

u32 pick_number(u64 *random, struct numbers *numbers);

/* Run them until all that end by themselves have, then end the others; `serve` is called meanwhile, with `host`. */
void crowd_run(void (*attempt)(struct guest *self), u64 seed, void (*serve)(void *host), void *host);

/* Four bytes to the other end, which may send them back, end, or reset. */
void crowd_converse(struct guest *self, u32 fd);

#endif

/* Luck without state: every draw is a function of what it is for, so that the same seed decides the same about each
 * packet of each link direction, whatever else happens. No floating point, no tables: both builds agree to the bit.
 */
#ifndef PODNET_FABRIC_RANDOM_H
#define PODNET_FABRIC_RANDOM_H

#include "vnet/fabric/platform.h"

/* What a packet's luck is drawn for. */
enum random_purpose {
	RANDOM_LOSS = 1,
	RANDOM_STATE, /* whether Gilbert and Elliott's chain changes its state */
	RANDOM_DUPLICATE,
	RANDOM_CORRUPT,
	RANDOM_CORRUPT_BIT,
	RANDOM_REORDER,
	RANDOM_DELAY,
	RANDOM_COPY_DELAY, /* of a duplicate */
	RANDOM_PURPOSES,
};

/* netem's names. */
enum distribution { DISTRIBUTION_UNIFORM = 0, DISTRIBUTION_NORMAL, DISTRIBUTION_PARETO, DISTRIBUTION_PARETONORMAL };
#define DISTRIBUTIONS 4u

/* 64 uniform bits. `direction` is 0 to 3, of a link that has so many. */
u64 random_draw(u64 seed, u32 link, u32 direction, u64 index, u32 purpose);

/* Whether something happens that has this probability, in units of 2^-32; UINT32_MAX is always. */
static inline bool random_chance(u64 draw, u32 probability)
{
	return (u32)(draw >> 32) < probability || probability == UINT32_MAX;
}

/* A variate of mean 0 in units of 2^-16, drawn on from `draw`: of deviation 1, or within -1 and 1 when uniform. */
i32 random_variate(enum distribution distribution, u64 draw);

#endif

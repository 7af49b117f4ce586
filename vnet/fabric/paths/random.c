#include "vnet/fabric/paths/random.h"

#define GOLDEN 0x9e3779b97f4a7c15ull /* splitmix64's increment: 2^64 divided by the golden ratio */
#define ONE 65536

/* 1 / sqrt(32 + 1/12): of 128 coins and one uniform number beside them. */
#define NORMAL_SCALE 11570
/* Pareto's law with shape 3, netem's: mean 3/2, variance 3/4. */
#define PARETO_MEAN (ONE * 3 / 2)
#define PARETO_SCALE 75674 /* 1 / sqrt(3/4) */
#define PARETO_MOST (1u << 26) /* 1024; more comes once in 10^9 */
#define PARETONORMAL_SCALE 20724 /* 1 / sqrt(1 + 3 * 3) */

static u64 mix(u64 bits) /* splitmix64's */
{
	bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9ull;
	bits = (bits ^ bits >> 27) * 0x94d049bb133111ebull;
	return bits ^ bits >> 31;
}

static u64 step(u64 *state)
{
	return mix(*state += GOLDEN);
}

u64 random_draw(u64 seed, u32 link, u32 direction, u64 index, u32 purpose)
{
	u64 stream = mix(seed + GOLDEN * ((u64)purpose << 2 | direction)) ^ (u64)link << 32 ^ link;
	return mix(mix(stream + GOLDEN) + GOLDEN * index);
}

static i32 uniform(u64 draw)
{
	return (i32)(draw >> 32) >> 15;
}

/* Heads among 128 coins, made continuous; the fourth moment is within a hundredth of Gauss's. */
static i32 normal(u64 *state)
{
	i32 heads = __builtin_popcountll(step(state)) + __builtin_popcountll(step(state)) - 64;
	i32 between = (i32)(step(state) >> 48) - ONE / 2;
	return (i32)(((i64)heads * ONE + between) * NORMAL_SCALE >> 16);
}

/* The greatest of three uniform numbers is distributed as the cube root of one, whose reciprocal is Pareto's. */
static i32 pareto(u64 *state)
{
	u64 first = step(state), second = step(state);
	u32 greatest = MAX(MAX((u32)first, (u32)(first >> 32)), (u32)second);
	u64 value = greatest ? MIN((1ull << 48) / greatest, (u64)PARETO_MOST) : PARETO_MOST;
	return (i32)(((i64)value - PARETO_MEAN) * PARETO_SCALE >> 16);
}

i32 random_variate(enum distribution distribution, u64 draw)
{
	u64 state = draw;
	switch (distribution) {
	case DISTRIBUTION_NORMAL: return normal(&state);
	case DISTRIBUTION_PARETO: return pareto(&state);
	case DISTRIBUTION_PARETONORMAL: {
		i64 sum = (i64)normal(&state) + 3 * (i64)pareto(&state); /* netem's mixture */
		return (i32)(sum * PARETONORMAL_SCALE >> 16);
	}
	default: return uniform(draw);
	}
}

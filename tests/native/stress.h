/* The scenarios. Each gets a seed and a number of rounds, makes guests, and leaves the fabric as it found it. */
#ifndef PODNET_TESTS_NATIVE_STRESS_H
#define PODNET_TESTS_NATIVE_STRESS_H

#include "tests/native/guest.h"

#define SCENARIOS(SCENARIO)  \
	SCENARIO(streams)    \
	SCENARIO(storm)      \
	SCENARIO(pending)    \
	SCENARIO(resets)     \
	SCENARIO(kill)       \
	SCENARIO(pause)      \
	SCENARIO(processes)  \
	SCENARIO(inherit)    \
	SCENARIO(ring)       \
	SCENARIO(timers)     \
	SCENARIO(starved)    \
	SCENARIO(watch)      \
	SCENARIO(names)      \
	SCENARIO(policies)   \
	SCENARIO(outside)    \
	SCENARIO(trunk)      \
	SCENARIO(datagrams)  \
	SCENARIO(interfaces) \
	SCENARIO(detach)     \
	SCENARIO(hidden)     \
	SCENARIO(memory)

#define DECLARE_SCENARIO(name) void stress_##name(u64 seed, u32 rounds);
SCENARIOS(DECLARE_SCENARIO)
#undef DECLARE_SCENARIO

#endif

/* stress SCENARIO SEED ROUNDS: run one scenario, check that it left nothing behind, and end. */
#include "tests/native/stress.h"

#include <stdio.h>

static const struct scenario {
	const char *name;
	void (*run)(u64 seed, u32 rounds);
} scenarios[] = {
#define ENTRY(name) {#name, stress_##name},
	SCENARIOS(ENTRY)
#undef ENTRY
};

static int usage(const char *program)
{
	fprintf(stderr, "usage: %s SCENARIO SEED ROUNDS\nscenarios:", program);
	for (u32 i = 0; i < COUNT_OF(scenarios); i++)
		fprintf(stderr, " %s", scenarios[i].name);
	fprintf(stderr, "\n");
	return 2;
}

int main(int count, char **words)
{
	if (count != 4)
		return usage(words[0]);
	u64 seed = strtoull(words[2], NULL, 0);
	for (u32 i = 0; i < COUNT_OF(scenarios); i++) {
		if (strcmp(scenarios[i].name, words[1]))
			continue;
		node_boot(words[1], seed);
		struct usage before = node_usage();
		scenarios[i].run(seed, (u32)strtoul(words[3], NULL, 0));
		node_expect(before);
		return 0;
	}
	return usage(words[0]);
}

/* links PART SEED ROUNDS: run one part of the tests of links, paths and the pacer. */
#include "tests/native/links.h"

#include <stdio.h>

int main(int count, char **words)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"luck", test_luck}, {"rates", test_rates}, {"paths", test_paths}, {"heap", test_heap}};
	u64 seed = count > 2 ? strtoull(words[2], NULL, 0) : 0;
	u32 rounds = count > 3 ? (u32)strtoul(words[3], NULL, 0) : 1;
	node_boot(count > 1 ? words[1] : "", seed);
	struct usage before = node_usage();
	for (u32 i = 0; count > 1 && i < COUNT_OF(parts); i++) {
		if (strcmp(words[1], parts[i].name))
			continue;
		parts[i].run();
		node_expect(before);
		return 0;
	}
	if (count > 1 && strcmp(words[1], "traffic") == 0)
		test_traffic(seed, rounds);
	else if (count > 1 && strcmp(words[1], "threads") == 0)
		test_threads(seed, rounds);
	else
		return 2;
	node_expect(before);
	return 0;
}

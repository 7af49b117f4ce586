/* The parts of the `links` driver, each with tests of its own. */
#ifndef PODNET_TESTS_NATIVE_LINKS_H
#define PODNET_TESTS_NATIVE_LINKS_H

#include "tests/native/simulation.h"

void test_luck(void);
void test_rates(void);
void test_paths(void);
void test_heap(void);
/* Arbitrary configurations and packets; nothing must be lost track of. */
void test_traffic(u64 seed, u32 rounds);
/* The same with threads: senders, the pacer, and a node that changes everything. */
void test_threads(u64 seed, u32 rounds);

#endif

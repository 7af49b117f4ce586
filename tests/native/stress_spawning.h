/* The node's side of a scenario whose guests spawn: it starts, refuses and ends processes, and now and then kills. */
#ifndef PODNET_TESTS_NATIVE_STRESS_SPAWNING_H
#define PODNET_TESTS_NATIVE_STRESS_SPAWNING_H

#include "tests/native/stress.h"

/* What a process does whose program's name begins with `letter`. */
typedef guest_main (*program_table)(char letter);

/* Rounds of `pods` pods, whose first processes do `first` and are killed after some time with all others. */
void spawning_stress(u32 first_host, u32 pods, guest_main first, program_table programs, u64 seed, u32 rounds);

/* What the kernel may answer to a spawn beside the child's number. */
bool spawn_may_be_refused(int result);

#endif

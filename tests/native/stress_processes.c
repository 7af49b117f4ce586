/* Processes of a few pods that spawn, wait for, signal and kill one another at once, with pipes between them, while the
 * node starts, refuses and ends them and now and then kills a pod's first. */
#include "tests/native/stress_spawning.h"

#include <stdio.h>

#define FIRST 10u
#define PODS 3u
#define STEPS 30u
#define PIPE_BYTES 3000u
#define AT_BYTES GUEST_DATA

static u32 some_pid(struct guest *self)
{
	return 1 + random_below(&self->random, PROCESSES_MOST + 2);
}

static void collect(struct guest *self, u32 number, u32 options)
{
	u32 status;
	int child = sys_wait(self, number, options, &status);
	CHECK(child >= 0 || child == -WASI_CHILD || child == -WASI_INTR || child == -WASI_INVAL);
	if (child > 0) {
		u32 signal = status & 0x7f;
		CHECK(signal == 0 || signal == SIGNAL_KILL || signal == SIGNAL_TERM || signal == SIGNAL_HUP);
	}
}

/* A child that writes what it can into a pipe, and its reader. */
static void spawn_with_pipe(struct guest *self)
{
	u32 ends[2], status, total = 0;
	char request[64];
	CHECK(sys_pipe(self, ends) == 0);
	int size = snprintf(request, sizeof(request), "aw%cf7 %u%c", 0, ends[1], 0);
	int child = sys_spawn(self, request, (u32)size);
	CHECK(sys_close(self, ends[1]) == 0);
	CHECK(child > 0 || spawn_may_be_refused(child));
	while (child > 0) {
		int got = sys_read(self, ends[0], AT_BYTES, 512);
		if (got == -WASI_INTR)
			continue;
		CHECK(got >= 0);
		if (got == 0)
			break;
		for (int i = 0; i < got; i++)
			CHECK(self->memory[AT_BYTES + (u32)i] == pattern(7, total + (u32)i));
		total += (u32)got;
	}
	CHECK(sys_close(self, ends[0]) == 0);
	while (child > 0) {
		int ended = sys_wait(self, (u32)child, 0, &status);
		if (ended == -WASI_INTR)
			continue;
		CHECK(ended == child || ended == -WASI_CHILD);
		if (ended == child && status == 0)
			CHECK(total == PIPE_BYTES);
		break;
	}
}

static void spawn_another(struct guest *self)
{
	static const char request[] = "ar";
	int child = sys_spawn(self, request, sizeof(request));
	CHECK(child > 0 || spawn_may_be_refused(child));
}

/* The end of anybody, by its file; the process may be gone. */
static void watch_somebody(struct guest *self)
{
	int fd = sys_open_proc(self, OPEN_NONBLOCK, "%u/exit", some_pid(self));
	if (fd < 0)
		return;
	struct want wants[] = {{.fd = (u32)fd, .type = WANT_READ}, {.type = WANT_CLOCK, .timeout = 1000}};
	sys_poll(self, wants, 2);
	sys_read(self, (u32)fd, AT_BYTES, 64);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void signal_somebody(struct guest *self)
{
	static const u32 signals[] = {0, SIGNAL_HUP, SIGNAL_TERM, SIGNAL_KILL, SIGNAL_USR1, SIGNAL_WINCH};
	u32 signal = signals[random_below(&self->random, COUNT_OF(signals))], number = some_pid(self);
	if (number == 1)
		return; /* the node's to kill */
	if (signal == SIGNAL_USR1) /* kills nobody who has not caught it yet */
		signal = 0;
	u32 error = wasi_proc_kill(number, signal);
	CHECK(error == 0 || error == WASI_SRCH);
}

static void runner(struct guest *self)
{
	CHECK(wasi_proc_catch(random_below(&self->random, 2) ? SIGNAL_BIT(SIGNAL_TERM) : 0, 0) == 0);
	for (u32 i = 0; i < STEPS; i++) {
		switch (random_below(&self->random, 9)) {
		case 0: spawn_another(self); break;
		case 1: spawn_with_pipe(self); break;
		case 2: collect(self, 0, WAIT_NOHANG); break;
		case 3: collect(self, some_pid(self), WAIT_NOHANG); break;
		case 4: watch_somebody(self); break;
		case 5: CHECK(wasi_proc_signals((uaddr)self->memory + AT_BYTES) == 0); break;
		default: signal_somebody(self);
		}
	}
	if (random_below(&self->random, 2))
		collect(self, 0, 0);
}

static void writer(struct guest *self)
{
	for (u32 i = 0; i < PIPE_BYTES; i++)
		self->memory[AT_BYTES + i] = pattern(7, i);
	for (u32 done = 0; done < PIPE_BYTES;) {
		int moved = sys_write(self, 7, AT_BYTES + done, PIPE_BYTES - done);
		CHECK(moved > 0 || moved == -WASI_PIPE || moved == -WASI_INTR);
		if (moved == -WASI_PIPE)
			return;
		done += moved > 0 ? (u32)moved : 0;
	}
}

static guest_main program_of(char letter)
{
	return letter == 'w' ? writer : runner;
}

void stress_processes(u64 seed, u32 rounds)
{
	spawning_stress(FIRST, PODS, runner, program_of, seed, rounds);
}

/* Processes that use one socket, listener, datagram socket or file at once, because one has it from the other, while any
 * of them may be killed: what the others have stays theirs, and with the last of them all of it is gone. */
#include "tests/native/stress_spawning.h"

#include <stdio.h>

#define FIRST 10u
#define PODS 3u
#define STEPS 12u
#define AT_BYTES GUEST_DATA
#define STREAM_BYTES 3000u
#define RECORDS 40u
#define RECORD_BYTES 16u
#define CONNECTIONS 4u
#define THEIRS 20u /* the number that children have it under */
#define MOUNT 3u

/* A child with `own` as THEIRS; its number, or 0. */
static u32 spawn_with(struct guest *self, char program, u32 own)
{
	char request[64];
	int size = snprintf(request, sizeof(request), "a%c%cf%u %u%c", program, 0, THEIRS, own, 0);
	int child = sys_spawn(self, request, (u32)size);
	CHECK(child > 0 || spawn_may_be_refused(child));
	return child > 0 ? (u32)child : 0;
}

/* Whether the child did all that it was to do. */
static bool collect(struct guest *self, u32 child)
{
	u32 status = 0;
	if (!child)
		return false;
	int ended = sys_wait(self, child, 0, &status);
	CHECK(ended == (int)child);
	return status == 0;
}

/* --- A stream: the child writes, we read what it wrote and then the end. ---------------------------------------- */

static void writer(struct guest *self)
{
	for (u32 i = 0; i < STREAM_BYTES; i++)
		self->memory[AT_BYTES + i] = pattern(7, i);
	for (u32 done = 0; done < STREAM_BYTES;) {
		int moved = sys_write(self, THEIRS, AT_BYTES + done, MIN(STREAM_BYTES - done, 200u));
		CHECK(moved > 0);
		done += (u32)moved;
	}
}

static void share_stream(struct guest *self)
{
	int first = sys_open(self, 0, "tcp/pair");
	CHECK(first >= 0);
	int second = sys_open(self, 0, "tcp/pair/%u", sys_socket_id(self, (u32)first));
	CHECK(second >= 0);
	u32 child = spawn_with(self, 'w', (u32)second), total = 0;
	CHECK(sys_close(self, (u32)second) == 0);
	for (int got; (got = sys_read(self, (u32)first, AT_BYTES, 512)) > 0;)
		for (int i = 0; i < got; i++, total++)
			CHECK(self->memory[AT_BYTES + (u32)i] == pattern(7, total));
	CHECK(collect(self, child) ? total == STREAM_BYTES : total <= STREAM_BYTES);
	CHECK(sys_close(self, (u32)first) == 0);
}

/* --- A listener: both accept; what is connected is accepted by one of them, as long as one is there. ------------ */

static void accepter(struct guest *self)
{
	for (int fd; (fd = sys_accept(self, THEIRS)) >= 0;) {
		int got = sys_read(self, (u32)fd, AT_BYTES, 1);
		CHECK(sys_close(self, (u32)fd) == 0);
		if (got == 1 && self->memory[AT_BYTES] == 'q')
			return;
	}
}

static void dial(struct guest *self, u32 port, char what)
{
	int fd = sys_open(self, 0, "tcp/connect/10.10.0.%u/%u", self->host, port);
	CHECK(fd >= 0 || fd == -WASI_CONNREFUSED || fd == -WASI_CONNRESET || fd == -WASI_PIPE);
	if (fd < 0)
		return;
	self->memory[AT_BYTES] = (u8)what;
	sys_write(self, (u32)fd, AT_BYTES, 1);
	sys_read(self, (u32)fd, AT_BYTES, 1);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void share_listener(struct guest *self)
{
	u32 port = 1024 + random_below(&self->random, 40000);
	int fd = sys_open(self, 0, "tcp/listen/0.0.0.0/%u", port);
	if (fd == -WASI_ADDRINUSE)
		return;
	CHECK(fd >= 0);
	u32 child = spawn_with(self, 'a', (u32)fd);
	CHECK(sys_set_nonblocking(self, (u32)fd, true) == 0);
	int accepted = sys_accept(self, (u32)fd);
	CHECK(accepted == -WASI_AGAIN);
	CHECK(sys_set_nonblocking(self, (u32)fd, false) == 0);
	CHECK(sys_close(self, (u32)fd) == 0);
	for (u32 i = 0; i < CONNECTIONS; i++)
		dial(self, port, 'x');
	dial(self, port, 'q');
	if (child && random_below(&self->random, 2))
		CHECK(wasi_proc_kill(child, SIGNAL_KILL) == 0);
	collect(self, child);
	CHECK(sys_open(self, 0, "tcp/connect/10.10.0.%u/%u", self->host, port) == -WASI_CONNREFUSED);
}

/* --- A datagram socket: both change what is kept with it, both send, and nobody has to receive. ----------------- */

static void send_some(struct guest *self, u32 fd)
{
	for (u32 i = 0; i < RECORDS; i++) {
		switch (random_below(&self->random, 4)) {
		case 0: sys_control(self, fd, "connect", "127.0.0.1 %u", 1 + random_below(&self->random, 3)); break;
		case 1: sys_control(self, fd, "set", "rcvtimeo 1"); break;
		case 2: sys_control(self, fd, "local", "%s", ""); break;
		default: sys_write(self, fd, AT_BYTES, 8);
		}
	}
}

static void sender(struct guest *self)
{
	send_some(self, THEIRS);
}

static void share_datagrams(struct guest *self)
{
	int fd = sys_open(self, OPEN_NONBLOCK, "udp/socket");
	CHECK(fd >= 0);
	u32 child = spawn_with(self, 's', (u32)fd);
	send_some(self, (u32)fd);
	if (child && random_below(&self->random, 2))
		CHECK(wasi_proc_kill(child, SIGNAL_KILL) == 0);
	collect(self, child);
	CHECK(sys_close(self, (u32)fd) == 0);
}

/* --- A file: whoever writes moves the offset of both. ----------------------------------------------------------- */

static void write_records(struct guest *self, u32 fd)
{
	for (u32 i = 0; i < RECORDS; i++)
		CHECK(sys_write(self, fd, AT_BYTES, RECORD_BYTES) == (int)RECORD_BYTES);
}

static void recorder(struct guest *self)
{
	write_records(self, THEIRS);
}

static void share_file(struct guest *self)
{
	int fd = sys_open_file(self, MOUNT, "log");
	u64 offset = 0;
	CHECK(fd >= 0);
	u32 child = spawn_with(self, 'r', (u32)fd);
	write_records(self, (u32)fd);
	if (child && random_below(&self->random, 2))
		CHECK(wasi_proc_kill(child, SIGNAL_KILL) == 0);
	bool all = collect(self, child);
	CHECK(wasi_fd_tell((u32)fd, (uaddr)self->memory + AT_BYTES) == WASI_SUCCESS);
	memcpy(&offset, self->memory + AT_BYTES, sizeof(offset));
	CHECK(offset % RECORD_BYTES == 0 && offset >= RECORDS * RECORD_BYTES);
	CHECK(all ? offset == 2 * RECORDS * RECORD_BYTES : offset <= 2 * RECORDS * RECORD_BYTES);
	CHECK(sys_close(self, (u32)fd) == 0);
}

static void sharer(struct guest *self)
{
	for (u32 i = 0; i < STEPS; i++) {
		switch (random_below(&self->random, 4)) {
		case 0: share_stream(self); break;
		case 1: share_listener(self); break;
		case 2: share_datagrams(self); break;
		default: share_file(self);
		}
	}
}

static guest_main program_of(char letter)
{
	switch (letter) {
	case 'w': return writer;
	case 'a': return accepter;
	case 's': return sender;
	default: return recorder;
	}
}

void stress_inherit(u64 seed, u32 rounds)
{
	spawning_stress(FIRST, PODS, sharer, program_of, seed, rounds);
}

/* One guest makes calls with arguments taken from a string of bytes: every call of WASI, with values that are
 * plausible mostly and wild often enough. A real thread answers as an echo server, and the node's own calls mix in.
 *
 *   fuzz SEED FIRST COUNT   inputs number FIRST, FIRST + 1, ... that the seed leads to
 *   fuzz FILE...            these inputs; `-` is the standard input
 *
 * With -DLIBFUZZER there is no main and LLVMFuzzerTestOneInput drives it. An input that waits where nothing will
 * come is killed there, as the node would; time that it would sleep away passes at once.
 */
#include <sched.h>
#include <stdio.h>

#include <sanitizer/common_interface_defs.h>

#include "tests/native/guest.h"

#define SELF 30u
#define ECHO 20u
#define ECHO_PORT 7u
#define STEPS_MOST 1000u
#define INPUT_MOST 16384u
#define HOST_FDS 8u
#define DATA_SIZE 4096u

/* Where arguments that are structures lie in the guest's memory; outputs land among them, too. */
enum { AT_IOVECS = 0, AT_POLLS = 1024, AT_ADDRESS = 2560, AT_TEXTS = 2688, AT_SCRATCH = 3200, AT_BULK = GUEST_DATA };

static struct guest *guest;
static struct identity guest_self, node_self;
/* What the node holds between inputs. Read once: while an input begins, the echo server may still be tidying up. */
static struct usage idle_usage;

/* --- The input ----------------------------------------------------------------------------------------------- */

static struct {
	const u8 *at, *end;
} input;

static u8 draw_byte(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static u32 draw_word(void)
{
	u32 word = 0;
	for (u32 i = 0; i < 4; i++)
		word = word << 8 | draw_byte();
	return word;
}

/* Mostly below `bound`, now and then anything. */
static u32 draw_below(u32 bound)
{
	u8 byte = draw_byte();
	if (byte < 250)
		return byte % bound;
	static const u32 odd[] = {0x7fffffff, 0x80000000, 0xffffffff, 65536};
	return byte == 250 ? draw_word() : odd[byte % COUNT_OF(odd)];
}

static u64 draw_long(void)
{
	u8 byte = draw_byte();
	return byte < 128 ? byte : byte < 192 ? (u64)byte << 20 : (u64)draw_word() << 32 | draw_word();
}

static uaddr draw_address(u32 usual)
{
	u8 byte = draw_byte();
	if (byte < 224)
		return (uaddr)guest->memory + usual + (byte >= 192 ? byte & 63 : 0);
	if (byte < 240) /* around the end */
		return (uaddr)guest->memory + GUEST_MEMORY - (byte & 15) * 4;
	return draw_word();
}

/* --- Structures -------------------------------------------------------------------------------------------- */

static u32 text_length_now;

static void put(u32 at, const void *bytes, size_t size)
{
	memcpy(guest->memory + at, bytes, size);
}

static u32 some_socket_id(void)
{
	struct wasi_filestat stat = {0};
	if (wasi_fd_filestat_get(draw_byte() % 24, (uaddr)guest->memory + AT_SCRATCH) == WASI_SUCCESS)
		memcpy(&stat, guest->memory + AT_SCRATCH, sizeof(stat));
	return (u32)stat.inode;
}

static u32 draw_port(void)
{
	static const u32 usual[] = {ECHO_PORT, 80, 80, 81, 0, 65535};
	u32 which = draw_below(COUNT_OF(usual));
	return which < COUNT_OF(usual) ? usual[which] : which;
}

static const char *const hosts[] = {"10.10.0.30", "127.0.0.1", "0.0.0.0", "10.10.0.20",      "10.10.0.1",
				    "echo",       "10.9.8.7",  "nobody",  "255.255.255.255", "224.0.0.1"};
static const char *const options[] = {"linger",     "reuseaddr", "reuseport", "sndbuf",    "rcvbuf",  "keepidle",
				      "acceptconn", "colour",    "headers",   "broadcast", "nocheck", "drops"};

/* A path below /net or a command to its `ctl`; sometimes with a byte that does not belong there. */
static void put_text(void)
{
	char text[256];
	const char *host = hosts[draw_byte() % COUNT_OF(hosts)], *option = options[draw_byte() % COUNT_OF(options)];
	u32 id = some_socket_id(), port = draw_port();
	int length = 0;
	switch (draw_byte() % 40) {
#define TEXT(number, ...) \
	case number: length = snprintf(text, sizeof(text), __VA_ARGS__); break
		TEXT(0, "tcp/connect/%s/%u", host, port);
		TEXT(1, "tcp/connect/%s/%u", host, port);
		TEXT(2, "tcp/listen/%s/%u", host, port);
		TEXT(3, "tcp/accept/%u", id);
		TEXT(4, "tcp/socket");
		TEXT(5, "tcp/pair");
		TEXT(6, "tcp/pair/%u", id);
		TEXT(7, "dns/%s", host);
		TEXT(8, "sock/%u/%s", id, option);
		TEXT(9, "sock/%u/options", id);
		TEXT(10, "sock/%u/error", id);
		TEXT(11, "interfaces");
		TEXT(12, "ctl");
		TEXT(13, "bind %u %s %u", id, host, port);
		TEXT(14, "listen %u %u", id, draw_below(8));
		TEXT(15, "connect %u %s %u", id, host, port);
		TEXT(16, "set %u %s %d", id, option, (int)draw_below(100));
		TEXT(17, "get %u %s", id, option);
		TEXT(18, "shutdown %u %s", id, draw_byte() & 1 ? "rw" : "w");
		TEXT(19, "remote %u", id);
		TEXT(20, "%s %d", option, (int)draw_below(100));
		TEXT(21, "dns %s", host);
		TEXT(22, ".");
		TEXT(23, "udp/connect/%s/%u", host, port);
		TEXT(24, "udp/bind/%s/%u", host, port);
		TEXT(25, "udp/socket");
		TEXT(26, "udp/dup/%u", id);
		TEXT(27, "spawn");
		TEXT(28, "pipe");
		TEXT(29, "pipe/%u", draw_below(24));
		TEXT(30, "fd/%u", draw_below(24));
		TEXT(31, "signals");
		TEXT(32, "%u/exit", draw_below(4));
		TEXT(33, "self/status");
		TEXT(34, "kill %u %u", draw_below(4), draw_below(32));
		TEXT(35, "wait %u %u", draw_below(4), draw_below(2));
		TEXT(36, "catch %u 0", draw_word());
		TEXT(37, "aprogram%cf%u %u%c", 0, draw_below(24), draw_below(24), 0);
		TEXT(38, "aprogram%cc%u%c", 0, draw_below(24), 0);
	default: /* the words of nobody */
		for (length = draw_byte(); length < 64; length += 64)
			for (int i = 0; i < length; i++)
				text[i] = (char)draw_byte();
		length = MIN(length, 64);
#undef TEXT
	}
	if (draw_byte() > 240 && length)
		text[draw_byte() % (u32)length] = (char)draw_byte();
	put(AT_TEXTS, text, (size_t)length);
	text_length_now = (u32)length;
}

static void put_iovecs(void)
{
	u32 count = 1 + draw_byte() % 8;
	for (u32 i = 0; i < count; i++) {
		struct wasi_iovec iovec = {(u32)draw_address(AT_BULK), draw_below(200) * (draw_byte() & 1 ? 1 : 400)};
		if (i == 0 && draw_byte() & 1)
			iovec = (struct wasi_iovec){(u32)(uaddr)guest->memory + AT_TEXTS, text_length_now};
		put(AT_IOVECS + i * (u32)sizeof(iovec), &iovec, sizeof(iovec));
	}
}

static void put_polls(void)
{
	u32 count = 1 + draw_byte() % 24;
	for (u32 i = 0; i < count; i++) {
		struct {
			u64 userdata, type, fd_or_clock, timeout, precision, flags;
		} subscription = {.userdata = i, .type = draw_below(3), .fd_or_clock = draw_below(24)};
		if (subscription.type == 0)
			subscription.timeout = draw_long() << (draw_byte() & 31), subscription.flags = draw_byte() & 1;
		put(AT_POLLS + i * (u32)sizeof(subscription), &subscription, sizeof(subscription));
	}
}

static void put_address(void)
{
	static const u8 usual[][4] = {{10, 10, 0, SELF}, {127, 0, 0, 1}, {0, 0, 0, 0},      {10, 10, 0, ECHO},
				      {10, 9, 8, 7},     {224, 0, 0, 1}, {10, 10, 255, 255}};
	struct {
		u32 buffer, length;
		u8 bytes[16];
	} address = {.length = draw_byte() & 1 ? 4 : draw_below(17)};
	address.buffer = (u32)draw_address(AT_ADDRESS + offsetof(__typeof__(address), bytes));
	memcpy(address.bytes, usual[draw_byte() % COUNT_OF(usual)], 4);
	put(AT_ADDRESS, &address, sizeof(address));
}

/* --- Calls ------------------------------------------------------------------------------------------------- */

#define FD draw_below(24)
#define LONG draw_long()
#define WORD draw_below(4)
#define FLAGS draw_below(16)
#define LEVEL draw_below(8)
#define OPTION draw_below(40)
#define COUNT draw_below(8)
#define MASK (draw_word() & ~(1u << SIGNAL_KILL | 1u << SIGNAL_STOP | 1u))
#define SIGNAL draw_below(32)
#define SIZE draw_below(64)
#define PORT draw_port()
#define OUT draw_address(AT_SCRATCH)
#define TEXT draw_address(AT_TEXTS)
#define LENGTH (draw_byte() < 240 ? text_length_now : draw_below(64))
#define IOVS draw_address(AT_IOVECS)
#define POLLS draw_address(AT_POLLS)
#define ADDRESS draw_address(AT_ADDRESS)

#define CALLER(name, parameters, arguments)   \
	static u32 call_##name(void)          \
	{                                     \
		return wasi_##name arguments; \
	}
WASI_CALLS(CALLER)

static u32 (*const calls[])(void) = {
#define ENTRY(name, parameters, arguments) call_##name,
	WASI_CALLS(ENTRY)
#undef ENTRY
};

/* --- The node's part ----------------------------------------------------------------------------------------- */

static i32 host_fds[HOST_FDS];
static u32 host_count;
static u8 host_buffer[DATA_SIZE];
static u32 host_sender[2];

static void host_keep(i32 fd)
{
	if (fd < 0)
		return;
	if (host_count == HOST_FDS)
		CHECK(host_close((u32)host_fds[--host_count]) == 0);
	host_fds[host_count++] = fd;
}

static u32 host_any(void)
{
	u32 which = draw_byte() % (HOST_FDS + 3);
	return which < 3 ? guest->stdio[which] : which - 3 < host_count ? (u32)host_fds[which - 3] : guest->stdio[0];
}

/* Start or refuse a process that was asked for; one that was started ends at once. */
static void serve_spawn(u32 how)
{
	struct {
		struct process_started started;
		u32 parent, main, request, size;
	} reply;
	if (!host_spawn_take((uaddr)&reply))
		return;
	if (how & 1) {
		CHECK(host_spawn_refuse(reply.started.process, how & 2 ? E_NOENT : 0) == 0);
		return;
	}
	CHECK(host_spawn_started(reply.started.process) == 0);
	CHECK(host_process_reap(reply.started.process, how << 8) >= 0);
}

static void node_step(void)
{
	u32 size = draw_byte() * 16u;
	identity_set(node_self);
	switch (draw_byte() % 17) {
	case 0: host_keep(host_connect(ADDRESS_OF(SELF), 80 + (draw_byte() & 1))); break;
	case 1: host_keep(host_listen(ADDRESS_OF(1), 80, draw_byte() & 3)); break;
	case 2: host_keep(host_accept(host_any())); break;
	case 3: host_read(host_any(), (uaddr)host_buffer, size); break;
	case 4: host_write(host_any(), (uaddr)host_buffer, size); break;
	case 5: host_watch(host_any(), draw_byte() & 1 ? POLL_WRITE : POLL_READ); break;
	case 6: host_shutdown(host_any(), 1 + draw_byte() % 3); break;
	case 7: host_error(host_any()), host_endpoint(host_any(), draw_byte() & 1); break;
	case 8: host_keep(draw_byte() & 1 ? host_datagram_bind(ADDRESS_OF(1), 81) : host_echo_open()); break;
	case 9: host_datagram_send(host_any(), (uaddr)host_buffer, size, ADDRESS_OF(SELF), 80); break;
	case 10: host_datagram_receive(host_any(), (uaddr)host_buffer, size, (uaddr)host_sender); break;
	case 11: host_echo_send(ADDRESS_OF(SELF), ADDRESS_OF(draw_byte() & 31), 1, 1, size); break;
	case 12: serve_spawn(draw_byte()); break;
	case 13: host_process_signal(guest->process, draw_below(32) & ~8u, draw_byte() & 1); break;
	case 14: host_kills_take(); break;
	case 15: host_keep(host_await_port(ADDRESS_OF(SELF), 80 + (draw_byte() & 1))); break;
	default:
		if (host_count)
			CHECK(host_close((u32)host_fds[--host_count]) == 0);
	}
	identity_set(guest_self);
}

/* --- One input ------------------------------------------------------------------------------------------------ */

static int control, proc_control;

/* Open what the text says, or give it to `ctl` as a command. */
static void network_step(void)
{
	put_text();
	uaddr text = (uaddr)guest->memory + AT_TEXTS;
	if (draw_byte() & 1) {
		u32 directory = draw_byte() & 3 ? guest->net : guest->proc;
		wasi_path_open(directory, 0, text, text_length_now, 0, 0, 0, draw_byte() & 7,
			       (uaddr)guest->memory + AT_SCRATCH);
		return;
	}
	struct wasi_iovec iovec = {(u32)text, text_length_now};
	put(AT_IOVECS, &iovec, sizeof(iovec));
	wasi_fd_write((u32)(draw_byte() & 3 ? control : proc_control), (uaddr)guest->memory + AT_IOVECS, 1,
		      (uaddr)guest->memory + AT_SCRATCH);
}

static void step(void)
{
	u8 choice = draw_byte();
	if (choice >= 224) {
		node_step();
		return;
	}
	if (choice >= 160) {
		network_step();
		return;
	}
	if (choice & 1)
		put_text();
	if (choice & 2)
		put_iovecs();
	if (choice & 4)
		put_polls();
	if (choice & 8)
		put_address();
	calls[draw_byte() % COUNT_OF(calls)]();
}

/* Where a wait finds nothing for a slice or two, nothing will come. */
static bool abandon(void)
{
	return true;
}

static void run_steps(void)
{
	for (volatile u32 steps = 0; steps < STEPS_MOST && input.at < input.end; steps++) {
		if (setjmp(guest->exit))
			atomic_store(&guest->thread->interrupt, 0); /* it ended in that call; the next begins anew */
		else
			step();
	}
}

static void run(const u8 *bytes, size_t size)
{
	struct limits limits = {.bytes = 1u << 20, .sockets = 24, .descriptors = 24};
	input.at = bytes;
	input.end = bytes + size;
	if (draw_byte() & 1)
		limits = NO_LIMITS;
	guest = guest_create(SELF, limits, 1);
	CHECK(guest != NULL);
	guest_self = guest_identity(guest);
	guest_self.noise = 0;
	guest_self.abandon_wait = abandon;
	guest_self.skip_time = true;
	node_self = identity_set(guest_self);
	host_thread_started((u32)(uintptr_t)guest->thread);
	control = sys_open(guest, 0, "ctl");
	proc_control = sys_open_proc(guest, 0, "ctl");
	run_steps();
	identity_set(node_self);
	while (host_count)
		CHECK(host_close((u32)host_fds[--host_count]) == 0);
	for (u32 i = 0; i < PROCESSES_MOST; i++)
		serve_spawn(0);
	guest_reap(guest);
	node_expect(idle_usage);
}

static void echo_main(struct guest *self)
{
	int listener = sys_open(self, 0, "tcp/listen/0.0.0.0/%u", ECHO_PORT);
	CHECK(listener >= 0);
	atomic_store((_Atomic bool *)self->job, true);
	for (;;) {
		struct want want = {.fd = (u32)listener, .type = WANT_READ}; /* while it polls, it holds no memory */
		CHECK(sys_poll(self, &want, 1) == 1);
		int fd = sys_accept(self, (u32)listener), got;
		CHECK(fd >= 0);
		while ((got = sys_read(self, (u32)fd, AT_BULK, DATA_SIZE)) > 0)
			if (sys_write(self, (u32)fd, AT_BULK, (u32)got) < 0)
				break;
		CHECK(sys_close(self, (u32)fd) == 0);
	}
}

static struct guest *set_up(u64 seed)
{
	u32 address = ADDRESS_OF(ECHO);
	static _Atomic bool listening;
	node_boot("fuzz", seed);
	struct guest *echo = guest_boot(ECHO, echo_main, (void *)&listening, 0);
	while (!atomic_load(&listening))
		sched_yield();
	CHECK(host_publish(NETWORK, (uaddr) "echo", (uaddr)&address, 1) == 0);
	idle_usage = node_usage();
	return echo;
}

#ifdef LIBFUZZER

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t size);
int LLVMFuzzerTestOneInput(const u8 *bytes, size_t size)
{
	static struct guest *echo;
	if (!echo)
		echo = set_up(0);
	run(bytes, size);
	return 0;
}

#else

static u64 seed_now, number_now;

static void say_input(void)
{
	fprintf(stderr, "\ninput: fuzz %llu %llu 1\n", (unsigned long long)seed_now, (unsigned long long)number_now);
}

static void run_numbered(u64 seed, u64 number)
{
	static u8 bytes[INPUT_MOST];
	u64 state = seed * 0x100000001b3ull + number;
	size_t size = 1 + random_next(&state) % INPUT_MOST;
	seed_now = seed;
	number_now = number;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (u8)random_next(&state);
	run(bytes, size);
}

static void run_file(const char *path)
{
	static u8 bytes[1u << 20];
	FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	if (!file) {
		perror(path);
		exit(2);
	}
	run(bytes, fread(bytes, 1, sizeof(bytes), file));
}

static bool is_number(const char *word)
{
	return *word && strspn(word, "0123456789") == strlen(word);
}

int main(int count, char **words)
{
	bool numbered = count == 4 && is_number(words[1]) && is_number(words[2]) && is_number(words[3]);
	struct guest *echo = set_up(numbered ? strtoull(words[1], NULL, 10) : 0);
	__sanitizer_set_death_callback(say_input);
	for (u64 i = 0; numbered && i < strtoull(words[3], NULL, 10); i++)
		run_numbered(strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10) + i);
	for (int i = 1; !numbered && i < count; i++)
		run_file(words[i]);
	guest_kill(echo);
	guest_end(echo);
	return 0;
}

#endif

#define _GNU_SOURCE
#include "tests/native/guest.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "pod_node/kernel/file.h"

#define FABRIC_SIZE (192u << 20)
#define HUNG_AFTER_S 120 /* sooner than the test runner gives up, which would say nothing */

/* As host.c has it; the kernel says its size. */
struct process_request {
	u64 fabric_bytes, memory_bytes;
	u32 sockets, descriptors, host_files, processes;
	u32 mounts, mount_texts;
	u32 interface_count;
	u32 rows, columns;
	struct {
		u32 network, ipv4, prefix;
	} interfaces[INTERFACES_MOST];
	char hostname[HOSTNAME_SIZE];
	struct process_started started;
	u32 files;
};

enum { LAYOUT_STACK_TOP = 2, LAYOUT_REQUEST_SIZE = 6 };

static const char *scenario_name = "";
static u64 scenario_seed;
static const struct mount_request mounts[] = {
	{.flags = MOUNT_FOREIGN, .host_descriptor = 3, .target_length = 5},
	{.flags = MOUNT_NET, .target_length = 4},
	{.flags = MOUNT_PROC, .target_length = 5},
};
static const char mount_texts[] = {'/', 'w', 'o', 'r', 'k', '/', 'n', 'e', 't', '/', 'p', 'r', 'o', 'c'};
static struct process_request *request;
static struct guest guests[GUESTS_MOST];
static bool taken[GUESTS_MOST];

_Noreturn void check_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "\n%s (seed %llu): %s:%d: not so: %s\n", scenario_name, (unsigned long long)scenario_seed, file,
		line, what);
	abort();
}

static void hung(int number)
{
	static const char text[] = "\nthe scenario hangs: a wake-up was lost, or a lock was never released\n";
	(void)number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(3);
	abort();
}

static void as_node(u64 seed)
{
	struct thread *thread = (struct thread *)(uintptr_t)(host_layout(LAYOUT_STACK_TOP) + 16 - KERNEL_STACK_SIZE);
	identity_set((struct identity){.thread = thread, .noise = seed | 1});
}

/* Let the node's descriptor table reach its size, so that it is no difference later. */
static void warm_up(void)
{
	static i32 fds[GUESTS_MOST * 32];
	CHECK(host_attach(NETWORK, ADDRESS_OF(1), 16) == 0);
	for (u32 i = 0; i < COUNT_OF(fds); i++)
		CHECK((fds[i] = host_listen(ADDRESS_OF(1), 0, 1)) >= 0);
	for (u32 i = 0; i < COUNT_OF(fds); i++)
		CHECK(host_close((u32)fds[i]) == 0);
}

void node_boot(const char *scenario, u64 seed)
{
	static struct thread boot; /* the kernel has not made one yet */
	scenario_name = scenario;
	scenario_seed = seed;
	printf("%s: seed %llu\n", scenario, (unsigned long long)seed);
	fflush(stdout);
	signal(SIGALRM, hung);
	alarm(HUNG_AFTER_S);
	identity_set((struct identity){.thread = &boot});
	CHECK(host_boot((uaddr)map_low(FABRIC_SIZE), FABRIC_SIZE, 2) == 0);
	CHECK(host_layout(LAYOUT_REQUEST_SIZE) == sizeof(struct process_request));
	request = map_low(sizeof(*request) + sizeof(mounts) + sizeof(mount_texts));
	memcpy(request + 1, mounts, sizeof(mounts));
	memcpy((u8 *)(request + 1) + sizeof(mounts), mount_texts, sizeof(mount_texts));
	as_node(seed);
	warm_up();
}

struct usage node_usage(void)
{
	struct {
		u64 total, used;
		u32 sockets;
	} statistics;
	host_statistics((uaddr)&statistics);
	return (struct usage){statistics.used, statistics.sockets};
}

/* A loaded machine lets threads that tidy up wait for long. */
#define TIDY_WITHIN_MS 20000u

static bool same_usage(struct usage a, struct usage b)
{
	return a.bytes == b.bytes && a.sockets == b.sockets;
}

void node_expect(struct usage before)
{
	struct usage now = node_usage();
	for (u32 tries = 0; tries < 1000 && !same_usage(now, before); tries++) {
		sched_yield();
		now = node_usage();
	}
	for (u32 tries = 0; tries < TIDY_WITHIN_MS && !same_usage(now, before); tries++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		now = node_usage();
	}
	if (same_usage(now, before)) {
		alarm(HUNG_AFTER_S); /* all that came before has ended: it goes on */
		return;
	}
	fprintf(stderr, "\nbytes %llu, before %llu; sockets %u, before %u", (unsigned long long)now.bytes,
		(unsigned long long)before.bytes, now.sockets, before.sockets);
	check_failed("the fabric is as empty as before", __FILE__, __LINE__);
}

static struct guest *guest_slot(void)
{
	u32 i = 0;
	while (i < GUESTS_MOST && taken[i])
		i++;
	CHECK(i < GUESTS_MOST);
	u8 *memory = guests[i].memory ? guests[i].memory : map_low(GUEST_MEMORY);
	guests[i] = (struct guest){.memory = memory};
	return &guests[i];
}

static void take_over(struct guest *guest, const struct process_started *started)
{
	guest->process = started->process;
	guest->thread = (struct thread *)(uintptr_t)started->thread;
	guest->stdio[0] = started->input;
	guest->stdio[1] = started->output;
	guest->stdio[2] = started->error;
	guest->net = 4; /* after stdio and one preopened directory */
	guest->proc = 5;
}

struct guest *guest_create(u32 host, struct limits limits, u64 seed)
{
	struct guest *guest = guest_slot();
	*request = (struct process_request){
		.fabric_bytes = limits.bytes,
		.sockets = limits.sockets,
		.descriptors = limits.descriptors,
		.host_files = limits.descriptors,
		.processes = PROCESSES_MOST,
		.mounts = COUNT_OF(mounts),
		.mount_texts = sizeof(mount_texts),
		.interface_count = 1,
		.interfaces = {{NETWORK, ADDRESS_OF(host), 16}},
	};
	snprintf(request->hostname, sizeof(request->hostname), "p%u", host);
	if (host_pod_create((uaddr)request) < 0)
		return NULL;
	taken[guest - guests] = true;
	guest->host = host;
	take_over(guest, &request->started);
	guest->files = request->files;
	guest->random = seed + host * 0x9e3779b9ull;
	return guest;
}

struct guest *guest_adopt(const struct process_started *started, u64 seed)
{
	struct guest *guest = guest_slot();
	taken[guest - guests] = true;
	take_over(guest, started);
	guest->random = seed;
	return guest;
}

struct identity guest_identity(struct guest *guest)
{
	return (struct identity){
		.thread = guest->thread,
		.memory = (uaddr)guest->memory,
		.memory_size = GUEST_MEMORY,
		.on_exit = &guest->exit,
		.noise = guest->random | 1,
	};
}

static void *guest_thread(void *argument)
{
	struct guest *guest = argument;
	identity_set(guest_identity(guest));
	u32 thread = (u32)(uintptr_t)guest->thread;
	if (host_thread_started(thread) && host_thread_open(thread) < 0)
		return NULL;
	if (setjmp(guest->exit) == 0) {
		guest->main(guest);
		guest->ended = true;
	}
	return NULL;
}

void guest_start(struct guest *guest, guest_main main, void *job)
{
	guest->main = main;
	guest->job = job;
	CHECK(pthread_create(&guest->pthread, NULL, guest_thread, guest) == 0);
}

struct guest *guest_boot(u32 host, guest_main main, void *job, u64 seed)
{
	struct guest *guest = guest_create(host, NO_LIMITS, seed);
	CHECK(guest != NULL);
	guest_start(guest, main, job);
	return guest;
}

void guest_join(struct guest *guest)
{
	CHECK(pthread_join(guest->pthread, NULL) == 0);
}

void guest_kill(struct guest *guest)
{
	CHECK(host_process_kill(guest->process) == 0);
}

void guest_reap(struct guest *guest)
{
	CHECK(host_pod_reap(guest->process, 0) == 0);
	host_files_release(guest->files);
	CHECK(host_process_kill(guest->process) == -E_NOENT);
	for (u32 i = 0; i < 3; i++)
		CHECK(host_close(guest->stdio[i]) == 0);
	taken[guest - guests] = false;
}

void guest_reap_process(struct guest *guest, u32 status)
{
	CHECK(host_process_reap(guest->process, status) >= 0);
	for (u32 i = 0; i < 3; i++)
		if (guest->stdio[i] != UINT32_MAX)
			CHECK(host_close(guest->stdio[i]) == 0);
	taken[guest - guests] = false;
}

void guest_end(struct guest *guest)
{
	guest_join(guest);
	guest_reap(guest);
}

/* Where calls leave their results and find their arguments. */
enum { AT_RESULT = 64, AT_IOVEC = 128, AT_STAT = 256, AT_TEXT = 1024, AT_POLL = 8192, AT_EVENTS = 40960 };

static uaddr address_in(const struct guest *self, u32 at)
{
	return (uaddr)self->memory + at;
}

static u32 result_of(const struct guest *self)
{
	u32 result;
	memcpy(&result, self->memory + AT_RESULT, sizeof(result));
	return result;
}

static int answer(const struct guest *self, u32 error)
{
	return error ? -(int)error : (int)result_of(self);
}

static int open_below(struct guest *self, u32 directory, u32 flags, const char *format, va_list arguments)
{
	int length = vsnprintf((char *)self->memory + AT_TEXT, 1024, format, arguments);
	u32 fd_flags = flags & OPEN_NONBLOCK ? (u32)WASI_FDFLAGS_NONBLOCK : 0;
	return answer(self, wasi_path_open(directory, 0, address_in(self, AT_TEXT), (u32)length, 0, 0, 0, fd_flags,
					   address_in(self, AT_RESULT)));
}

int sys_open(struct guest *self, u32 flags, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int result = open_below(self, self->net, flags, format, arguments);
	va_end(arguments);
	return result;
}

int sys_open_proc(struct guest *self, u32 flags, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int result = open_below(self, self->proc, flags, format, arguments);
	va_end(arguments);
	return result;
}

int sys_open_file(struct guest *self, u32 directory, const char *name)
{
	u32 length = (u32)strlen(name);
	memcpy(self->memory + AT_TEXT, name, length);
	return answer(self, wasi_path_open(directory, 0, address_in(self, AT_TEXT), length, 0, WASI_RIGHTS_ALL,
					   WASI_RIGHTS_ALL, 0, address_in(self, AT_RESULT)));
}

int sys_spawn(struct guest *self, const char *request, u32 size)
{
	memcpy(self->memory + AT_TEXT, request, size);
	return answer(self, wasi_proc_spawn(address_in(self, AT_TEXT), size, address_in(self, AT_RESULT)));
}

int sys_wait(struct guest *self, u32 number, u32 options, u32 *status)
{
	int result =
		answer(self, wasi_proc_wait(number, options, address_in(self, AT_RESULT), address_in(self, AT_STAT)));
	memcpy(status, self->memory + AT_STAT, sizeof(*status));
	return result;
}

int sys_pipe(struct guest *self, u32 ends[2])
{
	u32 error = wasi_fd_pipe(address_in(self, AT_STAT));
	memcpy(ends, self->memory + AT_STAT, 2 * sizeof(ends[0]));
	return -(int)error;
}

static uaddr iovec_of(const struct guest *self, u32 at, u32 size)
{
	struct wasi_iovec iovec = {(u32)address_in(self, at), size};
	memcpy(self->memory + AT_IOVEC, &iovec, sizeof(iovec));
	return address_in(self, AT_IOVEC);
}

int sys_read(struct guest *self, u32 fd, u32 at, u32 size)
{
	return answer(self, wasi_fd_read(fd, iovec_of(self, at, size), 1, address_in(self, AT_RESULT)));
}

int sys_write(struct guest *self, u32 fd, u32 at, u32 size)
{
	return answer(self, wasi_fd_write(fd, iovec_of(self, at, size), 1, address_in(self, AT_RESULT)));
}

int sys_receive(struct guest *self, u32 fd, u32 at, u32 size, u32 flags)
{
	return answer(self, wasi_sock_recv(fd, iovec_of(self, at, size), 1, flags, address_in(self, AT_RESULT),
					   address_in(self, AT_STAT)));
}

int sys_accept(struct guest *self, u32 fd)
{
	return answer(self, wasi_sock_accept(fd, 0, address_in(self, AT_RESULT)));
}

int sys_close(struct guest *self, u32 fd)
{
	(void)self;
	return -(int)wasi_fd_close(fd);
}

int sys_shutdown(struct guest *self, u32 fd, u32 how)
{
	(void)self;
	return -(int)wasi_sock_shutdown(fd, how);
}

int sys_set_nonblocking(struct guest *self, u32 fd, bool nonblocking)
{
	(void)self;
	return -(int)wasi_fd_fdstat_set_flags(fd, nonblocking ? WASI_FDFLAGS_NONBLOCK : 0);
}

u32 sys_socket_id(struct guest *self, u32 fd)
{
	struct wasi_filestat stat;
	CHECK(wasi_fd_filestat_get(fd, address_in(self, AT_STAT)) == WASI_SUCCESS);
	memcpy(&stat, self->memory + AT_STAT, sizeof(stat));
	return (u32)stat.inode;
}

int sys_socket_error(struct guest *self, u32 fd)
{
	u32 size = sizeof(u32);
	memcpy(self->memory + AT_STAT, &size, sizeof(size));
	return answer(self, wasi_sock_getsockopt(fd, 1, 4, address_in(self, AT_RESULT), address_in(self, AT_STAT)));
}

int sys_control(struct guest *self, u32 fd, const char *verb, const char *format, ...)
{
	char rest[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(rest, sizeof(rest), format, arguments);
	va_end(arguments);
	u32 id = sys_socket_id(self, fd);
	int control = sys_open(self, 0, "ctl");
	if (control < 0)
		return control;
	int length = snprintf((char *)self->memory + AT_TEXT, 1024, "%s %u %s", verb, id, rest);
	int result = sys_write(self, (u32)control, AT_TEXT, (u32)length);
	sys_close(self, (u32)control);
	return result == length ? 0 : result;
}

/* witx layouts, which poll.c keeps to itself. */
struct wire_subscription {
	u64 userdata;
	u64 type;
	u64 fd_or_clock, timeout, precision, flags;
};

struct wire_event {
	u64 userdata;
	u16 error;
	u8 type;
	u8 padding[5];
	u64 bytes;
	u64 flags;
};

u32 sys_poll(struct guest *self, struct want *wants, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		u32 clock = wants[i].real ? CLOCK_ID_REALTIME : CLOCK_ID_MONOTONIC;
		struct wire_subscription subscription = {
			.userdata = i,
			.type = wants[i].type,
			.fd_or_clock = wants[i].type == WANT_CLOCK ? clock : wants[i].fd,
			.timeout = wants[i].timeout,
			.flags = wants[i].absolute,
		};
		memcpy(self->memory + AT_POLL + i * sizeof(subscription), &subscription, sizeof(subscription));
		wants[i].holds = wants[i].hangup = false;
		wants[i].error = 0;
	}
	CHECK(wasi_poll_oneoff(address_in(self, AT_POLL), address_in(self, AT_EVENTS), count,
			       address_in(self, AT_RESULT)) == 0);
	u32 held = result_of(self);
	for (u32 i = 0; i < held; i++) {
		struct wire_event event;
		memcpy(&event, self->memory + AT_EVENTS + i * sizeof(event), sizeof(event));
		struct want *want = &wants[event.userdata];
		CHECK(event.userdata < count && event.type == want->type && !want->holds);
		want->holds = true;
		want->hangup = event.flags & 1;
		want->error = event.error;
	}
	return held;
}

/* The kernel's platform on Linux, below sanitizers: futexes, a clock that tests can push forward, guest memory
 * that is ordinary memory, and a WASI of the engine that has one file.
 *
 * Waits wake up without a reason now and then, and threads yield at odd places: what is legal on a machine with
 * many cores should happen on one with two.
 */
#define _GNU_SOURCE
#include "tests/native/platform.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pod_node/kernel/native.h"
#include "pod_node/kernel/wasi.h"

/* A wait looks at the clock this often, because tests push it. */
#define WAIT_SLICE_NS (2 * 1000000ull)
#define NOISE_ONE_IN 16u
#define NOISE_IN_FUNCTIONS_ONE_IN 128u
/* A longer sleep counts as one for ever, so that the clock does not run over. */
#define SKIP_MOST_NS (3600 * NSEC_PER_SEC)

static _Thread_local struct identity identity;
static _Atomic u64 clock_skew;

void *map_low(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_NORESERVE,
			    -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap below 4 GiB");
		exit(2);
	}
	return memory;
}

struct identity identity_set(struct identity next)
{
	struct identity previous = identity;
	identity = next;
	return previous;
}

struct thread *current(void)
{
	return identity.thread;
}

u64 random_next(u64 *state) /* splitmix64 */
{
	u64 mixed = *state += 0x9e3779b97f4a7c15ull;
	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
	return mixed ^ mixed >> 31;
}

static bool disturb(u32 one_in)
{
	if (!identity.noise || random_next(&identity.noise) % one_in)
		return false;
	sched_yield();
	return true;
}

/* Called wherever the kernel enters or leaves a function (-finstrument-functions). */
void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);

void __cyg_profile_func_enter(void *function, void *caller)
{
	(void)function, (void)caller;
	disturb(NOISE_IN_FUNCTIONS_ONE_IN);
}

void __cyg_profile_func_exit(void *function, void *caller)
{
	(void)function, (void)caller;
	disturb(NOISE_IN_FUNCTIONS_ONE_IN);
}

u32 user_pages(void)
{
	return (u32)(identity.memory_size >> 16);
}

/* The kernel borrows parts of a guest's first page, which has the numbers below this one, too. */
#define FIRST_PAGE (1u << 16)

static uaddr located(uaddr address)
{
	return identity.memory && address < FIRST_PAGE ? identity.memory + address : address;
}

bool user_range_ok(uaddr address, u64 size)
{
	if (!identity.memory)
		return true;
	if (address < FIRST_PAGE && address + size > FIRST_PAGE)
		return false;
	address = located(address);
	return address >= identity.memory && size <= identity.memory_size &&
	       address - identity.memory <= identity.memory_size - size;
}

void user_copy_in(void *to, uaddr from, u32 size)
{
	if (!user_range_ok(from, size))
		kernel_panic(); /* in wasm this would be a trap inside the kernel */
	disturb(NOISE_ONE_IN);
	if (size)
		memcpy(to, (const void *)located(from), size);
}

void user_copy_out(uaddr to, const void *from, u32 size)
{
	if (!user_range_ok(to, size))
		kernel_panic();
	disturb(NOISE_ONE_IN);
	if (size)
		memcpy((void *)located(to), from, size);
}

u64 clock_now(u32 clock_id)
{
	struct timespec now;
	clock_gettime(clock_id == CLOCK_ID_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec + atomic_load(&clock_skew);
}

static _Atomic u64 longest;

u64 longest_park(void)
{
	return atomic_exchange(&longest, 0);
}

static void note_park(u64 nanoseconds)
{
	u64 seen = atomic_load(&longest);
	while (seen < nanoseconds && !atomic_compare_exchange_weak(&longest, &seen, nanoseconds))
		;
}

void clock_advance(u64 nanoseconds)
{
	atomic_fetch_add(&clock_skew, nanoseconds);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

void memory_conceal(void *start, u64 size)
{
	ASAN_POISON_MEMORY_REGION(start, size);
}

void memory_reveal(void *start, u64 size)
{
	ASAN_UNPOISON_MEMORY_REGION(start, size);
}
#else
void memory_conceal(void *start, u64 size)
{
	(void)start, (void)size;
}

void memory_reveal(void *start, u64 size)
{
	(void)start, (void)size;
}
#endif

static _Atomic u32 park_slots[PARK_SLOTS];

static long futex(_Atomic u32 *word, int operation, u32 value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

/* One slice of a wait: as `park_wait`. */
static int wait_slice(u32 slot, u32 sequence, u64 slice)
{
	struct timespec timeout = {.tv_sec = (time_t)(slice / NSEC_PER_SEC), .tv_nsec = (long)(slice % NSEC_PER_SEC)};
	if (futex(&park_slots[slot], FUTEX_WAIT, sequence, slice == NEVER ? NULL : &timeout) == 0)
		return 0;
	if (errno == EAGAIN)
		return 1;
	return errno == ETIMEDOUT ? 2 : 0;
}

u32 park_sequence(u32 slot)
{
	return atomic_load(&park_slots[slot]);
}

void park_wake(u32 slot)
{
	disturb(NOISE_ONE_IN);
	atomic_fetch_add(&park_slots[slot], 1);
	futex(&park_slots[slot], FUTEX_WAKE, 1, NULL);
}

int park_wait(u32 slot, u32 sequence, i64 timeout_ns)
{
	bool naps = slot != identity.thread->slot;
	if (disturb(NOISE_ONE_IN))
		return 0;
	if (!naps && timeout_ns > 0)
		note_park((u64)timeout_ns);
	if (identity.skip_time && !naps && timeout_ns >= 0 && (u64)timeout_ns <= SKIP_MOST_NS &&
	    park_sequence(slot) == sequence) {
		clock_advance((u64)timeout_ns);
		return 2;
	}
	if (timeout_ns < 0 && !identity.abandon_wait) /* a notify that is missing must be missed */
		return wait_slice(slot, sequence, NEVER);
	u64 end = timeout_ns < 0 ? NEVER : clock_now(CLOCK_ID_MONOTONIC) + (u64)timeout_ns;
	for (;;) {
		u64 now = clock_now(CLOCK_ID_MONOTONIC);
		if (now >= end)
			return 2;
		int result = wait_slice(slot, sequence, MIN(end - now, WAIT_SLICE_NS));
		if (result != 2)
			return result;
		if (!naps && identity.abandon_wait && identity.abandon_wait()) {
			atomic_store(&identity.thread->interrupt, INTERRUPT_KILL);
			thread_unpark(identity.thread);
			return 0;
		}
	}
}

void native_proc_exit(u32 status)
{
	(void)status;
	longjmp(*identity.on_exit, 1);
}

/* There is one thing to open on the host, under a new number each time. */
u32 native_path_open(u32 fd, u32 lookup, uaddr path, u32 length, u32 open, u64 base, u64 inheriting, u32 flags,
		     uaddr opened)
{
	static _Atomic u32 next = 1000;
	(void)fd, (void)lookup, (void)open, (void)base, (void)inheriting, (void)flags;
	if (!user_range_ok(path, length))
		return WASI_FAULT;
	u32 number = atomic_fetch_add(&next, 1);
	return guest_store(opened, &number, sizeof(number)) ? WASI_SUCCESS : WASI_FAULT;
}

/* It is a file, of which everybody has the same bytes; nobody but those who share an offset knows where he is in it. */
#define FILE_BYTES 65536u

static u8 file_bytes[FILE_BYTES];
static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER;

u32 native_path_filestat_get(u32 fd, u32 flags, uaddr path, u32 length, uaddr stat)
{
	(void)flags;
	return user_range_ok(path, length) ? native_fd_filestat_get(fd, stat) : (u32)WASI_FAULT;
}

u32 native_fd_filestat_get(u32 fd, uaddr stat)
{
	struct wasi_filestat filestat = {.inode = 7,
					 .filetype = WASI_FILETYPE_REGULAR_FILE,
					 .links = 1,
					 .size = FILE_BYTES};
	(void)fd;
	return guest_store(stat, &filestat, sizeof(filestat)) ? WASI_SUCCESS : WASI_FAULT;
}

u32 native_fd_fdstat_get(u32 fd, uaddr stat)
{
	struct wasi_fdstat fdstat = {.filetype = WASI_FILETYPE_REGULAR_FILE, .rights_base = WASI_RIGHTS_ALL};
	(void)fd;
	return guest_store(stat, &fdstat, sizeof(fdstat)) ? WASI_SUCCESS : WASI_FAULT;
}

u32 native_fd_tell(u32 fd, uaddr position)
{
	u64 none = 0;
	(void)fd;
	return guest_store(position, &none, sizeof(none)) ? WASI_SUCCESS : WASI_FAULT;
}

/* As the engine, one buffer at a time. */
static u32 move_bytes(uaddr iovs, u32 count, u64 offset, uaddr size, bool out)
{
	struct wasi_iovec list[WASI_IOVS_MOST];
	int buffers = wasi_read_iovs(iovs, count, list);
	if (buffers < 0)
		return WASI_FAULT;
	u32 moved = buffers && offset < FILE_BYTES ? (u32)MIN(list[0].length, FILE_BYTES - offset) : 0;
	pthread_mutex_lock(&file_lock);
	if (moved && out)
		user_copy_in(file_bytes + offset, list[0].buffer, moved);
	else if (moved)
		user_copy_out(list[0].buffer, file_bytes + offset, moved);
	pthread_mutex_unlock(&file_lock);
	return guest_store_u32(size, moved) ? WASI_SUCCESS : WASI_FAULT;
}

u32 native_fd_pread(u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size)
{
	(void)fd;
	return move_bytes(iovs, count, offset, size, false);
}

u32 native_fd_pwrite(u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size)
{
	(void)fd;
	return move_bytes(iovs, count, offset, size, true);
}

u32 native_fd_close(u32 fd)
{
	(void)fd;
	return WASI_SUCCESS;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define ABSENT(name, ...)              \
	u32 native_##name(__VA_ARGS__) \
	{                              \
		return WASI_NOSYS;     \
	}

ABSENT(fd_advise, u32 fd, u64 offset, u64 length, u32 advice)
ABSENT(fd_allocate, u32 fd, u64 offset, u64 length)
ABSENT(fd_datasync, u32 fd)
ABSENT(fd_fdstat_set_flags, u32 fd, u32 flags)
ABSENT(fd_fdstat_set_rights, u32 fd, u64 base, u64 inheriting)
ABSENT(fd_filestat_set_size, u32 fd, u64 size)
ABSENT(fd_filestat_set_times, u32 fd, u64 atim, u64 mtim, u32 flags)
ABSENT(fd_prestat_get, u32 fd, uaddr stat)
ABSENT(fd_prestat_dir_name, u32 fd, uaddr path, u32 size)
ABSENT(fd_read, u32 fd, uaddr iovs, u32 count, uaddr size)
ABSENT(fd_readdir, u32 fd, uaddr buffer, u32 length, u64 cookie, uaddr size)
ABSENT(fd_seek, u32 fd, u64 offset, u32 whence, uaddr position)
ABSENT(fd_sync, u32 fd)
ABSENT(fd_write, u32 fd, uaddr iovs, u32 count, uaddr size)
ABSENT(random_get, uaddr to, u32 size)
ABSENT(path_create_directory, u32 fd, uaddr path, u32 length)
ABSENT(path_filestat_set_times, u32 fd, u32 flags, uaddr path, u32 length, u64 atim, u64 mtim, u32 times)
ABSENT(path_link, u32 old_fd, u32 flags, uaddr old, u32 old_length, u32 new_fd, uaddr new, u32 new_length)
ABSENT(path_readlink, u32 fd, uaddr path, u32 length, uaddr to, u32 size, uaddr used)
ABSENT(path_remove_directory, u32 fd, uaddr path, u32 length)
ABSENT(path_rename, u32 fd, uaddr old, u32 old_length, u32 new_fd, uaddr new, u32 new_length)
ABSENT(path_symlink, uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length)
ABSENT(path_unlink_file, u32 fd, uaddr path, u32 length)
#pragma GCC diagnostic pop

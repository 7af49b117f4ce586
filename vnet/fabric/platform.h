/* What the kernel needs from below: atomic waits, a clock, the current thread, and the user's memory.
 *
 * Two platforms. In wasm, memory 0 is the fabric, shared by every kernel instance of the node, so C globals
 * are node-wide; the user's memory is reached through imports of the glue module. Natively, threads share
 * the process and user memory is ordinary memory: that build exists for sanitizers and fuzzing.
 *
 * Trust: a user address must have passed `user_range_ok` before it is given to a copy, and copies may run
 * under a stream lock because a checked range cannot fault (wasm memories never shrink).
 */
#ifndef PODNET_FABRIC_PLATFORM_H
#define PODNET_FABRIC_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
/* Arguments are evaluated once: they may read what another thread is changing. */
#define MIN(a, b)                                    \
	({                                           \
		__typeof__(a) first_ = (a);          \
		__typeof__(b) second_ = (b);         \
		first_ < second_ ? first_ : second_; \
	})
#define MAX(a, b)                                    \
	({                                           \
		__typeof__(a) first_ = (a);          \
		__typeof__(b) second_ = (b);         \
		first_ > second_ ? first_ : second_; \
	})

/* As `atomic_store`, for the way that every byte takes: on x86-64 the engine makes a store and a fence of an atomic
 * store, and one instruction of an exchange, which takes half the time. */
#define atomic_put(object, value) ((void)atomic_exchange(object, value))

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC 1000000000ull
#define NEVER (~0ull)

/* Clock ids of WASI preview1. */
enum clock_id { CLOCK_ID_REALTIME = 0, CLOCK_ID_MONOTONIC = 1 };

struct thread;

/* Where threads sleep. A slot is a word outside of the fabric, in one of a few memories that have nothing else:
 * the engine guards all sleepers of a memory with one mutex, which a hundred busy threads would fight for.
 *
 * `park_wait` sleeps unless the slot has been woken since `park_sequence` gave `sequence`: 0 when woken, 1 when the
 * sequence had changed, 2 when the time was over. `timeout_ns` < 0 waits for ever. */
#define PARK_SLOTS 16384u

#ifdef __wasm__

typedef u32 uaddr; /* an address in the user's memory */

#define IMPORT(name) __attribute__((import_module("glue"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(copy_in) void user_copy_in(void *to, uaddr from, u32 size);
IMPORT(copy_out) void user_copy_out(uaddr to, const void *from, u32 size);
IMPORT(user_pages) u32 user_pages(void);
IMPORT(clock_now) u64 clock_now(u32 clock_id);

static inline bool user_range_ok(uaddr address, u64 size)
{
	return (u64)address + size <= (u64)user_pages() << 16;
}

IMPORT(park_sequence) u32 park_sequence(u32 slot);
IMPORT(park_wait) int park_wait(u32 slot, u32 sequence, i64 timeout_ns);
IMPORT(park_wake) void park_wake(u32 slot);

static inline void spin_hint(void) {}

/* Store what no other thread looks at. In wasm every atomic store is a fence. */
static inline void store_own(_Atomic u32 *word, u32 value)
{
	*(volatile u32 *)word = value;
}

/* For sanitizers: memory that nobody may touch, and memory that may be touched again. */
static inline void memory_conceal(void *start, u64 size)
{
	(void)start, (void)size;
}

static inline void memory_reveal(void *start, u64 size)
{
	(void)start, (void)size;
}

_Noreturn static inline void kernel_panic(void)
{
	__builtin_trap();
}

#define memcpy __builtin_memcpy
#define memset __builtin_memset
int memcmp(const void *a, const void *b, size_t size);

#else

#include <stdlib.h>
#include <string.h>

typedef uintptr_t uaddr;

#define EXPORT(name)

bool user_range_ok(uaddr address, u64 size);
u32 user_pages(void);
void user_copy_in(void *to, uaddr from, u32 size);
void user_copy_out(uaddr to, const void *from, u32 size);
u64 clock_now(u32 clock_id);
u32 park_sequence(u32 slot);
int park_wait(u32 slot, u32 sequence, i64 timeout_ns);
void park_wake(u32 slot);
void memory_conceal(void *start, u64 size);
void memory_reveal(void *start, u64 size);

static inline void store_own(_Atomic u32 *word, u32 value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline void spin_hint(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

_Noreturn static inline void kernel_panic(void)
{
	abort();
}

#endif

#endif

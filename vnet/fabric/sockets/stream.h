/* One direction of bytes from writers to readers: the body of TCP connections and pipes.
 *
 * A ring that grows with use: nothing while unused, 4 KiB at first, up to `limit`. One writer and one reader
 * run at once without waiting for each other; each side has a lock only because descriptors can be shared.
 * `head` and `tail` count bytes for ever and wrap; used = head - tail.
 *
 * A stream is direct, and what is written can be read at once, or paced (vnet/fabric/flows/flow.h): then a flow says up to
 * where bytes have come through the network, and they stay in the ring until they are acknowledged too. Direct streams
 * pay for that with one branch.
 */
#ifndef PODNET_FABRIC_STREAM_H
#define PODNET_FABRIC_STREAM_H

#include "vnet/fabric/memory.h"

#define STREAM_SMALLEST PAGE_SIZE
#define STREAM_LARGEST (4u << 20)
/* Large enough that two threads that share a core switch rarely: sixty-four pairs on two cores moved three times as
 * much with 1 MiB as with 64 KiB. Linux lets a socket's buffer grow to 4 MiB. */
#define STREAM_DEFAULT_LIMIT (1u << 20)

enum stream_flags {
	STREAM_FINISHED = 1, /* no writer any more: readers drain, then see the end */
	STREAM_ABANDONED = 2, /* no reader any more: writers fail */
	/* Torn down by a reset; over a path its ends learn of that at different times. */
	STREAM_RESET_READER = 4,
	STREAM_RESET_WRITER = 8,
	STREAM_RESET = STREAM_RESET_READER | STREAM_RESET_WRITER,
};

struct stream {
	struct lock write_lock;
	_Atomic u32 head; /* under write_lock */
	_Atomic u32 flags; /* enum stream_flags; only ever set */
	_Atomic u32 paced; /* whether there is a flow; read without locks, after `head` */
	struct flow *flow; /* NULL: direct; changes under both locks and the pacer's */
	u8 *buffer;       /* changes under both locks, of a paced stream under the pacer's too; capacity too */
	u32 capacity;     /* 0 or a power of two */
	_Atomic u32 limit; /* capacity may grow to this; lowered when growing was refused; under write_lock */
	struct account *account; /* the writers' account pays for the buffer; held */
	struct waitq readers;
	_Atomic u32 halves; /* how often `head` has gone on by 2^31, a moment later; under write_lock */
	_Atomic u32 released; /* paced: readers see bytes up to here; under the pacer's lock */
	_Atomic u32 acknowledged; /* paced: bytes up to here need not be kept; the same */
	_Atomic u32 send_limit; /* paced: bytes that may be unacknowledged; the same */
	_Atomic u32 update_at; /* paced: when `tail` gets there, the writer's end is told of the room; the same */
	_Alignas(64) struct lock read_lock;
	_Atomic u32 tail; /* under read_lock */
	struct waitq writers;
};

void stream_open(struct stream *stream, struct account *account, u32 limit);
/* The account of a writer that was not known before; nothing may have been written. */
void stream_charge(struct stream *stream, struct account *account);
/* Let the ring grow to `wanted` bytes, as far as rings do. */
void stream_set_limit(struct stream *stream, u32 wanted);
/* Free the buffer; nobody may use the stream any more. */
void stream_release(struct stream *stream);

/* Bytes moved; 0 when full; -E_NOBUFS when the account or the fabric has no room even for a first buffer. A buffer
 * that may not grow serves as it is. */
i32 stream_put(struct stream *stream, uaddr from, u32 size);
/* Bytes moved; 0 when empty. A peek leaves them in the stream. */
i32 stream_get(struct stream *stream, uaddr to, u32 size, bool peek);
/* Give back a buffer that grew, when it is empty: called by a reader about to park. */
void stream_trim(struct stream *stream);

void stream_set_flags(struct stream *stream, u32 flags);
/* The writer has written all: readers see the end when they have come to it. */
void stream_finish(struct stream *stream);

static inline u32 stream_flags(const struct stream *stream)
{
	return atomic_load(&stream->flags);
}

/* Bytes that a reader can have now. What was in `head` before the stream became paced can be read at once, so `head` is
 * looked at first. */
static inline u32 stream_unread(const struct stream *stream)
{
	u32 end = atomic_load(&stream->head);
	if (atomic_load_explicit(&stream->paced, memory_order_relaxed))
		end = atomic_load(&stream->released);
	return end - atomic_load(&stream->tail);
}

/* All bytes that were ever written. */
static inline u64 stream_written(const struct stream *stream)
{
	u32 halves, head;
	do {
		halves = atomic_load(&stream->halves);
		head = atomic_load(&stream->head);
	} while (halves != atomic_load(&stream->halves));
	halves += (halves ^ head >> 31) & 1; /* `head` is there already */
	return (u64)halves << 31 | (head & (UINT32_MAX >> 1));
}

/* All bytes that have ever come to where they can be read. Under network_lock, so that the stream stays paced or direct;
 * what was released was written before. */
static inline u64 stream_delivered(const struct stream *stream)
{
	if (!atomic_load_explicit(&stream->paced, memory_order_relaxed))
		return stream_written(stream);
	u32 end = atomic_load(&stream->released);
	u64 written = stream_written(stream);
	return written - ((u32)written - end);
}

/* Bytes that occupy the ring. */
static inline u32 stream_held(const struct stream *stream)
{
	u32 head = atomic_load(&stream->head), read = head - atomic_load(&stream->tail);
	if (!atomic_load_explicit(&stream->paced, memory_order_relaxed))
		return read;
	return MAX(read, head - atomic_load(&stream->acknowledged));
}

/* Conditions for waiting. Writers that park wait for a quarter of the limit, so that they are not woken for a byte;
 * while they spin, room for one piece is enough. */
bool stream_readable(const void *stream);
bool stream_has_room(const void *stream);
bool stream_writable(const void *stream);

#endif

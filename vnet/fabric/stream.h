/* One direction of bytes from writers to readers: the body of TCP connections and pipes.
 *
 * A ring that grows with use: nothing while unused, 4 KiB at first, up to `limit`. One writer and one reader
 * run at once without waiting for each other; each side has a lock only because descriptors can be shared.
 * `head` and `tail` count bytes for ever and wrap; used = head - tail.
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
	STREAM_RESET = 4,     /* torn down by a reset */
};

struct stream {
	struct lock write_lock;
	_Atomic u32 head; /* under write_lock */
	_Atomic u32 flags; /* enum stream_flags; only ever set */
	u8 *buffer;       /* changes under both locks; capacity too */
	u32 capacity;     /* 0 or a power of two */
	_Atomic u32 limit; /* capacity may grow to this; lowered when growing was refused; under write_lock */
	struct account *account; /* the writers' account pays for the buffer; held */
	struct waitq readers;
	_Alignas(64) struct lock read_lock;
	_Atomic u32 tail; /* under read_lock */
	struct waitq writers;
};

void stream_open(struct stream *stream, struct account *account, u32 limit);
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

static inline u32 stream_flags(const struct stream *stream)
{
	return atomic_load(&stream->flags);
}

static inline u32 stream_used(const struct stream *stream)
{
	return atomic_load(&stream->head) - atomic_load(&stream->tail);
}

/* Conditions for waiting. Writers that park wait for a quarter of the limit, so that they are not woken for a byte;
 * while they spin, room for one piece is enough. */
bool stream_readable(const void *stream);
bool stream_has_room(const void *stream);
bool stream_writable(const void *stream);

#endif

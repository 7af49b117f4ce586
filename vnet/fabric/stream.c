#include "vnet/fabric/stream.h"

#include "vnet/fabric/errno.h"

/* Progress is published piece by piece, so that the two ends copy at the same time and a piece is still in the
 * cache of the core that wrote it. */
#define STREAM_PIECE (32u << 10)

void stream_open(struct stream *stream, struct account *account, u32 limit)
{
	memset(stream, 0, sizeof(*stream));
	stream->account = account_hold(account);
	stream->limit = limit;
}

void stream_release(struct stream *stream)
{
	if (stream->buffer)
		memory_free(stream->account, stream->buffer, stream->capacity);
	stream->buffer = NULL;
	account_release(stream->account);
}

bool stream_readable(const void *object)
{
	const struct stream *stream = object;
	return stream_used(stream) != 0 || (stream_flags(stream) & (STREAM_FINISHED | STREAM_RESET));
}

bool stream_writable(const void *object)
{
	const struct stream *stream = object;
	u32 used = stream_used(stream);
	u32 limit = atomic_load_explicit(&stream->limit, memory_order_relaxed);
	return used < limit - limit / 4 || (stream_flags(stream) & (STREAM_ABANDONED | STREAM_RESET | STREAM_FINISHED));
}

bool stream_has_room(const void *object)
{
	const struct stream *stream = object;
	u32 room = atomic_load_explicit(&stream->limit, memory_order_relaxed) - stream_used(stream);
	return room >= STREAM_PIECE || stream_writable(object);
}

void stream_set_flags(struct stream *stream, u32 flags)
{
	atomic_fetch_or(&stream->flags, flags);
	waitq_wake(&stream->readers);
	waitq_wake(&stream->writers);
}

static void ring_copy(const struct stream *stream, u8 *to, u32 from, u32 size)
{
	u32 offset = from & (stream->capacity - 1);
	u32 first = MIN(size, stream->capacity - offset);
	memcpy(to, stream->buffer + offset, first);
	memcpy(to + first, stream->buffer, size - first);
}

/* Under write_lock. Make room for `wanted` bytes beside the used ones, as far as the limit allows. */
static void stream_grow(struct stream *stream, u32 wanted)
{
	u32 capacity = MAX(stream->capacity, STREAM_SMALLEST);
	while (capacity < stream->limit && capacity - stream_used(stream) < wanted)
		capacity *= 2;
	if (capacity == stream->capacity)
		return;
	u8 *buffer = memory_allocate(stream->account, capacity);
	if (!buffer && capacity > STREAM_SMALLEST && !stream->buffer) {
		capacity = STREAM_SMALLEST;
		buffer = memory_allocate(stream->account, capacity);
	}
	if (!buffer) {
		if (stream->buffer)
			atomic_store(&stream->limit, stream->capacity);
		return;
	}
	lock_acquire(&stream->read_lock);
	u8 *old = stream->buffer;
	u32 old_capacity = stream->capacity;
	if (old) {
		/* Bytes keep their place modulo the new capacity. */
		u32 tail = atomic_load(&stream->tail), used = stream_used(stream);
		u32 offset = tail & (capacity - 1), first = MIN(used, capacity - offset);
		ring_copy(stream, buffer + offset, tail, first);
		ring_copy(stream, buffer, tail + first, used - first);
	}
	stream->buffer = buffer;
	stream->capacity = capacity;
	lock_release(&stream->read_lock);
	if (old)
		memory_free(stream->account, old, old_capacity);
}

i32 stream_put(struct stream *stream, uaddr from, u32 size)
{
	u32 done = 0;
	lock_acquire(&stream->write_lock);
	if (stream->capacity < stream->limit && stream->capacity - stream_used(stream) < size)
		stream_grow(stream, MIN(size, stream->limit));
	u32 head = atomic_load_explicit(&stream->head, memory_order_relaxed);
	while (done < size) {
		u32 offset = head & (stream->capacity - 1);
		u32 room = MIN(stream->capacity - stream_used(stream), stream->capacity - offset);
		u32 piece = MIN(MIN(size - done, room), STREAM_PIECE);
		if (!piece)
			break;
		user_copy_in(stream->buffer + offset, from + done, piece);
		done += piece;
		head += piece;
		atomic_store(&stream->head, head);
		waitq_wake(&stream->readers);
	}
	bool refused = size && !stream->buffer;
	lock_release(&stream->write_lock);
	return refused ? -E_NOBUFS : (i32)done;
}

i32 stream_get(struct stream *stream, uaddr to, u32 size, bool peek)
{
	u32 done = 0;
	lock_acquire(&stream->read_lock);
	u32 tail = atomic_load_explicit(&stream->tail, memory_order_relaxed);
	while (done < size) {
		u32 offset = tail & (stream->capacity - 1);
		u32 used = atomic_load(&stream->head) - tail;
		u32 piece = MIN(MIN(MIN(size - done, used), stream->capacity - offset), STREAM_PIECE);
		if (!piece)
			break;
		user_copy_out(to + done, stream->buffer + offset, piece);
		done += piece;
		tail += piece;
		if (peek)
			continue;
		atomic_store(&stream->tail, tail);
		if (atomic_load(&stream->writers.count) && stream_writable(stream))
			waitq_wake(&stream->writers);
	}
	lock_release(&stream->read_lock);
	return (i32)done;
}

void stream_trim(struct stream *stream)
{
	if (!lock_try(&stream->write_lock))
		return;
	u8 *buffer = NULL;
	u32 capacity = stream->capacity;
	if (capacity > STREAM_SMALLEST && lock_try(&stream->read_lock)) {
		if (stream_used(stream) == 0) {
			buffer = stream->buffer;
			stream->buffer = NULL;
			stream->capacity = 0;
		}
		lock_release(&stream->read_lock);
	}
	lock_release(&stream->write_lock);
	if (buffer)
		memory_free(stream->account, buffer, capacity);
}

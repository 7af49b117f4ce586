#include "vnet/fabric/sockets/stream.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow.h"

/* Progress is published piece by piece, so that the two ends copy at the same time and a piece is still in the
 * cache of the core that wrote it. */
#define STREAM_PIECE (32u << 10)

void stream_open(struct stream *stream, struct account *account, u32 limit)
{
	memset(stream, 0, sizeof(*stream));
	stream->account = account_hold(account);
	stream->limit = limit;
}

void stream_charge(struct stream *stream, struct account *account)
{
	account_release(stream->account);
	stream->account = account_hold(account);
}

void stream_set_limit(struct stream *stream, u32 wanted)
{
	u32 limit = STREAM_SMALLEST;
	while (limit < wanted && limit < STREAM_LARGEST)
		limit *= 2;
	atomic_store(&stream->limit, limit);
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
	return stream_unread(stream) != 0 || (stream_flags(stream) & (STREAM_FINISHED | STREAM_RESET_READER));
}

/* Bytes that may be written now: there is room in the ring, and a paced stream's writer may have so much on its way. */
static u32 stream_room(const struct stream *stream, u32 capacity)
{
	u32 held = stream_held(stream), room = capacity > held ? capacity - held : 0;
	if (!atomic_load_explicit(&stream->paced, memory_order_relaxed))
		return room;
	u32 sent = atomic_load(&stream->head) - atomic_load(&stream->acknowledged);
	u32 limit = atomic_load_explicit(&stream->send_limit, memory_order_relaxed);
	return MIN(room, limit > sent ? limit - sent : 0);
}

bool stream_writable(const void *object)
{
	const struct stream *stream = object;
	u32 limit = atomic_load_explicit(&stream->limit, memory_order_relaxed), room = stream_room(stream, limit);
	if (atomic_load_explicit(&stream->paced, memory_order_relaxed))
		limit = MIN(limit, atomic_load_explicit(&stream->send_limit, memory_order_relaxed));
	return room > limit / 4 || (stream_flags(stream) & (STREAM_ABANDONED | STREAM_RESET_WRITER | STREAM_FINISHED));
}

bool stream_has_room(const void *object)
{
	const struct stream *stream = object;
	u32 limit = atomic_load_explicit(&stream->limit, memory_order_relaxed);
	return stream_room(stream, limit) >= STREAM_PIECE || stream_writable(object);
}

void stream_set_flags(struct stream *stream, u32 flags)
{
	atomic_fetch_or(&stream->flags, flags);
	waitq_wake(&stream->readers);
	waitq_wake(&stream->writers);
}

void stream_finish(struct stream *stream)
{
	lock_acquire(&stream->write_lock);
	if (stream->flow)
		flow_finish(stream->flow, atomic_load_explicit(&stream->head, memory_order_relaxed));
	else
		stream_set_flags(stream, STREAM_FINISHED);
	lock_release(&stream->write_lock);
}

static void ring_copy(const struct stream *stream, u8 *to, u32 from, u32 size)
{
	u32 offset = from & (stream->capacity - 1);
	u32 first = MIN(size, stream->capacity - offset);
	memcpy(to, stream->buffer + offset, first);
	memcpy(to + first, stream->buffer, size - first);
}

/* Under write_lock and, when there is a buffer, read_lock: put what is held into another one. Bytes keep their place
 * modulo the capacity. */
static void move_to(struct stream *stream, u8 *buffer, u32 capacity)
{
	u32 held = stream_held(stream), start = atomic_load(&stream->head) - held;
	u32 offset = start & (capacity - 1), first = MIN(held, capacity - offset);
	ring_copy(stream, buffer + offset, start, first);
	ring_copy(stream, buffer, start + first, held - first);
}

/* Under both locks; `buffer` may be NULL with a capacity of 0. */
static void set_buffer(struct stream *stream, u8 *buffer, u32 capacity)
{
	if (stream->flow)
		pacer_acquire();
	if (buffer && stream->buffer)
		move_to(stream, buffer, capacity);
	stream->buffer = buffer;
	stream->capacity = capacity;
	if (stream->flow)
		pacer_release();
}

/* Under write_lock. Make room for `wanted` bytes beside the held ones, as far as the limit allows. */
static void stream_grow(struct stream *stream, u32 wanted)
{
	u32 capacity = MAX(stream->capacity, STREAM_SMALLEST);
	while (capacity < stream->limit && capacity - stream_held(stream) < wanted)
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
	set_buffer(stream, buffer, capacity);
	lock_release(&stream->read_lock);
	if (old)
		memory_free(stream->account, old, old_capacity);
}

/* Under write_lock. */
static void publish(struct stream *stream, u32 head)
{
	u32 before = atomic_load_explicit(&stream->head, memory_order_relaxed);
	atomic_put(&stream->head, head);
	if ((before ^ head) >> 31)
		atomic_fetch_add(&stream->halves, 1);
	if (!stream->flow)
		waitq_wake(&stream->readers);
}

i32 stream_put(struct stream *stream, uaddr from, u32 size)
{
	u32 done = 0;
	lock_acquire(&stream->write_lock);
	if (stream->flow)
		size = MIN(size, stream_room(stream, stream->limit));
	if (stream->capacity < stream->limit && stream->capacity - stream_held(stream) < size)
		stream_grow(stream, MIN(size, stream->limit));
	u32 head = atomic_load_explicit(&stream->head, memory_order_relaxed);
	while (done < size) {
		u32 offset = head & (stream->capacity - 1);
		u32 room = MIN(stream->capacity - stream_held(stream), stream->capacity - offset);
		u32 piece = MIN(MIN(size - done, room), STREAM_PIECE);
		if (!piece)
			break;
		user_copy_in(stream->buffer + offset, from + done, piece);
		done += piece;
		head += piece;
		publish(stream, head);
	}
	if (stream->flow && done)
		flow_written(stream->flow, head);
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
		u32 end = atomic_load(stream->flow ? &stream->released : &stream->head);
		u32 piece = MIN(MIN(MIN(size - done, end - tail), stream->capacity - offset), STREAM_PIECE);
		if (!piece)
			break;
		user_copy_out(to + done, stream->buffer + offset, piece);
		done += piece;
		tail += piece;
		if (peek)
			continue;
		atomic_put(&stream->tail, tail);
		if (atomic_load(&stream->writers.count) && stream_writable(stream))
			waitq_wake(&stream->writers);
	}
	if (stream->flow && !peek && (i32)(tail - atomic_load(&stream->update_at)) >= 0)
		flow_consumed(stream->flow);
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
		if (stream_held(stream) == 0) {
			buffer = stream->buffer;
			set_buffer(stream, NULL, 0);
		}
		lock_release(&stream->read_lock);
	}
	lock_release(&stream->write_lock);
	if (buffer)
		memory_free(stream->account, buffer, capacity);
}

/* Reading and writing a stream until there is something to return: the one loop of connections and of pipes.
 *
 * What ends it beside bytes is the caller's to say, in a function that is told of the stream's flags as they were before
 * the bytes were looked for. Inlined into each caller, which costs a byte no call.
 *
 * A reader that waits keeps the buffer that has grown: to free it before it parks, as `poll` does, was measured, and took
 * a third to a half of what one connection moves.
 */
#ifndef PODNET_FABRIC_STREAM_LOOPS_H
#define PODNET_FABRIC_STREAM_LOOPS_H

#include "vnet/fabric/errno.h"
#include "vnet/fabric/sockets/socket.h"

#define STREAM_GOES_ON INT32_MIN
/* STREAM_GOES_ON, or what the call returns. `done` is what was moved before. */
typedef i32 (*stream_ending)(void *object, u32 flags, u32 done, u32 size);

struct stream_user {
	struct stream *stream;
	stream_ending ending;
	void *object;
	u64 deadline;
	condition ready; /* for readers: that there is something to return, of `waited` */
	const void *waited;
};

static inline __attribute__((always_inline)) i32 stream_read(struct stream_user user, uaddr to, u32 size, bool wait,
							     bool peek)
{
	for (;;) {
		u32 flags = stream_flags(user.stream); /* first: what came before the end is then seen below */
		i32 moved = stream_get(user.stream, to, size, peek);
		if (moved || size == 0)
			return moved;
		i32 end = user.ending(user.object, flags, 0, size);
		if (end != STREAM_GOES_ON)
			return end;
		if (!wait)
			return -E_AGAIN;
		int result = waitq_block(&user.stream->readers, user.ready, user.ready, user.waited, user.deadline);
		if (result < 0)
			return timeout_result(result);
	}
}

static inline __attribute__((always_inline)) i32 stream_write(struct stream_user user, uaddr from, u32 size, bool wait)
{
	u32 done = 0;
	for (;;) {
		u32 flags = stream_flags(user.stream); /* first: the error of a reset is there before its flag */
		i32 end = user.ending(user.object, flags, done, size);
		if (end != STREAM_GOES_ON)
			return end;
		i32 moved = stream_put(user.stream, from + done, size - done);
		if (moved < 0)
			return done ? (i32)done : moved;
		done += (u32)moved;
		if (done == size)
			return (i32)done;
		if (!wait)
			return done ? (i32)done : -E_AGAIN;
		int result = waitq_block(&user.stream->writers, stream_has_room, stream_writable, user.stream,
					 user.deadline);
		if (result < 0)
			return done ? (i32)done : timeout_result(result);
	}
}

#endif

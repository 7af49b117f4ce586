/* What an open socket does with bytes: reading, writing, errors, readiness. How sockets come and go is in tcp.c. */
#include "vnet/fabric/errno.h"
#include "vnet/fabric/sockets/stream_loops.h"
#include "vnet/fabric/sockets/tcp_internal.h"

static u32 take_connection_error(struct socket *socket)
{
	_Atomic u32 *error = &socket->connection->error[socket->side];
	return atomic_load_explicit(error, memory_order_relaxed) ? atomic_exchange(error, 0) : 0;
}

u32 tcp_take_error(struct socket *socket)
{
	tcp_connect_expire(socket);
	if (socket->state == TCP_ESTABLISHED)
		return take_connection_error(socket);
	lock_acquire(&network_lock);
	u32 error = socket->error;
	socket->error = 0;
	lock_release(&network_lock);
	return error;
}

void tcp_defer_error(struct socket *socket, u32 error)
{
	/* A broken pipe needs no memory: writes find it again, and reads do not report it. */
	if (error == E_CONNRESET && socket->state == TCP_ESTABLISHED)
		atomic_store(&socket->connection->error[socket->side], error);
}

/* `state` is what the caller saw: a connect may be decided meanwhile. */
static int not_established(struct socket *socket, u32 state, bool reading)
{
	if (state == TCP_SYN_SENT)
		return -E_AGAIN;
	u32 error = tcp_take_error(socket);
	if (error)
		return -(int)error;
	return reading || state == TCP_LISTEN ? -E_NOTCONN : -E_PIPE;
}

/* Linux: once the peer has sent its FIN, reading ends there and a broken pipe is left for writers. */
static u32 take_read_error(struct socket *socket)
{
	const _Atomic u32 *error = &socket->connection->error[socket->side];
	return atomic_load_explicit(error, memory_order_relaxed) == E_PIPE ? 0 : take_connection_error(socket);
}

static i32 ends_reading(void *object, u32 flags, u32 done, u32 size)
{
	struct socket *socket = object;
	(void)done, (void)size;
	u32 error = take_read_error(socket);
	if (error)
		return -(i32)error;
	return socket->read_shut || flags & (STREAM_FINISHED | STREAM_RESET_READER) ? 0 : STREAM_GOES_ON;
}

i32 tcp_read(struct socket *socket, uaddr to, u32 size, bool wait, bool peek)
{
	u32 state = atomic_load(&socket->state);
	if (state != TCP_ESTABLISHED)
		return not_established(socket, state, true);
	struct stream *stream = tcp_incoming(socket);
	struct stream_user reader = {stream,          ends_reading, socket, timeout_end(socket->receive_timeout),
				     stream_readable, stream};
	return stream_read(reader, to, size, wait, peek);
}

i32 tcp_read_by(struct socket *socket, uaddr to, u32 size, u64 deadline)
{
	if (atomic_load(&socket->state) != TCP_ESTABLISHED)
		return 0;
	struct stream *stream = tcp_incoming(socket);
	waitq_block(&stream->readers, stream_readable, stream_readable, stream, deadline);
	return stream_get(stream, to, size, false);
}

/* The peer has closed. As on Linux, the first write still succeeds and provokes the reset that later
 * calls report. */
static i32 write_severed(struct socket *socket, u32 size)
{
	struct connection *connection = socket->connection;
	if (atomic_exchange(&connection->severed[socket->side], 1) ||
	    stream_flags(tcp_outgoing(socket)) & STREAM_RESET_WRITER)
		return -E_PIPE;
	atomic_store(&connection->error[socket->side],
		     stream_flags(tcp_incoming(socket)) & STREAM_FINISHED ? E_PIPE : E_CONNRESET);
	stream_set_flags(tcp_incoming(socket), STREAM_RESET_READER);
	return (i32)size;
}

static i32 ends_writing(void *object, u32 flags, u32 done, u32 size)
{
	struct socket *socket = object;
	u32 error = done ? 0 : take_connection_error(socket); /* after a part, the next call reports it */
	if (error)
		return -(i32)error;
	if (socket->write_shut)
		return -E_PIPE;
	if (flags & (STREAM_ABANDONED | STREAM_RESET_WRITER))
		return done ? (i32)done : write_severed(socket, size);
	return STREAM_GOES_ON;
}

i32 tcp_write(struct socket *socket, uaddr from, u32 size, bool wait)
{
	u32 state = atomic_load(&socket->state);
	if (state != TCP_ESTABLISHED)
		return not_established(socket, state, false);
	struct stream_user writer = {.stream = tcp_outgoing(socket),
				     .ending = ends_writing,
				     .object = socket,
				     .deadline = timeout_end(socket->send_timeout)};
	return stream_write(writer, from, size, wait);
}

u32 tcp_poll(struct socket *socket)
{
	tcp_connect_expire(socket);
	switch (atomic_load(&socket->state)) {
	case TCP_LISTEN:
		if (atomic_load(&socket->pending)) {
			lock_acquire(&network_lock);
			tcp_admit_pending(socket); /* a limit that kept it out may have been lifted */
			lock_release(&network_lock);
		}
		return tcp_accept_ready(socket) ? POLL_READ : 0;
	case TCP_SYN_SENT: return 0;
	case TCP_CLOSED: return POLL_READ | POLL_WRITE | POLL_HANGUP; /* a failed connect, or never connected */
	default: break;
	}
	u32 in = stream_flags(tcp_incoming(socket)), out = stream_flags(tcp_outgoing(socket)), events = 0;
	if (socket->read_shut || stream_readable(tcp_incoming(socket)))
		events |= POLL_READ;
	if (socket->write_shut || stream_writable(tcp_outgoing(socket)))
		events |= POLL_WRITE;
	if (in & STREAM_RESET_READER || out & STREAM_RESET_WRITER || ((in & STREAM_FINISHED) && socket->write_shut))
		events |= POLL_HANGUP | POLL_READ | POLL_WRITE;
	return events;
}

u32 tcp_available(struct socket *socket)
{
	if (socket->state == TCP_LISTEN)
		return socket->queued;
	return socket->state == TCP_ESTABLISHED ? stream_unread(tcp_incoming(socket)) : 0;
}

struct waitq *tcp_queue(struct socket *socket, u32 event)
{
	if (socket->state == TCP_LISTEN && atomic_load(&socket->pending))
		return &socket->pod->account->room; /* what they wait for */
	if (socket->state != TCP_ESTABLISHED)
		return &socket->changes;
	return event == POLL_READ ? &tcp_incoming(socket)->readers : &tcp_outgoing(socket)->writers;
}

u64 tcp_deadline(struct socket *socket)
{
	return socket->state == TCP_SYN_SENT ? socket->connect_deadline : NEVER;
}

void tcp_idle(struct socket *socket)
{
	if (socket->state == TCP_ESTABLISHED)
		stream_trim(tcp_incoming(socket));
}

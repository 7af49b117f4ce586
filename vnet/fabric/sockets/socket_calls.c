#include "vnet/fabric/sockets/socket_calls.h"

#include "vnet/fabric/outside/trunk.h"
#include "vnet/fabric/sockets/datagram_queue.h"
#include "vnet/fabric/sockets/echo.h"
#include "vnet/fabric/errno.h"

void socket_close(struct socket *socket)
{
	switch (socket->kind) {
	case SOCKET_STREAM: tcp_close(socket); break;
	case SOCKET_DATAGRAM: udp_close(socket); break;
	case SOCKET_ECHO: echo_close(socket); break;
	case SOCKET_TRUNK: trunk_records_close(socket); break;
	}
}

int socket_bind(struct socket *socket, struct address address, u32 port)
{
	return socket_is_stream(socket) ? tcp_bind(socket, address, port) : udp_bind(socket, address, port);
}

int socket_listen(struct socket *socket, u32 backlog)
{
	return socket_is_stream(socket) ? tcp_listen(socket, backlog) : -E_OPNOTSUPP;
}

int socket_accept(struct socket *listener, bool wait, struct socket **accepted)
{
	return socket_is_stream(listener) ? tcp_accept(listener, wait, accepted) : -E_OPNOTSUPP;
}

int socket_connect(struct socket *socket, struct address address, u32 port, bool wait)
{
	return socket_is_stream(socket) ? tcp_connect(socket, address, port, wait) : udp_connect(socket, address, port);
}

int socket_shutdown(struct socket *socket, u32 how)
{
	return socket_is_stream(socket) ? tcp_shutdown(socket, how)
					: udp_shutdown(socket, how & TCP_SHUT_READ, how & TCP_SHUT_WRITE);
}

/* Functions of their own, so that streams do not pay for a frame on the stack. */
static __attribute__((noinline)) i32 read_datagram(struct socket *socket, uaddr to, u32 size, bool wait, bool peek)
{
	struct user_spans spans = user_spans_of(to, size);
	struct udp_received received;
	return udp_read(socket, &spans, wait, peek, &received);
}

static __attribute__((noinline)) i32 write_datagram(struct socket *socket, uaddr from, u32 size)
{
	struct user_spans spans = user_spans_of(from, size);
	return udp_write(socket, &spans, NULL);
}

i32 socket_read(struct socket *socket, uaddr to, u32 size, bool wait, bool peek)
{
	return socket_is_stream(socket) ? tcp_read(socket, to, size, wait, peek)
					: read_datagram(socket, to, size, wait, peek);
}

i32 socket_write(struct socket *socket, uaddr from, u32 size, bool wait)
{
	return socket_is_stream(socket) ? tcp_write(socket, from, size, wait) : write_datagram(socket, from, size);
}

u32 socket_take_error(struct socket *socket)
{
	return socket_is_stream(socket) ? tcp_take_error(socket) : udp_take_error(socket);
}

u32 socket_poll(struct socket *socket)
{
	return socket_is_stream(socket) ? tcp_poll(socket) : udp_poll(socket);
}

u32 socket_available(struct socket *socket)
{
	return socket_is_stream(socket) ? tcp_available(socket) : datagram_next_size(socket);
}

struct waitq *socket_queue(struct socket *socket, u32 event)
{
	return socket_is_stream(socket) ? tcp_queue(socket, event) : &socket->changes;
}

u64 socket_deadline(struct socket *socket)
{
	return socket_is_stream(socket) ? tcp_deadline(socket) : NEVER;
}

void socket_idle(struct socket *socket)
{
	if (socket_is_stream(socket))
		tcp_idle(socket);
}

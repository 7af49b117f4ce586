/* The calls that sockets of every kind answer, each by its protocol; see tcp.h, udp.h and echo.h for what they do. */
#ifndef PODNET_FABRIC_SOCKET_CALLS_H
#define PODNET_FABRIC_SOCKET_CALLS_H

#include "vnet/fabric/sockets/tcp.h"
#include "vnet/fabric/sockets/udp.h"

static inline bool socket_is_stream(const struct socket *socket)
{
	return socket->kind == SOCKET_STREAM;
}

void socket_close(struct socket *socket);
int socket_bind(struct socket *socket, struct address address, u32 port);
/* -E_OPNOTSUPP unless it is a stream. */
int socket_listen(struct socket *socket, u32 backlog);
int socket_accept(struct socket *listener, bool wait, struct socket **accepted);
int socket_connect(struct socket *socket, struct address address, u32 port, bool wait);
/* `how`: enum tcp_shutdown. */
int socket_shutdown(struct socket *socket, u32 how);
/* One buffer: bytes moved, or a negative errno. */
i32 socket_read(struct socket *socket, uaddr to, u32 size, bool wait, bool peek);
i32 socket_write(struct socket *socket, uaddr from, u32 size, bool wait);
u32 socket_take_error(struct socket *socket);
u32 socket_poll(struct socket *socket);
/* Bytes that one read would return now. */
u32 socket_available(struct socket *socket);
struct waitq *socket_queue(struct socket *socket, u32 event);
u64 socket_deadline(struct socket *socket);
void socket_idle(struct socket *socket);

#endif

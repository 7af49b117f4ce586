/* What tcp.c and tcp_data.c share and nobody else calls. */
#ifndef PODNET_FABRIC_TCP_INTERNAL_H
#define PODNET_FABRIC_TCP_INTERNAL_H

#include "vnet/fabric/tcp.h"

static inline struct stream *tcp_incoming(const struct socket *socket)
{
	return &socket->connection->stream[socket->side];
}

static inline struct stream *tcp_outgoing(const struct socket *socket)
{
	return &socket->connection->stream[1 - socket->side];
}

/* Nobody keeps a timer for a connect: whoever looks at it after its time ends it. */
void tcp_connect_expire(struct socket *socket);
/* Under network_lock. Let the longest waiting connects in, now that the backlog has room. */
void tcp_admit_pending(struct socket *listener);
/* A condition for waiting. */
bool tcp_accept_ready(const void *listener);

#endif

/* What tcp.c and tcp_data.c share and nobody else calls. */
#ifndef PODNET_FABRIC_TCP_INTERNAL_H
#define PODNET_FABRIC_TCP_INTERNAL_H

#include "vnet/fabric/sockets/connection.h"
#include "vnet/fabric/sockets/tcp.h"

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
/* Under network_lock. Make a connection between a client, whose addresses are set, and a new socket of `pod`, which
 * takes its options from `listener` (may be NULL). -E_AGAIN when `pod` has no room for it now, -E_NOBUFS when the
 * client's pod cannot pay for it. */
int tcp_establish(struct pod *pod, const struct socket *listener, struct socket *client, struct socket **opened);
/* Under network_lock. A handshake over a path is complete: make the accepting end of its connection and queue it.
 * -E_AGAIN when the listener or its pod has no room for it now. */
int tcp_accept_paced(struct socket *listener, struct connection *connection, struct address local,
		     struct address remote);
/* Under network_lock. Begin a connection of a client's on another node, whose addresses are set, as a connect does that
 * policies have let pass: 0, with the client open or waiting, or a negative errno. */
int tcp_connect_arrived(struct socket *client, struct interface *source, struct interface *target);
/* Under network_lock. The connect is not decided yet: from now on it waits, and its time runs. */
void tcp_connect_waits(struct socket *client);
/* Under network_lock. A connect that waits no longer is over; `error` 0: it is established. */
void tcp_connect_decided(struct socket *client, u32 error);
/* A condition for waiting. */
bool tcp_accept_ready(const void *listener);

#endif

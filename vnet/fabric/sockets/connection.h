/* What the two ends of a TCP connection share: two streams, and what the ends owe each other.
 *
 * Side 0 connected, side 1 was accepted. Everything but bytes and errors is under network_lock.
 */
#ifndef PODNET_FABRIC_CONNECTION_H
#define PODNET_FABRIC_CONNECTION_H

#include "vnet/fabric/sockets/socket.h"
#include "vnet/fabric/sockets/stream.h"

struct connection {
	_Atomic u32 references; /* of sockets, and one of the flows while it is paced */
	_Atomic u32 error[2]; /* what the next call of that side reports; set by the other side, cleared by reading */
	_Atomic u32 severed[2]; /* a write of that side has met a closed peer */
	struct account *account; /* held; the client's, which pays */
	struct socket *ends[2]; /* NULL: not there yet, or closed */
	u16 ports[2];
	struct stream stream[2]; /* [i] is read by side i and written by side 1 - i */
};

/* A connection of the client's alone, whose ports are set. NULL when its pod cannot pay. */
struct connection *connection_create(struct socket *client);
/* The other end is there. */
void connection_join(struct connection *connection, struct socket *server);
/* While it is direct, and both ends are there: let each stream grow to the larger of its two ends' wishes. */
void connection_set_limits(struct connection *connection);
/* That side's socket is closed and gives up its reference; `reset`: without a FIN. */
void connection_close(struct connection *connection, u32 side, bool reset);
void connection_release(struct connection *connection);
/* That side learns that the connection is over. */
void connection_abort(struct connection *connection, u32 side, u32 error);
/* Under network_lock. Let the interface of an established socket count what has gone through since it last did. */
void connection_count(struct socket *socket);
/* The error of a reset that comes to that side. */
u32 connection_reset_error(const struct connection *connection, u32 side);

#endif

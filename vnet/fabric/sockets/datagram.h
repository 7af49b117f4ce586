/* How datagrams get from socket to socket: at once, or along a paced path; to one receiver, or to all of a network. */
#ifndef PODNET_FABRIC_DATAGRAM_H
#define PODNET_FABRIC_DATAGRAM_H

#include "vnet/fabric/paths/packet.h"
#include "vnet/fabric/sockets/socket.h"

/* A socket that has taken its port, or is about to give it back. Under network_lock. */
void datagram_listen(struct socket *socket);
void datagram_unlisten(struct socket *socket);

/* Under network_lock. Where datagrams from the socket to `to` go. `route->pod` is NULL when nobody is there, and
 * `broadcast` the interface that a broadcast leaves by, or NULL. 0, -E_NETUNREACH, -E_ACCES (no SO_BROADCAST). */
struct datagram_route {
	struct route route;
	struct interface *broadcast;
};
int datagram_route(const struct socket *socket, struct address to, struct datagram_route *found);

/* Under network_lock. Send `packet` (consumed) to `to` from the socket's port. */
int datagram_send(struct socket *socket, struct packet *packet, struct endpoint to);

/* A datagram has arrived; under network_lock and the pacer's lock. The packet is given away. */
void datagram_receive(struct packet *packet, u64 now);
/* Nobody was at `to` for a datagram from `from`: the socket of `pod` that it came from is told, if this is its peer.
 * Under network_lock. RFC 1122 4.1.3.3. */
void datagram_refused(struct pod *pod, struct endpoint from, struct endpoint to);

#endif

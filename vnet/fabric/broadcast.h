/* Broadcasts: the bound datagram sockets of the node by port, and copies for those on one network.
 * Everything under `network_lock`. */
#ifndef PODNET_FABRIC_BROADCAST_H
#define PODNET_FABRIC_BROADCAST_H

#include "vnet/fabric/datagram.h"

/* A socket that has taken its port, or is about to give it back. */
void broadcast_enter(struct socket *socket);
void broadcast_leave(struct socket *socket);

/* Give a copy to every socket on the network of `from` that hears `to`; the sender's own pod is one of them. */
void broadcast_send(const struct interface *from, const struct datagram *datagram, struct endpoint to);

#endif

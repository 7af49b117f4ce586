/* The port table: which sockets of which pod hold which local port. Everything under `network_lock`. */
#ifndef PODNET_FABRIC_PORTS_H
#define PODNET_FABRIC_PORTS_H

#include "vnet/fabric/sockets/socket.h"

/* Enter the table with socket->local and `port` (0: an ephemeral one). 0 or -E_ADDRINUSE. */
int port_claim(struct socket *socket, u32 port);
void port_release(struct socket *socket);
/* Whether `socket`, which holds its port, may listen beside the others that hold it. */
bool port_may_listen(const struct socket *socket);
/* The listener that a connection to (pod, address, port) reaches: an exact address wins over any. */
struct socket *port_listener(struct pod *pod, struct address address, u32 port);
/* The datagram socket that takes what `from` sends to (pod, to): one that has chosen this peer wins, then one bound to
 * the very address. Among those that share with SO_REUSEPORT the sender decides, always in the same way; otherwise
 * the last that was bound has it. */
struct socket *port_receiver(struct pod *pod, struct endpoint to, struct endpoint from);
/* Go through the sockets of a kind that hold a port: the one after `last`, or the first. NULL when there are no more. */
struct socket *port_next(const struct pod *pod, enum socket_kind kind, u32 port, const struct socket *last);

#endif

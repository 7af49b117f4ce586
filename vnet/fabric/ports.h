/* The port table: which sockets of which pod hold which local port. Everything under `network_lock`. */
#ifndef PODNET_FABRIC_PORTS_H
#define PODNET_FABRIC_PORTS_H

#include "vnet/fabric/socket.h"

/* Enter the table with socket->local and `port` (0: an ephemeral one). 0 or -E_ADDRINUSE. */
int port_claim(struct socket *socket, u32 port);
void port_release(struct socket *socket);
/* Whether `socket`, which holds its port, may listen beside the others that hold it. */
bool port_may_listen(const struct socket *socket);
/* The listener that a connection to (pod, address, port) reaches: an exact address wins over any. */
struct socket *port_listener(struct pod *pod, struct address address, u32 port);

#endif

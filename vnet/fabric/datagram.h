/* UDP sockets: see datagram.c. */
#ifndef PODNET_FABRIC_DATAGRAM_H
#define PODNET_FABRIC_DATAGRAM_H

#include "vnet/fabric/packet.h"

/* A datagram has arrived; under network_lock and the pacer's lock. The packet is given away. */
void datagram_receive(struct packet *packet, u64 now);

#endif

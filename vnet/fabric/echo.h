/* ICMP echo: see echo.c. */
#ifndef PODNET_FABRIC_ECHO_H
#define PODNET_FABRIC_ECHO_H

#include "vnet/fabric/packet.h"

/* An echo request or reply has arrived; under network_lock and the pacer's lock. The packet is given away. */
void echo_receive(struct packet *packet, u64 now);

#endif

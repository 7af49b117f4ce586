/* TCP over a path: see flow.c. */
#ifndef PODNET_FABRIC_FLOW_H
#define PODNET_FABRIC_FLOW_H

#include "vnet/fabric/packet.h"

/* A segment has arrived; under network_lock and the pacer's lock. The packet is given away. */
void flow_receive(struct packet *packet, u64 now);
/* A timer of a flow's is due; the same locks. */
void flow_timer(struct event *event, u64 now);
/* One packet more, or less, is under way; the pacer's lock. */
void flow_hold(const struct packet *packet);
void flow_release(const struct packet *packet);
/* The configuration has changed and every path with it: convert what is concerned now, or no longer. Under network_lock
 * alone. */
void flow_reconsider(void);

#endif

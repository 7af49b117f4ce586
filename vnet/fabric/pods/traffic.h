/* How much went from one address to another: bytes that programs sent over TCP connections, for whoever decides where
 * pods are best. Pairs for which there is no room are not counted. Everything under network_lock. */
#ifndef PODNET_FABRIC_TRAFFIC_H
#define PODNET_FABRIC_TRAFFIC_H

#include "vnet/fabric/pods/network.h"

#define TRAFFIC_PAIRS 8192u

struct traffic_pair {
	u64 bytes; /* 0: nobody has this place */
	u32 source, target; /* IPv4 */
};

/* Addresses other than IPv4's are not counted. */
void traffic_count(struct address source, struct address target, u64 bytes);
/* The pair at a place below TRAFFIC_PAIRS, or NULL. */
const struct traffic_pair *traffic_at(u32 place);

#endif

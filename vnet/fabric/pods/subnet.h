/* What a pod's addresses and prefixes say about other IPv4 addresses. Everything under `network_lock`. */
#ifndef PODNET_FABRIC_SUBNET_H
#define PODNET_FABRIC_SUBNET_H

#include "vnet/fabric/pods/network.h"

#define ADDRESS_BROADCAST (address_from_ipv4(0xffffffff))

static inline bool address_is_multicast(struct address address)
{
	return address_is_ipv4(address) && address_to_ipv4(address) >> 28 == 0xe;
}

/* The pod's interface in whose subnet `address` is, or NULL. */
struct interface *subnet_interface(const struct pod *pod, struct address address);
/* The pod's interface whose network hears a broadcast to `address`; NULL when that is no broadcast address of its.
 * RFC 919: 255.255.255.255 is heard on one network, here that of `local`, or the pod's first. */
struct interface *broadcast_interface(const struct pod *pod, struct address local, struct address address);

#endif

#include "vnet/fabric/pods/subnet.h"

#define PREFIX_MOST 30u /* with a longer one there is no broadcast address (RFC 3021) */

static u32 host_part(const struct interface *interface)
{
	return interface->prefix < 32 ? UINT32_MAX >> interface->prefix : 0;
}

struct interface *subnet_interface(const struct pod *pod, struct address address)
{
	for (u32 i = 0; i < pod->interface_count; i++) {
		struct interface *interface = pod->interfaces[i];
		u32 difference = address_to_ipv4(interface->address) ^ address_to_ipv4(address);
		if (address_is_ipv4(address) && (difference & ~host_part(interface)) == 0)
			return interface;
	}
	return NULL;
}

static struct interface *interface_of(const struct pod *pod, struct address local)
{
	struct interface *interface = pod_interface(pod, local);
	return interface || !pod->interface_count ? interface : pod->interfaces[0];
}

struct interface *broadcast_interface(const struct pod *pod, struct address local, struct address address)
{
	if (address_equal(address, ADDRESS_BROADCAST))
		return interface_of(pod, local);
	struct interface *interface = subnet_interface(pod, address);
	if (!interface || interface->prefix > PREFIX_MOST)
		return NULL;
	return (address_to_ipv4(address) & host_part(interface)) == host_part(interface) ? interface : NULL;
}

/* The names that lead to addresses, on each network, and back.
 *
 * The node publishes them, guests look up: on all networks that their pod is on, and only there. What a name leads to
 * may be on another network, where it is reached through routers. Everything here is under `network_lock`.
 */
#ifndef PODNET_FABRIC_NAMES_H
#define PODNET_FABRIC_NAMES_H

#include "vnet/fabric/pods/network.h"

#define NAME_SIZE 128u /* service.network and its NUL */
#define NAME_ADDRESSES_MOST 4096u
#define NAMES_PARTS 64u

struct name;

/* Replace all that `name` leads to on a network; count 0 removes it. 0, -E_NOBUFS, -E_INVAL. */
int name_publish(u32 network, const char *name, const struct address *addresses, u32 count);
/* What `name` leads to for `pod`, on all its networks, in rotating order. The count, or -E_NOENT. */
int name_find(struct pod *pod, const char *name, struct address *addresses, u32 capacity);

/* Under network_lock. The names that `pod` finds an address by, one after the other: the one after `last`, or the first
 * one; NULL when there are no more. Those that lead nowhere else come first, then it is by the alphabet. */
const struct name *name_reverse(const struct pod *pod, struct address address, const struct name *last);
const char *name_text(const struct name *name);
/* Under network_lock. The addresses that `pod` finds by any name, a part of NAMES_PARTS at a time, each once. Their
 * number; those beyond `capacity` are left out. */
u32 names_addresses(const struct pod *pod, u32 part, struct address *addresses, u32 capacity);

#endif

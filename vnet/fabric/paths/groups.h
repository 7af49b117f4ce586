/* What the configuration declares beside links: groups of interfaces, routes between them, and faults.
 *
 * Changed by the node only, under network_lock and the pacer's lock; read under either. The node's numbers name
 * links and groups. Nothing here acts before `paths_update`.
 */
#ifndef PODNET_FABRIC_GROUPS_H
#define PODNET_FABRIC_GROUPS_H

#include "vnet/fabric/paths/link.h"
#include "vnet/fabric/pods/network.h"

#define HOPS_MOST 16u /* links of a route */
#define FAULTS_MOST 64u
#define WIRE_BUCKETS 1024u

/* Interfaces that share routes and policies. */
struct group {
	struct group *next; /* in its hash chain */
	u32 id;
	u32 network;
	struct interface *members; /* by their `group_next` */
};

/* One link of the topology, both of its directions. */
struct wire {
	struct wire *next;
	u32 id;
	struct link *link[2];
};

struct hop {
	u32 wire;
	u32 direction; /* 0 forward, 1 backward */
};

/* The links from one group to another. */
struct route_entry {
	struct route_entry *next;
	u32 source, target; /* groups */
	u32 hop_count;
	struct hop hops[HOPS_MOST];
};

/* Which interfaces a fault stands between is in their masks. */
enum fault_kind { FAULT_NONE = 0, FAULT_CUT, FAULT_HOLD };
#define FAULT_KINDS 3u

struct group *group_find(u32 id);
struct wire *wire_find(u32 id);
/* The first of a bucket; others follow by `next`. */
struct wire *wire_first(u32 bucket);
/* Captures in `mask` listen to no link any more. */
void wires_forget_captures(u32 mask);
struct route_entry *route_entry_find(u32 source, u32 target);

/* Make it so, or change it; what exists keeps what is under way in it. 0, -E_NOBUFS, and of a group -E_INVAL when it is
 * on another network, -E_ADDRINUSE when an address is in another group. An interface on its way from one group to another
 * must have left the first. `access` is NULL for none. */
int group_configure(u32 id, u32 network, const struct link_parameters *access, const u32 *ipv4s, u32 count, u64 now);
int wire_configure(u32 id, u32 number, const struct link_parameters parameters[2], u64 now);
int route_configure(u32 source, u32 target, const struct hop *hops, u32 count);
/* 0 or -E_NOENT. */
int group_remove(u32 id);
int wire_remove(u32 id);
int route_remove(u32 source, u32 target);
/* `ipv4s`: first the sources, then the targets; those that no group declares do not count. FAULT_NONE ends it. */
void fault_configure(u32 index, u32 kind, const u32 *ipv4s, u32 sources, u32 targets);
/* The faults of a kind, a bit for each. */
u64 faults_of(enum fault_kind kind);
/* How many things there are that may concern a path. */
u32 groups_concern(void);

#endif

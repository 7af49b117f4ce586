/* The way from one interface to another: the links to cross, and the faults that stand in it.
 *
 * There is a path for each pair that has traffic and is concerned by anything; all others are direct and cost one
 * load. Paths are counted by their users and their packets, and change in place when the configuration does; packets under
 * way go on at their place in the new list of links.
 */
#ifndef PODNET_FABRIC_PATH_H
#define PODNET_FABRIC_PATH_H

#include "vnet/fabric/paths/groups.h"
#include "vnet/fabric/paths/link.h"
#include "vnet/fabric/paths/pacer.h"

struct path {
	struct path *next; /* in its hash chain */
	u32 references;
	struct account *account; /* held; of who needed it first */
	struct address source, target;
	u32 hop_count;
	struct link *hops[1 + HOPS_MOST]; /* held; the source's access link is the first */
	u32 mtu; /* the smallest of the links' */
	bool concerned; /* false: whoever uses it may go back to being direct */
	bool unreachable; /* there is no way any more */
	bool cut, held;   /* by a fault */
	u32 source_captures, target_captures; /* that listen to its ends */
	struct packet *waiting_first, *waiting_last; /* held, in order */
};

/* Whether anything is configured that may concern any pair. */
extern _Atomic u32 paths_configured;
static inline bool paths_any(void)
{
	return atomic_load_explicit(&paths_configured, memory_order_relaxed) != 0;
}

/* Under network_lock. Whether the two, if both are there, need a path: nothing else need be asked of most pairs. */
bool path_concerned(const struct interface *source, const struct interface *target);

/* Under network_lock and the pacer's. The path between two interfaces, held for the caller; *path is NULL when they
 * are direct, as are an interface and NULL (loopback). `account` pays for a new one. 0 or -E_NOBUFS. */
int path_find(struct account *account, const struct interface *source, const struct interface *target,
	      struct path **path);
/* The same, whether or not anything concerns the pair: *path is never NULL. */
int path_make(struct account *account, const struct interface *source, const struct interface *target,
	      struct path **path);
/* Under the pacer's lock, as everything below. */
struct path *path_hold(struct path *path);
void path_release(struct path *path);

/* Under network_lock too. Whether a packet may start on the path or leave it now: it stays the caller's then. Otherwise it was dropped, or waits
 * in the path. */
bool path_admit(struct path *path, struct packet *packet);

/* Under network_lock and the pacer's: bring every path up to date with the tables, then call `flow_reconsider` under
 * network_lock alone. */
void paths_update(u64 now);

#endif

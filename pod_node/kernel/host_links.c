/* Calls for the node itself: the pacer's thread, and what the virtual network is configured to be.
 *
 * Numbers that name links and groups are the node's own. Changes act when `host_network_commit` is called, those of a
 * link's parameters at once. Arrays and structures lie in the fabric. Results below zero are negative errnos.
 */
#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow.h"
#include "vnet/fabric/paths/path.h"

#define MEMBERS_MOST 65536u /* of a group, and on each side of a fault */

/* Move packets until `host_pacer_stop`; the only call of the thread that makes it. */
EXPORT(host_pacer) void host_pacer(void);
void host_pacer(void)
{
	pacer_run();
}

EXPORT(host_pacer_stop) void host_pacer_stop(void);
void host_pacer_stop(void)
{
	pacer_stop();
}

static u64 tables_acquire(void)
{
	lock_acquire(&network_lock);
	pacer_acquire();
	return pacer_time();
}

static i32 tables_release(int result)
{
	pacer_release();
	lock_release(&network_lock);
	return result;
}

EXPORT(host_network_seed) void host_network_seed(u64 seed);
void host_network_seed(u64 seed)
{
	tables_acquire();
	link_set_seed(seed);
	tables_release(0);
}

/* `parameters`: two struct link_parameters, forward and backward. `number` is for the link's luck. */
EXPORT(host_link_set) i32 host_link_set(u32 id, u32 number, uaddr parameters);
i32 host_link_set(u32 id, u32 number, uaddr parameters)
{
	const struct link_parameters *both = (const struct link_parameters *)(uintptr_t)parameters;
	if (!link_parameters_valid(&both[0]) || !link_parameters_valid(&both[1]))
		return -E_INVAL;
	u64 now = tables_acquire();
	return tables_release(wire_configure(id, number, both, now));
}

EXPORT(host_link_remove) i32 host_link_remove(u32 id);
i32 host_link_remove(u32 id)
{
	tables_acquire();
	return tables_release(wire_remove(id));
}

/* `access`: a struct link_parameters, or 0 for none; `ipv4s`: `count` addresses, host byte order. */
EXPORT(host_group_set) i32 host_group_set(u32 id, u32 network, uaddr access, uaddr ipv4s, u32 count);
i32 host_group_set(u32 id, u32 network, uaddr access, uaddr ipv4s, u32 count)
{
	const struct link_parameters *parameters = (const struct link_parameters *)(uintptr_t)access;
	if (count > MEMBERS_MOST || (parameters && !link_parameters_valid(parameters)))
		return -E_INVAL;
	u64 now = tables_acquire();
	return tables_release(group_configure(id, network, parameters, (const u32 *)(uintptr_t)ipv4s, count, now));
}

EXPORT(host_group_remove) i32 host_group_remove(u32 id);
i32 host_group_remove(u32 id)
{
	tables_acquire();
	return tables_release(group_remove(id));
}

/* `hops`: `count` times struct hop. */
EXPORT(host_route_set) i32 host_route_set(u32 source, u32 target, uaddr hops, u32 count);
i32 host_route_set(u32 source, u32 target, uaddr hops, u32 count)
{
	const struct hop *all = (const struct hop *)(uintptr_t)hops;
	if (count > HOPS_MOST)
		return -E_INVAL;
	for (u32 i = 0; i < count; i++)
		if (all[i].direction > 1)
			return -E_INVAL;
	tables_acquire();
	return tables_release(route_configure(source, target, all, count));
}

EXPORT(host_route_remove) i32 host_route_remove(u32 source, u32 target);
i32 host_route_remove(u32 source, u32 target)
{
	tables_acquire();
	return tables_release(route_remove(source, target));
}

/* `ipv4s`: first the sources, then the targets. */
EXPORT(host_fault_set) i32 host_fault_set(u32 index, u32 kind, uaddr ipv4s, u32 sources, u32 targets);
i32 host_fault_set(u32 index, u32 kind, uaddr ipv4s, u32 sources, u32 targets)
{
	if (index >= FAULTS_MOST || kind > FAULT_HOLD || sources > MEMBERS_MOST || targets > MEMBERS_MOST)
		return -E_INVAL;
	tables_acquire();
	fault_configure(index, kind, (const u32 *)(uintptr_t)ipv4s, sources, targets);
	return tables_release(0);
}

/* Let all changes act. */
EXPORT(host_network_commit) void host_network_commit(void);
void host_network_commit(void)
{
	u64 now = tables_acquire();
	interfaces_retire();
	paths_update(now);
	pacer_release();
	flow_reconsider();
	lock_release(&network_lock);
}

/* Write the struct link_statistics of a link's direction. */
EXPORT(host_link_statistics) i32 host_link_statistics(u32 id, u32 direction, uaddr at);
i32 host_link_statistics(u32 id, u32 direction, uaddr at)
{
	struct link_statistics *sum = (struct link_statistics *)(uintptr_t)at;
	if (direction > 1)
		return -E_INVAL;
	*sum = (struct link_statistics){0};
	tables_acquire();
	const struct wire *wire = wire_find(id);
	if (wire)
		link_add_statistics(wire->link[direction], sum);
	return tables_release(wire ? 0 : -E_NOENT);
}

/* The same of all access links of a group's interfaces together. */
EXPORT(host_access_statistics) i32 host_access_statistics(u32 group, uaddr at);
i32 host_access_statistics(u32 group, uaddr at)
{
	struct link_statistics *sum = (struct link_statistics *)(uintptr_t)at;
	*sum = (struct link_statistics){0};
	tables_acquire();
	const struct group *found = group_find(group);
	for (const struct interface *member = found ? found->members : NULL; member; member = member->group_next)
		if (member->access)
			link_add_statistics(member->access, sum);
	return tables_release(found ? 0 : -E_NOENT);
}

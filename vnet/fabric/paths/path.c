#include "vnet/fabric/paths/path.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/captures/tap.h"

#define PATH_BUCKETS 1024u

_Atomic u32 paths_configured;
static struct path *paths[PATH_BUCKETS]; /* under the pacer's lock */

static struct path **path_link(struct address source, struct address target)
{
	u64 mixed = (source.low * 31 + target.low + source.high * 7 + target.high) * 0x9e3779b97f4a7c15ull;
	struct path **link = &paths[mixed >> 32 & (PATH_BUCKETS - 1)];
	while (*link && !(address_equal((*link)->source, source) && address_equal((*link)->target, target)))
		link = &(*link)->next;
	return link;
}

static bool fault_between(const struct interface *source, const struct interface *target, enum fault_kind kind)
{
	return source->fault_sources & target->fault_targets & faults_of(kind);
}

/* The links of the route; false when a link of it does not exist. */
static bool plan_route(struct path *plan, const struct route_entry *route)
{
	for (u32 i = 0; i < route->hop_count; i++) {
		struct wire *wire = wire_find(route->hops[i].wire);
		if (!wire)
			return false;
		plan->hops[plan->hop_count++] = wire->link[route->hops[i].direction];
	}
	return true;
}

/* What the tables say of the way between two interfaces; `hops` are not held. */
static struct path path_plan(const struct interface *source, const struct interface *target)
{
	struct path plan = {.mtu = LINK_DEFAULT_MTU, .source = source->address, .target = target->address};
	struct route_entry *route =
		source->group && target->group ? route_entry_find(source->group->id, target->group->id) : NULL;
	if (source->access && target->group) /* the host is not declared: portals and health checks cross no links */
		plan.hops[plan.hop_count++] = source->access;
	plan.unreachable = route ? !plan_route(&plan, route) : source->network != target->network;
	plan.cut = fault_between(source, target, FAULT_CUT);
	plan.held = fault_between(source, target, FAULT_HOLD);
	plan.source_captures = source->captures;
	plan.target_captures = target->captures;
	plan.concerned = plan.unreachable || plan.cut || plan.held || source->captures || target->captures;
	for (u32 i = 0; i < plan.hop_count; i++) {
		plan.mtu = i ? MIN(plan.mtu, plan.hops[i]->parameters.mtu) : plan.hops[i]->parameters.mtu;
		plan.concerned |= plan.hops[i]->captures || !link_transparent(plan.hops[i]);
	}
	return plan;
}

static void hold_hops(const struct path *path)
{
	for (u32 i = 0; i < path->hop_count; i++)
		link_hold(path->hops[i]);
}

static void release_hops(const struct path *path)
{
	for (u32 i = 0; i < path->hop_count; i++)
		link_release(path->hops[i]);
}

bool path_concerned(const struct interface *source, const struct interface *target)
{
	return paths_any() && source && target && source->pod != target->pod && path_plan(source, target).concerned;
}

int path_make(struct account *account, const struct interface *source, const struct interface *target,
	      struct path **path)
{
	struct path **link = path_link(source->address, target->address);
	if (*link) {
		*path = path_hold(*link);
		return 0;
	}
	struct path *made = memory_allocate(account, sizeof(*made));
	if (!made)
		return -E_NOBUFS;
	*made = path_plan(source, target);
	made->references = 1;
	made->account = account_hold(account);
	hold_hops(made);
	*link = *path = made;
	return 0;
}

int path_find(struct account *account, const struct interface *source, const struct interface *target,
	      struct path **path)
{
	*path = NULL;
	if (!paths_any() || !source || !target || source->pod == target->pod)
		return 0;
	struct path *known = *path_link(source->address, target->address);
	if (known ? !known->concerned : !path_concerned(source, target))
		return 0;
	return path_make(account, source, target, path);
}

struct path *path_hold(struct path *path)
{
	path->references++;
	return path;
}

void path_release(struct path *path)
{
	if (--path->references)
		return;
	struct account *account = path->account;
	*path_link(path->source, path->target) = path->next;
	release_hops(path);
	memory_free(account, path, sizeof(*path));
	account_release(account);
}

/* To its sender, whether or not there are links, and to the first of them. */
static void count_cut(const struct path *path)
{
	struct interface *source = interface_find(path->source);
	if (source)
		source->counters.cut_packets++;
	if (path->hop_count)
		path->hops[0]->statistics.cut++;
}

bool path_admit(struct path *path, struct packet *packet)
{
	if (path->cut || path->unreachable) {
		count_cut(path);
		packet_free(packet);
		return false;
	}
	if (!path->held)
		return true;
	packet->next = NULL;
	if (path->waiting_last)
		path->waiting_last->next = packet;
	else
		path->waiting_first = packet;
	path->waiting_last = packet;
	return false;
}

/* They go on where they were stopped, at once and in their order. */
static void release_waiting(struct path *path, u64 now)
{
	struct packet *packet = path->waiting_first;
	path->waiting_first = path->waiting_last = NULL;
	for (struct packet *next; packet; packet = next) {
		next = packet->next;
		event_schedule(&packet->event, now);
	}
}

static void path_update(struct path *path, u64 now)
{
	const struct interface *source = interface_find(path->source), *target = interface_find(path->target);
	struct path was = *path, plan = {.unreachable = true, .concerned = true, .mtu = path->mtu};
	if (source && target)
		plan = path_plan(source, target);
	path->hop_count = plan.hop_count;
	memcpy(path->hops, plan.hops, sizeof(path->hops));
	path->mtu = plan.mtu;
	path->concerned = plan.concerned;
	path->unreachable = plan.unreachable;
	path->cut = plan.cut;
	path->held = plan.held;
	path->source_captures = plan.source_captures;
	path->target_captures = plan.target_captures;
	hold_hops(path);
	release_hops(&was);
	if (!path->held)
		release_waiting(path, now);
}

void paths_update(u64 now)
{
	atomic_store(&paths_configured, groups_concern() | taps_open());
	for (u32 i = 0; i < PATH_BUCKETS; i++)
		for (struct path *path = paths[i]; path; path = path->next)
			path_update(path, now);
}

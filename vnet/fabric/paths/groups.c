#include "vnet/fabric/paths/groups.h"

#include "vnet/fabric/errno.h"

#define GROUP_BUCKETS 1024u
#define ROUTE_BUCKETS 4096u

static u64 faults[FAULT_KINDS]; /* by kind, a bit for each fault */
static struct group *groups[GROUP_BUCKETS];
static struct wire *wires[WIRE_BUCKETS];
static struct route_entry *routes[ROUTE_BUCKETS];
static u32 wire_count, route_count, access_count;

u32 groups_concern(void)
{
	return wire_count + route_count + access_count + (faults[FAULT_CUT] || faults[FAULT_HOLD]);
}

u64 faults_of(enum fault_kind kind)
{
	return faults[kind];
}

static struct group **group_link(u32 id)
{
	struct group **link = &groups[id % GROUP_BUCKETS];
	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

struct group *group_find(u32 id)
{
	return *group_link(id);
}

static void access_remove(struct interface *interface)
{
	if (!interface->access)
		return;
	link_remove(interface->access);
	link_release(interface->access);
	interface->access = NULL;
	access_count--;
}

/* An access link's luck goes with the address. */
static int access_set(struct interface *interface, const struct link_parameters *access, u64 now)
{
	if (!access) {
		access_remove(interface);
		return 0;
	}
	if (interface->access) {
		link_configure(interface->access, access, now);
		return 0;
	}
	interface->access = link_create(address_to_ipv4(interface->address), LINK_ACCESS, access);
	if (!interface->access)
		return -E_NOBUFS;
	access_count++;
	return 0;
}

static void member_remove(struct interface *interface)
{
	access_remove(interface);
	interface->group = NULL;
	interface->group_next = NULL;
	interface->fault_sources = interface->fault_targets = 0;
}

/* Whoever is not declared again leaves. */
static void members_remove(struct interface *members)
{
	for (struct interface *next; members; members = next) {
		next = members->group_next;
		member_remove(members);
	}
}

static struct group *group_create(u32 id, u32 network)
{
	struct group *group = memory_allocate(NULL, sizeof(*group));
	if (!group)
		return NULL;
	group->id = id;
	group->network = network;
	struct group **link = group_link(id);
	group->next = *link;
	*link = group;
	return group;
}

static int member_add(struct group *group, u32 ipv4)
{
	struct interface *interface = interface_declare(group->network, address_from_ipv4(ipv4));
	if (!interface)
		return -E_NOBUFS;
	if (interface->network != group->network || interface->group)
		return -E_ADDRINUSE;
	interface->group = group;
	interface->group_next = group->members;
	group->members = interface;
	return 0;
}

/* Take those out of the group whose addresses are not in the list. */
static void members_keep(struct group *group, const u32 *ipv4s, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct interface *member = interface_find(address_from_ipv4(ipv4s[i]));
		if (member && member->group == group)
			member->declared_again = true;
	}
	struct interface **link = &group->members, *leaving = NULL;
	while (*link) {
		struct interface *member = *link;
		if (member->declared_again) {
			member->declared_again = false;
			link = &member->group_next;
			continue;
		}
		*link = member->group_next;
		member->group_next = leaving;
		leaving = member;
	}
	members_remove(leaving);
}

int group_configure(u32 id, u32 network, const struct link_parameters *access, const u32 *ipv4s, u32 count, u64 now)
{
	struct group *group = group_find(id);
	if (!group)
		group = group_create(id, network);
	if (!group)
		return -E_NOBUFS;
	if (group->network != network)
		return -E_INVAL;
	members_keep(group, ipv4s, count);
	int result = 0;
	for (u32 i = 0; i < count && result == 0; i++) {
		struct interface *member = interface_find(address_from_ipv4(ipv4s[i]));
		if (!member || member->group != group)
			result = member_add(group, ipv4s[i]);
	}
	for (struct interface *member = group->members; member && result == 0; member = member->group_next)
		result = access_set(member, access, now);
	return result;
}

int group_remove(u32 id)
{
	struct group **link = group_link(id), *group = *link;
	if (!group)
		return -E_NOENT;
	*link = group->next;
	members_remove(group->members);
	memory_free(NULL, group, sizeof(*group));
	return 0;
}

static struct wire **wire_link(u32 id)
{
	struct wire **link = &wires[id % WIRE_BUCKETS];
	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

struct wire *wire_find(u32 id)
{
	return *wire_link(id);
}

struct wire *wire_first(u32 bucket)
{
	return wires[bucket];
}

void wires_forget_captures(u32 mask)
{
	for (u32 i = 0; i < WIRE_BUCKETS; i++)
		for (struct wire *wire = wires[i]; wire; wire = wire->next)
			for (u32 direction = 0; direction < 2; direction++)
				wire->link[direction]->captures &= ~mask;
}

static void wire_free(struct wire *wire)
{
	for (u32 direction = 0; direction < 2; direction++) {
		if (!wire->link[direction])
			continue;
		link_remove(wire->link[direction]);
		link_release(wire->link[direction]);
	}
	memory_free(NULL, wire, sizeof(*wire));
}

static int wire_create(u32 id, u32 number, const struct link_parameters parameters[2])
{
	struct wire *wire = memory_allocate(NULL, sizeof(*wire));
	if (!wire)
		return -E_NOBUFS;
	wire->id = id;
	for (u32 direction = 0; direction < 2; direction++)
		wire->link[direction] = link_create(number, direction, &parameters[direction]);
	if (!wire->link[0] || !wire->link[1]) {
		wire_free(wire);
		return -E_NOBUFS;
	}
	struct wire **link = wire_link(id);
	wire->next = *link;
	*link = wire;
	wire_count++;
	return 0;
}

int wire_configure(u32 id, u32 number, const struct link_parameters parameters[2], u64 now)
{
	struct wire *wire = wire_find(id);
	if (!wire)
		return wire_create(id, number, parameters);
	for (u32 direction = 0; direction < 2; direction++)
		link_configure(wire->link[direction], &parameters[direction], now);
	return 0;
}

int wire_remove(u32 id)
{
	struct wire **link = wire_link(id), *wire = *link;
	if (!wire)
		return -E_NOENT;
	*link = wire->next;
	wire_free(wire);
	wire_count--;
	return 0;
}

static struct route_entry **route_link(u32 source, u32 target)
{
	struct route_entry **link = &routes[(source * 2654435761u ^ target * 40503u) % ROUTE_BUCKETS];
	while (*link && ((*link)->source != source || (*link)->target != target))
		link = &(*link)->next;
	return link;
}

struct route_entry *route_entry_find(u32 source, u32 target)
{
	return *route_link(source, target);
}

int route_configure(u32 source, u32 target, const struct hop *hops, u32 count)
{
	struct route_entry **link = route_link(source, target), *route = *link;
	if (!route) {
		route = memory_allocate(NULL, sizeof(*route));
		if (!route)
			return -E_NOBUFS;
		route->source = source;
		route->target = target;
		*link = route;
		route_count++;
	}
	route->hop_count = count;
	memcpy(route->hops, hops, count * sizeof(*hops));
	return 0;
}

int route_remove(u32 source, u32 target)
{
	struct route_entry **link = route_link(source, target), *route = *link;
	if (!route)
		return -E_NOENT;
	*link = route->next;
	route_count--;
	memory_free(NULL, route, sizeof(*route));
	return 0;
}

static void mark(const u32 *ipv4s, u32 count, u64 bit, size_t mask)
{
	for (u32 i = 0; i < count; i++) {
		struct interface *interface = interface_find(address_from_ipv4(ipv4s[i]));
		if (interface)
			*(u64 *)((u8 *)interface + mask) |= bit;
	}
}

static void unmark_all(u64 bit)
{
	for (u32 i = 0; i < GROUP_BUCKETS; i++)
		for (struct group *group = groups[i]; group; group = group->next)
			for (struct interface *member = group->members; member; member = member->group_next) {
				member->fault_sources &= ~bit;
				member->fault_targets &= ~bit;
			}
}

void fault_configure(u32 index, u32 kind, const u32 *ipv4s, u32 sources, u32 targets)
{
	u64 bit = 1ull << index;
	for (u32 other = 0; other < FAULT_KINDS; other++)
		faults[other] &= ~bit;
	faults[kind] |= bit;
	unmark_all(bit);
	mark(ipv4s, sources, bit, offsetof(struct interface, fault_sources));
	mark(ipv4s + sources, targets, bit, offsetof(struct interface, fault_targets));
}

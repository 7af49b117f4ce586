#include "vnet/fabric/pods/network.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/paths/groups.h"
#include "vnet/fabric/text.h"

#define FIRST_EPHEMERAL 32768u /* Linux's default range is 32768 to 60999 */

struct lock network_lock;
static struct interface *interfaces[INTERFACE_BUCKETS];
static char network_names[NETWORKS_MOST][HOSTNAME_SIZE]; /* by number, which begin at 1 */
static _Atomic u32 next_pod_id;

static struct interface **interface_bucket(struct address address)
{
	u64 mixed = (address.high ^ address.low) * 0x9e3779b97f4a7c15ull;
	return &interfaces[mixed >> 32 & (INTERFACE_BUCKETS - 1)];
}

struct interface *interface_find(struct address address)
{
	struct interface *interface = *interface_bucket(address);
	while (interface && !address_equal(interface->address, address))
		interface = interface->next;
	return interface;
}

struct interface *interface_first(u32 bucket)
{
	return interfaces[bucket];
}

struct pod *pod_create(const char *hostname, u64 byte_limit, u32 socket_limit)
{
	struct account *account = account_create(byte_limit, socket_limit);
	struct pod *pod = account ? memory_allocate(NULL, sizeof(*pod)) : NULL;
	if (!pod) {
		if (account)
			account_release(account);
		return NULL;
	}
	pod->references = 1;
	pod->id = atomic_fetch_add(&next_pod_id, 1);
	pod->next_ephemeral = FIRST_EPHEMERAL;
	pod->account = account;
	text_copy(pod->hostname, hostname, HOSTNAME_SIZE);
	return pod;
}

struct pod *pod_hold(struct pod *pod)
{
	atomic_fetch_add(&pod->references, 1);
	return pod;
}

void pod_release(struct pod *pod)
{
	if (atomic_fetch_sub(&pod->references, 1) != 1)
		return;
	account_release(pod->account);
	memory_free(NULL, pod, sizeof(*pod));
}

static void retire(struct interface *interface)
{
	struct interface **link = interface_bucket(interface->address);
	while (*link != interface)
		link = &(*link)->next;
	*link = interface->next;
	memory_free(NULL, interface, sizeof(*interface));
}

struct interface *interface_declare(u32 network, struct address address)
{
	struct interface *interface = interface_find(address), **bucket = interface_bucket(address);
	if (interface && (interface->network == network || interface->pod || interface->group))
		return interface;
	if (interface) /* it was declared elsewhere */
		retire(interface);
	interface = memory_allocate(NULL, sizeof(*interface));
	if (!interface)
		return NULL;
	*interface = (struct interface){.next = *bucket, .network = network, .address = address};
	*bucket = interface;
	return interface;
}

void interfaces_retire(void)
{
	for (u32 i = 0; i < INTERFACE_BUCKETS; i++)
		for (struct interface *interface = interfaces[i], *next; interface; interface = next) {
			next = interface->next;
			if (!interface->pod && !interface->group)
				retire(interface);
		}
}

void interfaces_forget_captures(u32 mask)
{
	for (u32 i = 0; i < INTERFACE_BUCKETS; i++)
		for (struct interface *interface = interfaces[i]; interface; interface = interface->next)
			interface->captures &= ~mask;
}

static int attach_locked(struct pod *pod, u32 network, struct address address, u32 prefix)
{
	if (pod->interface_count == NETWORKS_MOST)
		return -E_NOBUFS;
	struct interface *interface = interface_declare(network, address);
	if (!interface)
		return -E_NOBUFS;
	if (interface->pod || interface->network != network)
		return -E_ADDRINUSE;
	interface->pod = pod;
	interface->prefix = prefix;
	pod->interfaces[pod->interface_count++] = interface;
	return 0;
}

int pod_attach(struct pod *pod, u32 network, struct address address, u32 prefix)
{
	lock_acquire(&network_lock);
	int result = attach_locked(pod, network, address, prefix);
	lock_release(&network_lock);
	return result;
}

static void let_go(struct interface *interface)
{
	interface->pod = NULL;
	if (!interface->group)
		retire(interface);
}

void pod_detach(struct pod *pod, struct address address)
{
	lock_acquire(&network_lock);
	u32 i = 0;
	while (i < pod->interface_count && !address_equal(pod->interfaces[i]->address, address))
		i++;
	if (i < pod->interface_count) {
		struct interface *interface = pod->interfaces[i];
		for (pod->interface_count--; i < pod->interface_count; i++)
			pod->interfaces[i] = pod->interfaces[i + 1];
		let_go(interface);
	}
	lock_release(&network_lock);
}

void pod_detach_all(struct pod *pod)
{
	lock_acquire(&network_lock);
	for (u32 i = 0; i < pod->interface_count; i++)
		let_go(pod->interfaces[i]);
	pod->interface_count = 0;
	lock_release(&network_lock);
}

struct interface *pod_interface(const struct pod *pod, struct address address)
{
	for (u32 i = 0; i < pod->interface_count; i++)
		if (address_equal(pod->interfaces[i]->address, address))
			return pod->interfaces[i];
	return NULL;
}

bool pod_has_address(const struct pod *pod, struct address address)
{
	return pod_interface(pod, address) || address_is_loopback(address);
}

/* The pod's interface on the target's network, or else the first with a route to the target. */
static struct interface *interface_towards(struct pod *pod, const struct interface *target)
{
	for (u32 i = 0; i < pod->interface_count; i++)
		if (pod->interfaces[i]->network == target->network)
			return pod->interfaces[i];
	for (u32 i = 0; i < pod->interface_count && target->group; i++) {
		const struct group *group = pod->interfaces[i]->group;
		if (group && route_entry_find(group->id, target->group->id))
			return pod->interfaces[i];
	}
	return NULL;
}

int route_find(struct pod *pod, struct address to, struct route *route)
{
	if (address_is_any(to)) /* Linux: connecting to 0.0.0.0 means this host */
		to = address_from_ipv4(0x7f000001);
	if (pod_has_address(pod, to)) {
		*route = (struct route){.pod = pod, .source = to};
		return 0;
	}
	struct interface *target = interface_find(to);
	if (!target)
		return -E_HOSTUNREACH;
	struct interface *from = interface_towards(pod, target);
	if (!from)
		return -E_NETUNREACH;
	if (!target->pod)
		return -E_HOSTUNREACH;
	*route = (struct route){.pod = target->pod, .source = from->address, .from = from, .to = target};
	return 0;
}

void network_set_name(u32 network, const char *name)
{
	if (network < 1 || network > NETWORKS_MOST)
		return;
	lock_acquire(&network_lock);
	text_copy(network_names[network - 1], name, HOSTNAME_SIZE);
	lock_release(&network_lock);
}

const char *network_name(u32 network)
{
	return network < 1 || network > NETWORKS_MOST ? "" : network_names[network - 1];
}

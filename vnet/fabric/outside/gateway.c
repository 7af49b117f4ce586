#include "vnet/fabric/outside/gateway.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/outside/resolve.h"
#include "vnet/fabric/sockets/tcp_internal.h"

static struct connects connects; /* lookups are taken with them */
static struct pod *serving;       /* held; NULL while there is no way out; under network_lock */

int gateway_open(struct pod *pod)
{
	lock_acquire(&network_lock);
	int result = serving ? -E_ADDRINUSE : 0;
	if (result == 0)
		serving = pod_hold(pod);
	lock_release(&network_lock);
	return result;
}

void gateway_close(void)
{
	lock_acquire(&network_lock);
	struct pod *pod = serving;
	serving = NULL;
	connects_fail_all(&connects, E_NETUNREACH);
	resolve_fail_all();
	lock_release(&network_lock);
	if (pod)
		pod_release(pod);
}

bool gateway_serves(void)
{
	return serving != NULL;
}

bool gateway_ready(void)
{
	return connects_ready(&connects);
}

struct waitq *gateway_queue(void)
{
	return &connects.changes;
}

void gateway_announce(void)
{
	connects_announce(&connects);
}

void gateway_took(void)
{
	connects_took(&connects);
}

static bool on_network_of(const struct interface *interface, struct address address)
{
	u32 shift = 32 - interface->prefix;
	u64 difference = address_to_ipv4(interface->address) ^ address_to_ipv4(address);
	return address_is_ipv4(address) && difference >> shift == 0;
}

/* The host that serves has an interface on every network. */
int gateway_route(struct pod *pod, struct address to, struct route *route)
{
	if (!serving || !pod->interface_count)
		return -E_NETUNREACH;
	for (u32 i = 0; i < serving->interface_count; i++)
		if (on_network_of(serving->interfaces[i], to))
			return -E_NETUNREACH;
	*route = (struct route){.pod = serving, .source = pod->interfaces[0]->address, .from = pod->interfaces[0]};
	return 0;
}

int gateway_connect(struct socket *client)
{
	return connects_enter(&connects, client);
}

bool gateway_take(struct outside_connect *connect)
{
	lock_acquire(&network_lock);
	bool taken = connects_take(&connects, connect);
	lock_release(&network_lock);
	return taken;
}

int gateway_decide(u32 id, u32 error, struct socket **server)
{
	int result = -E_NOENT;
	lock_acquire(&network_lock);
	struct socket *client = connects_decide(&connects, id);
	if (client) {
		result = error ? 0 : tcp_establish(serving, NULL, client, server);
		tcp_connect_decided(client, result < 0 ? E_NOBUFS : error);
	}
	lock_release(&network_lock);
	return result;
}

u32 gateway_withdrawn(u32 *ids, u32 count)
{
	lock_acquire(&network_lock);
	u32 gone = connects_withdrawn(&connects, ids, count);
	lock_release(&network_lock);
	return gone;
}

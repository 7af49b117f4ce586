#include "vnet/fabric/outside/gateway.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/outside/handover.h"
#include "vnet/fabric/outside/resolve.h"
#include "vnet/fabric/sockets/tcp_internal.h"

struct gateway_request {
	struct handover handover; /* first */
	struct socket *client;
};

static struct handovers connects; /* under network_lock */
static struct pod *serving;       /* held; NULL while there is no way out; under network_lock */
static _Atomic u32 to_take;       /* connects and lookups; under network_lock, read without it */
static _Atomic u32 withdrawals;   /* whether taken connects were withdrawn that the host has not asked for */
static struct waitq changes;

int gateway_open(struct pod *pod)
{
	lock_acquire(&network_lock);
	int result = serving ? -E_ADDRINUSE : 0;
	if (result == 0)
		serving = pod_hold(pod);
	lock_release(&network_lock);
	return result;
}

static void request_free(struct gateway_request *request)
{
	struct pod *pod = request->client->pod;
	if (!request->handover.taken)
		gateway_took();
	handover_leave(&connects, &request->handover);
	request->client->outside = NULL;
	pod->outside_connects--;
	memory_free(pod->account, request, sizeof(*request));
}

void gateway_close(void)
{
	lock_acquire(&network_lock);
	struct pod *pod = serving;
	serving = NULL;
	for (struct handover *next; (next = handover_any(&connects));) {
		struct socket *client = ((struct gateway_request *)next)->client;
		request_free(client->outside);
		tcp_connect_decided(client, E_NETUNREACH);
	}
	resolve_fail_all();
	atomic_store(&withdrawals, 0);
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
	return atomic_load(&to_take) || atomic_load(&withdrawals);
}

struct waitq *gateway_queue(void)
{
	return &changes;
}

void gateway_announce(void)
{
	atomic_fetch_add(&to_take, 1);
	waitq_wake(&changes);
}

void gateway_took(void)
{
	atomic_fetch_sub(&to_take, 1);
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
	struct pod *pod = client->pod;
	if (pod->outside_connects == GATEWAY_CONNECTS_MOST)
		return -E_NOBUFS;
	struct gateway_request *request = memory_allocate(pod->account, sizeof(*request));
	if (!request)
		return -E_NOBUFS;
	pod->outside_connects++;
	request->client = client;
	client->outside = request;
	tcp_connect_waits(client);
	handover_enter(&connects, &request->handover);
	gateway_announce();
	return 0;
}

void gateway_withdraw(struct socket *client)
{
	bool taken = client->outside->handover.taken;
	request_free(client->outside);
	if (taken) {
		atomic_store(&withdrawals, 1);
		waitq_wake(&changes);
	}
}

bool gateway_take(struct gateway_connect *connect)
{
	lock_acquire(&network_lock);
	struct handover *taken = handover_take(&connects);
	if (taken) {
		const struct socket *client = ((struct gateway_request *)taken)->client;
		gateway_took();
		*connect = (struct gateway_connect){
			.id = taken->id,
			.source = client->local,
			.source_port = client->local_port,
			.destination = client->remote,
			.destination_port = client->remote_port,
		};
	}
	lock_release(&network_lock);
	return taken;
}

int gateway_decide(u32 id, u32 error, struct socket **server)
{
	int result = -E_NOENT;
	lock_acquire(&network_lock);
	struct handover *found = handover_find(&connects, id);
	if (found) {
		struct socket *client = ((struct gateway_request *)found)->client;
		request_free(client->outside);
		result = error ? 0 : tcp_establish(serving, NULL, client, server);
		tcp_connect_decided(client, result < 0 ? E_NOBUFS : error);
	}
	lock_release(&network_lock);
	return result;
}

u32 gateway_withdrawn(u32 *ids, u32 count)
{
	u32 gone = 0;
	lock_acquire(&network_lock);
	atomic_store(&withdrawals, 0);
	for (u32 i = 0; i < count; i++)
		if (!handover_find(&connects, ids[i]))
			ids[gone++] = ids[i];
	lock_release(&network_lock);
	return gone;
}

#include "vnet/fabric/outside/connects.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/sockets/tcp_internal.h"

struct connect_request {
	struct handover handover; /* first */
	struct socket *client;
	struct connects *list;
};

void connects_announce(struct connects *list)
{
	atomic_fetch_add(&list->to_take, 1);
	waitq_wake(&list->changes);
}

void connects_took(struct connects *list)
{
	atomic_fetch_sub(&list->to_take, 1);
}

bool connects_ready(const struct connects *list)
{
	return atomic_load(&list->to_take) || atomic_load(&list->withdrawals);
}

int connects_enter(struct connects *list, struct socket *client)
{
	struct pod *pod = client->pod;
	if (pod->outside_connects == OUTSIDE_CONNECTS_MOST)
		return -E_NOBUFS;
	struct connect_request *request = memory_allocate(pod->account, sizeof(*request));
	if (!request)
		return -E_NOBUFS;
	pod->outside_connects++;
	request->client = client;
	request->list = list;
	client->outside = request;
	tcp_connect_waits(client);
	handover_enter(&list->waiting, &request->handover);
	connects_announce(list);
	return 0;
}

static void request_free(struct connect_request *request)
{
	struct pod *pod = request->client->pod;
	if (!request->handover.taken)
		connects_took(request->list);
	handover_leave(&request->list->waiting, &request->handover);
	request->client->outside = NULL;
	pod->outside_connects--;
	memory_free(pod->account, request, sizeof(*request));
}

void connects_withdraw(struct socket *client)
{
	bool taken = client->outside->handover.taken;
	struct connects *list = client->outside->list;
	request_free(client->outside);
	if (taken) {
		atomic_store(&list->withdrawals, 1);
		waitq_wake(&list->changes);
	}
}

void connects_fail_all(struct connects *list, u32 error)
{
	for (struct handover *next; (next = handover_any(&list->waiting));) {
		struct socket *client = ((struct connect_request *)next)->client;
		request_free(client->outside);
		tcp_connect_decided(client, error);
	}
	atomic_store(&list->withdrawals, 0);
}

bool connects_take(struct connects *list, struct outside_connect *connect)
{
	struct handover *taken = handover_take(&list->waiting);
	if (!taken)
		return false;
	const struct socket *client = ((struct connect_request *)taken)->client;
	connects_took(list);
	*connect = (struct outside_connect){
		.id = taken->id,
		.source = client->local,
		.source_port = client->local_port,
		.destination = client->remote,
		.destination_port = client->remote_port,
		.buffers = socket_buffers(client),
	};
	return true;
}

struct socket *connects_decide(struct connects *list, u32 id)
{
	struct handover *found = handover_find(&list->waiting, id);
	if (!found)
		return NULL;
	struct socket *client = ((struct connect_request *)found)->client;
	request_free(client->outside);
	return client;
}

u32 connects_withdrawn(struct connects *list, u32 *ids, u32 count)
{
	u32 gone = 0;
	atomic_store(&list->withdrawals, 0);
	for (u32 i = 0; i < count; i++)
		if (!handover_find(&list->waiting, ids[i]))
			ids[gone++] = ids[i];
	return gone;
}

#include "vnet/fabric/sockets/socket.h"

/* Ids stay below 2^29, so that the guest's calls have room for two marks beside them. */
#define SOCKET_IDS 0x1fffffffu

static struct socket *sockets[SOCKET_BUCKETS]; /* by id; under network_lock */
static u32 next_id;                            /* under network_lock */
static _Atomic u32 open_sockets;

_Atomic u32 *socket_count(void)
{
	return &open_sockets;
}

struct socket *socket_create(struct pod *pod, enum socket_kind kind)
{
	if (!account_add_socket(pod->account))
		return NULL;
	struct socket *socket = memory_allocate(pod->account, sizeof(*socket));
	if (!socket) {
		account_remove_socket(pod->account);
		return NULL;
	}
	socket->kind = kind;
	socket->pod = pod_hold(pod);
	socket->local = socket->remote = ADDRESS_ANY;
	socket->linger = -1;
	atomic_fetch_add(&open_sockets, 1);
	return socket;
}

void socket_free(struct socket *socket)
{
	struct pod *pod = socket->pod;
	memory_free(pod->account, socket, sizeof(*socket));
	account_remove_socket(pod->account);
	pod_release(pod);
	atomic_fetch_sub(&open_sockets, 1);
}

/* An id is not reused until 2^29 sockets have passed. */
void socket_enter(struct socket *socket)
{
	do {
		socket->id = ++next_id & SOCKET_IDS;
	} while (socket->id == 0 || socket_find(socket->pod, socket->id));
	struct socket **bucket = &sockets[socket->id & (SOCKET_BUCKETS - 1)];
	socket->next_by_id = *bucket;
	*bucket = socket;
}

struct socket_ends socket_ends(const struct socket *socket)
{
	lock_acquire(&network_lock);
	struct socket_ends ends = {socket_local(socket), socket_remote(socket)};
	lock_release(&network_lock);
	return ends;
}

struct socket *socket_first(u32 bucket)
{
	return sockets[bucket];
}

void socket_leave(struct socket *socket)
{
	struct socket **link = &sockets[socket->id & (SOCKET_BUCKETS - 1)];
	while (*link != socket)
		link = &(*link)->next_by_id;
	*link = socket->next_by_id;
}

struct socket *socket_find(struct pod *pod, u32 id)
{
	struct socket *socket = sockets[id & (SOCKET_BUCKETS - 1)];
	while (socket && (socket->id != id || socket->pod != pod))
		socket = socket->next_by_id;
	return socket;
}

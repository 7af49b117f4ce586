#include "vnet/fabric/broadcast.h"

#define BROADCAST_BUCKETS 1024u

static struct socket *listeners[BROADCAST_BUCKETS]; /* by port */

static struct socket **bucket_of(u32 port)
{
	return &listeners[port & (BROADCAST_BUCKETS - 1)];
}

void broadcast_enter(struct socket *socket)
{
	struct socket **bucket = bucket_of(socket->local_port);
	socket->next_by_number = *bucket;
	*bucket = socket;
}

void broadcast_leave(struct socket *socket)
{
	struct socket **link = bucket_of(socket->local_port);
	while (*link != socket)
		link = &(*link)->next_by_number;
	*link = socket->next_by_number;
}

static const struct interface *interface_on(const struct pod *pod, u32 network)
{
	for (u32 i = 0; i < pod->interface_count; i++)
		if (pod->interfaces[i]->network == network)
			return pod->interfaces[i];
	return NULL;
}

/* Linux: a socket bound to one of its pod's own addresses hears no broadcast. */
static bool hears(const struct socket *socket, const struct datagram *datagram, struct endpoint to)
{
	if (socket->local_port != to.port)
		return false;
	if (!address_is_any(socket->local) && !address_equal(socket->local, to.address))
		return false;
	return socket->state != TCP_ESTABLISHED || endpoint_equal(socket_remote(socket), datagram->source);
}

static void give_copy(struct socket *socket, const struct datagram *datagram)
{
	struct datagram *copy = datagram_create(socket->pod->account, datagram->source, datagram->size);
	if (!copy)
		return;
	memcpy(copy->payload, datagram->payload, datagram->size);
	datagram_enqueue(socket, copy);
}

void broadcast_send(const struct interface *from, const struct datagram *datagram, struct endpoint to)
{
	for (struct socket *socket = *bucket_of(to.port); socket; socket = socket->next_by_number)
		if (hears(socket, datagram, to) && interface_on(socket->pod, from->network))
			give_copy(socket, datagram);
}

#include "vnet/fabric/sockets/datagram.h"

#include "vnet/fabric/sockets/association.h"
#include "vnet/fabric/sockets/datagram_queue.h"
#include "vnet/fabric/sockets/echo.h"
#include "vnet/fabric/errno.h"
#include "vnet/fabric/paths/path.h"
#include "vnet/fabric/pods/policy.h"
#include "vnet/fabric/sockets/ports.h"
#include "vnet/fabric/pods/subnet.h"

#define PORT_BUCKETS 1024u

/* Every bound datagram socket of the node, by port: those that a broadcast may reach. Under network_lock. */
static struct socket *listeners[PORT_BUCKETS];
static u32 last_broadcast; /* under network_lock */

static struct socket **bucket_of(u32 port)
{
	return &listeners[port & (PORT_BUCKETS - 1)];
}

void datagram_listen(struct socket *socket)
{
	struct socket **bucket = bucket_of(socket->local_port);
	socket->next_by_number = *bucket;
	*bucket = socket;
}

void datagram_unlisten(struct socket *socket)
{
	struct socket **link = bucket_of(socket->local_port);
	while (*link != socket)
		link = &(*link)->next_by_number;
	*link = socket->next_by_number;
}

/* As on Linux, an address of the pod's subnets that nobody has may be sent to: that nobody answers the ARP request
 * is not told. */
static int route_to_one(const struct pod *pod, struct address to, struct route *route)
{
	if (address_is_multicast(to))
		return -E_NETUNREACH;
	int result = route_find((struct pod *)pod, to, route);
	if (result != -E_HOSTUNREACH)
		return result;
	const struct interface *interface = subnet_interface(pod, to);
	if (!interface && interface_find(to) && pod->interface_count) /* behind a router */
		interface = pod->interfaces[0];
	if (!interface)
		return -E_NETUNREACH;
	*route = (struct route){.source = interface->address};
	return 0;
}

int datagram_route(const struct socket *socket, struct address to, struct datagram_route *found)
{
	const struct pod *pod = socket->pod;
	*found = (struct datagram_route){.broadcast = broadcast_interface(pod, socket->bound_address, to)};
	if (found->broadcast) {
		found->route.source = found->broadcast->address;
		return socket->broadcast ? 0 : -E_ACCES;
	}
	int result = route_to_one(pod, to, &found->route);
	if (pod_has_address(pod, socket->bound_address))
		found->route.source = socket->bound_address;
	return result;
}

/* Over the path of two that are concerned. */
static void pace(struct packet *packet, const struct interface *from, const struct interface *to)
{
	struct path *path;
	pacer_acquire();
	if (path_make(packet->account, from, to, &path) < 0) {
		packet_free(packet);
	} else {
		packet->flow_key =
			packet_flow_key(path, PACKET_UDP, packet->datagram.source_port, packet->datagram.target_port);
		packet_send(packet, path, pacer_time());
		path_release(path);
	}
	pacer_release();
}

static struct endpoint source_of(const struct packet *packet)
{
	return (struct endpoint){packet->source, packet->datagram.source_port};
}

static struct endpoint target_of(const struct packet *packet)
{
	return (struct endpoint){packet->target, packet->datagram.target_port};
}

/* Of interfaces, those within a pod are NULL. */
static void count_sent(struct interface *from, u32 size)
{
	if (!from)
		return;
	from->counters.sent_datagrams++;
	from->counters.sent_bytes += size;
}

static void count_arrived(struct interface *at, u32 size, bool taken)
{
	if (!at)
		return;
	at->counters.received_datagrams += taken;
	at->counters.received_bytes += taken ? size : 0;
	at->counters.dropped_datagrams += !taken;
}

/* Give a packet that has come to the interface to its receiver. */
static void hand_over(struct interface *at, struct socket *receiver, struct packet *packet)
{
	u32 size = packet->payload_size;
	count_arrived(at, size, datagram_enqueue(receiver, packet));
}

/* Policies are asked when two begin to speak; what follows, in both directions, passes. */
static enum verdict permitted(struct endpoint source, struct endpoint target, struct interface *from,
			      struct interface *to)
{
	if (!from || !policies_any())
		return VERDICT_ALLOW;
	u64 now = clock_now(CLOCK_ID_MONOTONIC);
	if (association_renew(source, target, now))
		return VERDICT_ALLOW;
	enum verdict verdict = policy_decide(from, to, target.address, POLICY_UDP, target.port);
	if (verdict == VERDICT_ALLOW)
		association_begin(source, target, now);
	return verdict;
}

/* Linux: a socket bound to one of its pod's own addresses hears no broadcast. */
static bool hears(const struct socket *socket, const struct packet *packet)
{
	if (socket->local_port != packet->datagram.target_port)
		return false;
	if (!address_is_any(socket->local) && !address_equal(socket->local, packet->datagram.to))
		return false;
	return socket->state != TCP_ESTABLISHED || endpoint_equal(socket_remote(socket), source_of(packet));
}

static struct packet *copy_of(const struct packet *packet, struct account *account)
{
	struct packet *copy = packet_create(account, PACKET_UDP, packet->payload_size);
	if (!copy)
		return NULL;
	copy->source = packet->source;
	copy->datagram = packet->datagram;
	memcpy(copy->payload, packet->payload, packet->payload_size);
	return copy;
}

/* Give a copy of a broadcast to every socket of the pod that hears it. To the interface, all of them are one. */
static void broadcast_deliver(struct interface *at, const struct packet *packet)
{
	u32 port = packet->datagram.target_port;
	bool heard = false, taken = false;
	struct pod *pod = at->pod;
	for (struct socket *socket = NULL; (socket = port_next(pod, SOCKET_DATAGRAM, port, socket));) {
		if (!hears(socket, packet))
			continue;
		struct packet *copy = copy_of(packet, pod->account);
		heard = true;
		taken |= copy && datagram_enqueue(socket, copy);
	}
	if (heard && !pod_has_address(pod, packet->source))
		count_arrived(at, packet->payload_size, taken);
}

static struct interface *interface_on(const struct pod *pod, u32 network)
{
	for (u32 i = 0; i < pod->interface_count; i++)
		if (pod->interfaces[i]->network == network)
			return pod->interfaces[i];
	return NULL;
}

/* A copy that the sender's pod cannot pay for is lost, as it would be on the way. */
static void broadcast_pace(const struct packet *packet, const struct interface *from, const struct interface *to)
{
	struct packet *copy = copy_of(packet, packet->account);
	if (copy)
		pace(copy, from, to);
}

/* To each pod once, by its path if it has one. */
static void broadcast_send(const struct packet *packet, struct interface *from)
{
	last_broadcast++;
	for (struct socket *socket = *bucket_of(packet->datagram.target_port); socket;
	     socket = socket->next_by_number) {
		struct pod *pod = socket->pod;
		struct interface *to = interface_on(pod, from->network);
		if (!to || pod->last_broadcast == last_broadcast)
			continue;
		pod->last_broadcast = last_broadcast;
		struct endpoint target = {to->address, packet->datagram.target_port};
		if (permitted(source_of(packet), target, from, to) != VERDICT_ALLOW)
			continue;
		if (path_concerned(from, to))
			broadcast_pace(packet, from, to);
		else
			broadcast_deliver(to, packet);
	}
}

static void send_broadcast(struct packet *packet, struct interface *from, struct endpoint to)
{
	packet->datagram.broadcast = true;
	packet->datagram.to = to.address;
	count_sent(from, packet->payload_size);
	broadcast_send(packet, from);
	packet_free(packet);
}

/* To the pod at once, without a path. */
static void deliver(struct pod *sender, const struct route *route, struct packet *packet)
{
	struct endpoint source = source_of(packet), target = target_of(packet);
	struct socket *receiver = port_receiver(route->pod, target, source);
	if (receiver) {
		hand_over(route->to, receiver, packet);
		return;
	}
	packet_free(packet);
	datagram_refused(sender, source, target);
}

static void send_to_one(struct pod *sender, struct packet *packet, const struct route *route)
{
	struct endpoint source = source_of(packet), target = target_of(packet);
	enum verdict verdict = permitted(source, target, route->from, route->to);
	if (!route->pod || verdict != VERDICT_ALLOW) {
		packet_free(packet);
		if (verdict == VERDICT_REJECT)
			datagram_refused(sender, source, target);
		return;
	}
	count_sent(route->from, packet->payload_size);
	if (path_concerned(route->from, route->to))
		pace(packet, route->from, route->to);
	else
		deliver(sender, route, packet);
}

int datagram_send(struct socket *socket, struct packet *packet, struct endpoint to)
{
	struct datagram_route found;
	int result = datagram_route(socket, to.address, &found);
	if (result < 0) {
		packet_free(packet);
		return result;
	}
	packet->source = found.route.source;
	packet->target = address_is_any(to.address) ? found.route.source : to.address;
	packet->datagram.source_port = socket->local_port;
	packet->datagram.target_port = (u16)to.port;
	if (found.broadcast)
		send_broadcast(packet, found.broadcast, to);
	else
		send_to_one(socket->pod, packet, &found.route);
	return 0;
}

void datagram_receive(struct packet *packet, u64 now)
{
	struct interface *interface = interface_find(packet->target);
	if (!interface || !interface->pod) {
		packet_free(packet);
		return;
	}
	bool sound = !(packet->flags & PACKET_CORRUPT);
	if (packet->datagram.broadcast) {
		if (sound)
			broadcast_deliver(interface, packet);
		packet_free(packet);
		return;
	}
	struct socket *receiver = port_receiver(interface->pod, target_of(packet), source_of(packet));
	if (!sound && !(receiver && atomic_load(&receiver->no_check)))
		packet_free(packet); /* its checksum is wrong */
	else if (receiver)
		hand_over(interface, receiver, packet);
	else
		echo_unreachable(packet, now);
}

void datagram_refused(struct pod *pod, struct endpoint from, struct endpoint to)
{
	for (struct socket *socket = NULL; (socket = port_next(pod, SOCKET_DATAGRAM, from.port, socket));) {
		if (socket->state != TCP_ESTABLISHED || !endpoint_equal(socket_remote(socket), to) ||
		    !address_equal(socket->local, from.address))
			continue;
		atomic_store(&socket->error, E_CONNREFUSED);
		waitq_wake(&socket->changes);
		return;
	}
}

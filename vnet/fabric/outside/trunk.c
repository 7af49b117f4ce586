#include "vnet/fabric/outside/trunk.h"

#include "vnet/fabric/captures/tap.h"
#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow_internal.h"
#include "vnet/fabric/pods/policy.h"
#include "vnet/fabric/sockets/association.h"
#include "vnet/fabric/sockets/datagram.h"
#include "vnet/fabric/sockets/datagram_queue.h"
#include "vnet/fabric/sockets/echo.h"
#include "vnet/fabric/sockets/ports.h"
#include "vnet/fabric/sockets/udp.h"

static struct pod *elsewhere; /* held; NULL while nobody serves; under network_lock, as all below */
static struct trunk_sockets ends;
static struct connects connects;

static bool make_sockets(struct pod *pod, struct trunk_sockets *sockets)
{
	sockets->listener = tcp_open(pod);
	sockets->records = sockets->listener ? socket_create(pod, SOCKET_TRUNK) : NULL;
	if (sockets->records)
		return true;
	if (sockets->listener)
		tcp_close(sockets->listener);
	return false;
}

int trunk_open(u64 byte_limit, u32 socket_limit, struct trunk_sockets *sockets)
{
	struct pod *pod = pod_create("", byte_limit, socket_limit);
	if (!pod)
		return -E_NOBUFS;
	pod->is_remote = true;
	if (!make_sockets(pod, sockets)) {
		pod_release(pod);
		return -E_NOBUFS;
	}
	sockets->records->receive_buffer = TRUNK_BUFFER;
	sockets->listener->backlog = TCP_BACKLOG_MOST;
	lock_acquire(&network_lock);
	bool taken = elsewhere;
	socket_enter(sockets->records);
	atomic_store(&sockets->listener->state, TCP_LISTEN);
	if (!taken) {
		elsewhere = pod;
		ends = *sockets;
	}
	lock_release(&network_lock);
	if (!taken)
		return 0;
	trunk_records_close(sockets->records);
	tcp_close(sockets->listener);
	pod_release(pod);
	return -E_ADDRINUSE;
}

/* All interfaces of the pods elsewhere; one at a time, since going frees them. */
static void detach_all(struct pod *pod)
{
	for (u32 i = 0; i < INTERFACE_BUCKETS; i++)
		for (struct interface *at = interface_first(i), *next; at; at = next) {
			next = at->next;
			if (at->pod == pod)
				interface_take(at);
		}
}

void trunk_close(void)
{
	lock_acquire(&network_lock);
	struct pod *pod = elsewhere;
	elsewhere = NULL;
	ends = (struct trunk_sockets){NULL, NULL};
	connects_fail_all(&connects, E_HOSTUNREACH);
	if (pod)
		detach_all(pod);
	lock_release(&network_lock);
	if (pod)
		pod_release(pod);
}

void trunk_records_close(struct socket *socket)
{
	lock_acquire(&network_lock);
	if (ends.records == socket)
		ends.records = NULL;
	socket_leave(socket);
	lock_release(&network_lock);
	datagram_discard_all(socket);
	socket_free(socket);
}

bool trunk_ready(void)
{
	return connects_ready(&connects);
}

struct waitq *trunk_queue(void)
{
	return &connects.changes;
}

int trunk_attach(u32 network, struct address address, u32 prefix)
{
	return elsewhere ? pod_attach_remote(elsewhere, network, address, prefix) : -E_NOTCONN;
}

int trunk_detach(struct address address)
{
	return elsewhere ? pod_detach_remote(elsewhere, address) : -E_NOTCONN;
}

int trunk_connect(struct socket *client)
{
	return connects_enter(&connects, client);
}

struct socket *trunk_listener(void)
{
	return ends.listener;
}

bool trunk_take(struct outside_connect *connect)
{
	lock_acquire(&network_lock);
	bool taken = connects_take(&connects, connect);
	lock_release(&network_lock);
	return taken;
}

/* Under network_lock. The direct connection of a client to a pod elsewhere, whose end has these buffers. */
static int establish(struct socket *client, struct socket_buffers buffers, struct socket **server)
{
	if (!elsewhere)
		return -E_NOBUFS;
	int result = tcp_establish(elsewhere, NULL, client, server);
	if (result < 0)
		return result;
	(*server)->send_buffer = buffers.send;
	(*server)->receive_buffer = buffers.receive;
	connection_set_limits(client->connection);
	return 0;
}

int trunk_decide(u32 id, u32 error, struct socket_buffers buffers, struct socket **server)
{
	int result = -E_NOENT;
	bool established = false;
	lock_acquire(&network_lock);
	struct socket *client = connects_decide(&connects, id);
	if (client) {
		result = error ? 0 : establish(client, buffers, server);
		established = !error && result == 0;
		tcp_connect_decided(client, result < 0 ? E_NOBUFS : error);
		if (established)
			flow_reconsider_one(client); /* the configuration may have changed meanwhile */
	}
	lock_release(&network_lock);
	return result;
}

u32 trunk_withdrawn(u32 *ids, u32 count)
{
	lock_acquire(&network_lock);
	u32 gone = connects_withdrawn(&connects, ids, count);
	lock_release(&network_lock);
	return gone;
}

/* Under network_lock. A record for the host; `payload` may be NULL when it is empty. */
static void tell(const struct trunk_record *record, const u8 *payload, u32 size)
{
	if (!ends.records)
		return;
	struct packet *told = packet_create(elsewhere->account, PACKET_ICMP, (u32)sizeof(*record) + size);
	if (!told)
		return;
	memcpy(told->payload, record, sizeof(*record));
	if (size)
		memcpy(told->payload + sizeof(*record), payload, size);
	datagram_enqueue(ends.records, told);
}

void trunk_ask(const struct flow *flow)
{
	const struct connection *connection = flow->connection;
	tell(
		&(struct trunk_record){
			.protocol = PACKET_TCP,
			.source = address_to_ipv4(flow->path->target),
			.source_port = connection->ports[1 - flow->side],
			.target = address_to_ipv4(flow->path->source),
			.target_port = connection->ports[flow->side],
		},
		NULL, 0);
}

static void describe_datagram(struct trunk_record *record, const struct datagram_packet *datagram)
{
	record->source_port = datagram->source_port;
	record->target_port = datagram->target_port;
	record->flags |= datagram->broadcast ? (u32)TRUNK_BROADCAST : 0;
	record->to = address_to_ipv4(datagram->to);
}

static void describe_echo(struct trunk_record *record, const struct echo_packet *echo, u64 now)
{
	record->source_port = echo->source_port;
	record->target_port = echo->target_port;
	record->flags |= echo->reply ? (u32)TRUNK_REPLY : 0;
	record->identifier = echo->identifier;
	record->sequence = echo->sequence;
	record->refused = echo->refused;
	record->elapsed = echo->started ? now - echo->started : 0;
}

void trunk_carry(struct packet *packet, u64 now)
{
	struct trunk_record record = {
		.protocol = packet->protocol,
		.flags = packet->flags & PACKET_CORRUPT ? (u32)TRUNK_CORRUPT : 0,
		.source = address_to_ipv4(packet->source),
		.target = address_to_ipv4(packet->target),
	};
	if (packet->protocol == PACKET_UDP)
		describe_datagram(&record, &packet->datagram);
	else
		describe_echo(&record, &packet->echo, now);
	tell(&record, packet->payload, packet->payload_size);
	packet_free(packet);
}

/* Under network_lock. The flow that is to answer the SYN that `record` is about; NULL when nobody waits any more. */
static struct flow *find_asker(const struct trunk_record *record)
{
	const struct interface *source = interface_find(address_from_ipv4(record->source));
	struct endpoint target = {address_from_ipv4(record->target), record->target_port};
	if (!source || !source->pod)
		return NULL;
	for (struct socket *client = NULL;
	     (client = port_next(source->pod, SOCKET_STREAM, record->source_port, client));)
		if (client->state == TCP_SYN_SENT && client->connection &&
		    address_equal(client->local, source->address) && endpoint_equal(socket_remote(client), target))
			return connection_flow(client->connection, 1);
	return NULL;
}

void trunk_answer(const struct trunk_record *record, u32 error, struct socket_buffers buffers)
{
	lock_acquire(&network_lock);
	pacer_acquire();
	struct flow *flow = find_asker(record);
	if (flow)
		handshake_answered(flow, error, buffers, pacer_time());
	pacer_release();
	lock_release(&network_lock);
}

/* Under network_lock. The interface of a pod on this node that has the address, or NULL. */
static struct interface *interface_here(struct address address)
{
	struct interface *interface = interface_find(address);
	return interface && interface->pod && !interface->pod->is_remote ? interface : NULL;
}

/* Under network_lock. Whoever may speak from another node: its pods, and the node itself, whose addresses all nodes
 * have. */
static struct interface *interface_there(struct address address)
{
	struct interface *interface = interface_find(address);
	return interface && interface->pod && (interface->pod->is_remote || interface->pod->is_node) ? interface : NULL;
}

int trunk_probe(struct endpoint target, struct socket_buffers *buffers)
{
	int result = -E_HOSTUNREACH;
	lock_acquire(&network_lock);
	const struct interface *interface = interface_here(target.address);
	const struct socket *listener = interface ? port_listener(interface->pod, target.address, target.port) : NULL;
	if (interface)
		result = listener ? 0 : -E_CONNREFUSED;
	if (listener) {
		*buffers = socket_buffers(listener);
		result = listener->queued < listener->backlog ? 0 : -E_AGAIN;
	}
	lock_release(&network_lock);
	return result;
}

static struct socket *client_create(struct endpoint source, struct endpoint target, struct socket_buffers buffers)
{
	struct socket *client = tcp_open(elsewhere);
	if (!client)
		return NULL;
	client->local = source.address;
	client->local_port = (u16)source.port;
	client->remote = target.address;
	client->remote_port = (u16)target.port;
	client->send_buffer = buffers.send;
	client->receive_buffer = buffers.receive;
	client->no_delay = true; /* the node of the real client has decided when to send */
	return client;
}

int trunk_arrive(struct endpoint source, struct endpoint target, struct socket_buffers buffers, struct socket **client)
{
	if (!elsewhere)
		return -E_NOTCONN;
	struct socket *made = client_create(source, target, buffers);
	if (!made)
		return -E_NOBUFS;
	lock_acquire(&network_lock);
	struct interface *from = interface_there(source.address), *to = interface_here(target.address);
	int result = from ? -E_HOSTUNREACH : -E_ADDRNOTAVAIL;
	if (from && to)
		result = tcp_connect_arrived(made, from, to);
	lock_release(&network_lock);
	if (result < 0)
		tcp_close(made);
	else
		*client = made;
	return result;
}

struct socket_buffers trunk_far_buffers(const struct socket *socket)
{
	struct socket_buffers buffers = {0, 0};
	lock_acquire(&network_lock);
	const struct socket *far = socket->connection ? socket->connection->ends[1 - socket->side] : NULL;
	if (far)
		buffers = socket_buffers(far);
	lock_release(&network_lock);
	return buffers;
}

static struct packet *packet_of(const struct trunk_record *record, const u8 *payload, u32 size)
{
	struct packet *packet = packet_create(elsewhere->account, (enum packet_protocol)record->protocol, size);
	if (!packet)
		return NULL;
	memcpy(packet->payload, payload, size);
	packet->source = address_from_ipv4(record->source);
	packet->target = address_from_ipv4(record->target);
	packet->flags = record->flags & TRUNK_CORRUPT ? (u8)PACKET_CORRUPT : 0;
	if (record->protocol == PACKET_UDP)
		packet->datagram = (struct datagram_packet){
			.source_port = (u16)record->source_port,
			.target_port = (u16)record->target_port,
			.broadcast = record->flags & TRUNK_BROADCAST,
			.to = address_from_ipv4(record->to),
		};
	else
		packet->echo = (struct echo_packet){
			.identifier = record->identifier,
			.sequence = record->sequence,
			.reply = record->flags & TRUNK_REPLY,
			.refused = (u8)record->refused,
			.source_port = (u16)record->source_port,
			.target_port = (u16)record->target_port,
		};
	return packet;
}

/* The far node's policies have let it pass: so they have what is answered. */
static void associate(const struct trunk_record *record)
{
	struct endpoint source = {address_from_ipv4(record->source), record->source_port};
	struct endpoint target = {address_from_ipv4(record->target), record->target_port};
	u64 now = clock_now(CLOCK_ID_MONOTONIC);
	if (policies_any() && !association_renew(source, target, now))
		association_begin(source, target, now);
}

/* Under network_lock and the pacer's lock. */
static void receive(struct packet *packet, const struct trunk_record *record, u32 captures)
{
	u64 now = pacer_time();
	if (captures)
		tap_packet(captures, packet, now, CAPTURE_IN, CAPTURE_PASSED);
	if (packet->protocol == PACKET_UDP) {
		datagram_receive(packet, now);
		return;
	}
	packet->echo.started = now - MIN(record->elapsed, now);
	echo_receive(packet, now);
}

/* Under network_lock. An echo of a pod that is gone is answered too: nobody is there. */
static int may_arrive(const struct packet *packet, const struct interface *to)
{
	if (!interface_there(packet->source) || (to && interface_is_remote(to)))
		return -E_ADDRNOTAVAIL;
	return packet->protocol == PACKET_ICMP || (to && to->pod) ? 0 : -E_HOSTUNREACH;
}

int trunk_deliver(const struct trunk_record *record, const u8 *payload, u32 size)
{
	bool known = record->protocol == PACKET_UDP || record->protocol == PACKET_ICMP;
	if (!elsewhere || !known || size > DATAGRAM_MOST)
		return -E_INVAL;
	struct packet *packet = packet_of(record, payload, size);
	if (!packet)
		return -E_NOBUFS;
	lock_acquire(&network_lock);
	const struct interface *to = interface_find(packet->target);
	int result = may_arrive(packet, to);
	if (result == 0) {
		if (record->protocol == PACKET_UDP)
			associate(record);
		pacer_acquire();
		receive(packet, record, to ? to->captures : 0);
		pacer_release();
	} else {
		packet_free(packet);
	}
	lock_release(&network_lock);
	return result;
}

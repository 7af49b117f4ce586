#include "vnet/fabric/sockets/echo.h"

#include "vnet/fabric/sockets/datagram.h"
#include "vnet/fabric/sockets/datagram_queue.h"
#include "vnet/fabric/errno.h"
#include "vnet/fabric/outside/trunk.h"
#include "vnet/fabric/paths/path.h"
#include "vnet/fabric/pods/policy.h"
#include "vnet/fabric/captures/tap.h"
#include "vnet/fabric/sockets/udp.h"

#define QUOTED_SIZE (FRAME_IPV4 + 8u) /* what RFC 792 has a message say of the packet that it is about */

static struct socket *listener; /* under network_lock */

struct socket *echo_open(struct pod *host)
{
	struct socket *socket = socket_create(host, SOCKET_ECHO);
	if (!socket)
		return NULL;
	socket->receive_buffer = UDP_BUFFER_MOST;
	lock_acquire(&network_lock);
	bool taken = listener;
	if (!taken) {
		socket_enter(socket);
		listener = socket;
	}
	lock_release(&network_lock);
	if (taken)
		socket_free(socket);
	return taken ? NULL : socket;
}

void echo_close(struct socket *socket)
{
	lock_acquire(&network_lock);
	listener = NULL;
	socket_leave(socket);
	lock_release(&network_lock);
	datagram_discard_all(socket);
	socket_free(socket);
}

static void report(const struct packet *packet, u32 error, u64 now)
{
	struct echo_result result = {
		.identifier = packet->echo.identifier,
		.sequence = packet->echo.sequence,
		.size = packet->payload_size,
		.error = error,
		.sent = packet->echo.started,
		.received = now,
	};
	if (!listener)
		return;
	struct packet *record = packet_create(listener->pod->account, PACKET_ICMP, sizeof(result));
	if (!record)
		return;
	memcpy(record->payload, &result, sizeof(result));
	datagram_enqueue(listener, record);
}

/* Along the path from its source to its target; at once when there is none. */
static void echo_dispatch(struct packet *packet, u64 now)
{
	struct path *path;
	if (path_find(packet->account, interface_find(packet->source), interface_find(packet->target), &path) < 0) {
		packet_free(packet);
		return;
	}
	if (!path) {
		echo_receive(packet, now);
		return;
	}
	packet->flow_key = packet_flow_key(path, PACKET_ICMP, packet->echo.identifier & 0xffff, 0);
	packet_send(packet, path, now);
	path_release(path);
}

/* As ping fills it. */
static void fill(struct packet *packet)
{
	for (u32 i = 0; i < packet->payload_size; i++)
		packet->payload[i] = (u8)i;
}

/* What a pod asks itself goes through no interface. */
static bool is_within_pod(const struct packet *packet)
{
	return address_equal(packet->source, packet->target);
}

static void count_sent(const struct packet *packet, struct interface *from)
{
	if (is_within_pod(packet))
		return;
	from->counters.sent_echoes++;
	from->counters.sent_bytes += packet->payload_size;
}

static void count_received(const struct packet *packet, struct interface *at)
{
	if (is_within_pod(packet))
		return;
	at->counters.received_echoes++;
	at->counters.received_bytes += packet->payload_size;
}

/* Under network_lock. */
static bool permitted(const struct route *route, struct address target)
{
	return !route->from || policy_decide(route->from, route->to, target, POLICY_ICMP, 0) == VERDICT_ALLOW;
}

/* Under network_lock. The packet stays the caller's when it cannot be sent. */
static int send_request(struct packet *packet, struct address source, struct address target)
{
	const struct interface *interface = interface_find(source);
	struct route route;
	int result = interface && interface->pod ? route_find(interface->pod, target, &route) : -E_ADDRNOTAVAIL;
	if (result == 0 && !permitted(&route, target))
		result = -E_ACCES;
	if (result < 0)
		return result;
	packet->source = route.to ? route.source : source;
	packet->target = route.to ? target : source; /* a pod asks itself: 127.0.0.1 among others */
	count_sent(packet, route.from);
	pacer_acquire();
	packet->echo.started = pacer_time();
	echo_dispatch(packet, packet->echo.started);
	pacer_release();
	return 0;
}

int echo_send(struct address source, struct address target, u32 identifier, u32 sequence, u32 size)
{
	if (size > ECHO_PAYLOAD_MOST)
		return -E_MSGSIZE;
	int result = -E_NOBUFS;
	lock_acquire(&network_lock);
	struct packet *packet = listener ? packet_create(listener->pod->account, PACKET_ICMP, size) : NULL;
	if (packet) {
		packet->echo.identifier = identifier;
		packet->echo.sequence = sequence;
		fill(packet);
		result = send_request(packet, source, target);
		if (result < 0)
			packet_free(packet);
	}
	lock_release(&network_lock);
	return result;
}

static void quote(const struct packet *packet, u8 to[QUOTED_SIZE])
{
	u8 headers[FRAME_HEADERS_MOST];
	struct frame frame = tap_describe(packet);
	frame.payload_size = packet->payload_size;
	frame.payload_sum = checksum_add(0, packet->payload, packet->payload_size);
	frame_write(&frame, headers);
	memcpy(to, headers + FRAME_ETHERNET, QUOTED_SIZE);
}

static struct packet *message_about(const struct packet *refused)
{
	struct packet *message = packet_create(refused->account, PACKET_ICMP, QUOTED_SIZE);
	if (!message)
		return NULL;
	quote(refused, message->payload);
	message->source = refused->target;
	message->target = refused->source;
	if (refused->protocol == PACKET_ICMP)
		message->echo = refused->echo;
	else
		message->echo = (struct echo_packet){.source_port = refused->datagram.source_port,
						     .target_port = refused->datagram.target_port};
	message->echo.refused = refused->protocol;
	return message;
}

void echo_unreachable(struct packet *packet, u64 now)
{
	struct packet *message = message_about(packet);
	packet_free(packet);
	if (message)
		echo_dispatch(message, now);
}

static void refused(const struct packet *message, u64 now)
{
	if (message->echo.refused == PACKET_ICMP) {
		report(message, E_HOSTUNREACH, now);
		return;
	}
	const struct interface *interface = interface_find(message->target);
	if (interface && interface->pod)
		datagram_refused(interface->pod, (struct endpoint){message->target, message->echo.source_port},
				 (struct endpoint){message->source, message->echo.target_port});
}

static void answer(struct packet *request, u64 now)
{
	struct interface *interface = interface_find(request->target);
	struct address source = request->source;
	if (!interface || !interface->pod) {
		echo_unreachable(request, now);
		return;
	}
	if (atomic_load(&interface->pod->paused)) {
		packet_free(request);
		return;
	}
	count_received(request, interface);
	request->source = request->target;
	request->target = source;
	request->echo.reply = true;
	count_sent(request, interface);
	echo_dispatch(request, now);
}

static void replied(const struct packet *reply, u64 now)
{
	struct interface *interface = interface_find(reply->target);
	if (interface && interface->pod)
		count_received(reply, interface);
	report(reply, 0, now);
}

void echo_receive(struct packet *packet, u64 now)
{
	const struct interface *at = interface_find(packet->target);
	if (at && interface_is_remote(at)) {
		trunk_carry(packet, now);
		return;
	}
	if (!packet->echo.refused && !packet->echo.reply) {
		answer(packet, now);
		return;
	}
	if (packet->echo.refused)
		refused(packet, now);
	else
		replied(packet, now);
	packet_free(packet);
}

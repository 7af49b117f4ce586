#include "vnet/fabric/sockets/udp.h"

#include "vnet/fabric/sockets/datagram.h"
#include "vnet/fabric/sockets/datagram_queue.h"
#include "vnet/fabric/errno.h"
#include "vnet/fabric/sockets/ports.h"
#include "vnet/fabric/pods/subnet.h"

struct socket *udp_open(struct pod *pod)
{
	struct socket *socket = socket_create(pod, SOCKET_DATAGRAM);
	if (!socket)
		return NULL;
	socket->send_buffer = socket->receive_buffer = UDP_BUFFER_MOST;
	socket->bound_address = ADDRESS_ANY;
	lock_acquire(&network_lock);
	socket_enter(socket);
	lock_release(&network_lock);
	return socket;
}

void udp_close(struct socket *socket)
{
	lock_acquire(&network_lock);
	if (socket->bound)
		datagram_unlisten(socket);
	port_release(socket);
	socket_leave(socket);
	lock_release(&network_lock);
	datagram_discard_all(socket);
	socket_free(socket);
}

/* Under network_lock. */
static int claim(struct socket *socket, u32 port)
{
	int result = port_claim(socket, port);
	if (result == 0)
		datagram_listen(socket);
	return result;
}

/* Under network_lock. */
static bool may_bind(const struct pod *pod, struct address address)
{
	return address_is_any(address) || pod_has_address(pod, address) ||
	       broadcast_interface(pod, ADDRESS_ANY, address);
}

int udp_bind(struct socket *socket, struct address address, u32 port)
{
	int result = -E_INVAL;
	lock_acquire(&network_lock);
	if (!socket->bound && port <= 65535) {
		struct address before = socket->local;
		socket->local = address;
		result = may_bind(socket->pod, address) ? claim(socket, port) : -E_ADDRNOTAVAIL;
		if (result < 0)
			socket->local = before;
		else
			socket->bound_address = address;
	}
	lock_release(&network_lock);
	return result;
}

/* Under network_lock. */
static int choose_peer(struct socket *socket, struct endpoint to)
{
	struct datagram_route found;
	int result = datagram_route(socket, to.address, &found);
	if (result == 0 && !socket->bound)
		result = claim(socket, 0);
	if (result < 0)
		return result;
	socket->local = found.route.source;
	socket->remote = address_is_any(to.address) ? found.route.source : to.address;
	socket->remote_port = (u16)to.port;
	atomic_store(&socket->state, TCP_ESTABLISHED);
	return 0;
}

int udp_connect(struct socket *socket, struct address address, u32 port)
{
	int result = 0;
	if (port > 65535)
		return -E_INVAL;
	lock_acquire(&network_lock);
	if (address_is_any(address) && port == 0) {
		atomic_store(&socket->state, TCP_CLOSED);
		socket->local = socket->bound_address;
		socket->remote = ADDRESS_ANY;
		socket->remote_port = 0;
	} else {
		result = choose_peer(socket, (struct endpoint){address, port});
	}
	lock_release(&network_lock);
	return result;
}

int udp_shutdown(struct socket *socket, bool reading, bool writing)
{
	if (socket->state != TCP_ESTABLISHED)
		return -E_NOTCONN;
	if (reading)
		atomic_store(&socket->read_shut, true);
	if (writing)
		atomic_store(&socket->write_shut, true);
	if (reading)
		waitq_wake(&socket->changes);
	return 0;
}

void udp_set_receive_buffer(struct socket *socket, u32 bytes)
{
	lock_acquire(&socket->incoming.lock);
	socket->receive_buffer = MIN(MAX(bytes, UDP_BUFFER_LEAST), UDP_BUFFER_MOST);
	lock_release(&socket->incoming.lock);
}

u32 udp_take_error(struct socket *socket)
{
	return atomic_load_explicit(&socket->error, memory_order_relaxed) ? atomic_exchange(&socket->error, 0) : 0;
}

static bool readable(const void *object)
{
	const struct socket *socket = object;
	return atomic_load(&socket->incoming.count) || atomic_load(&socket->error) || socket->read_shut;
}

u32 udp_poll(struct socket *socket)
{
	return POLL_WRITE | (readable(socket) ? (u32)POLL_READ : 0);
}

struct reader_state {
	const struct user_spans *to;
	struct udp_received *received;
	u32 moved;
};

static void copy_out(const struct packet *packet, void *argument)
{
	struct reader_state *state = argument;
	state->moved = user_spans_copy_out(state->to, packet->payload, packet->payload_size);
	*state->received = (struct udp_received){
		.source = {packet->source, packet->datagram.source_port},
		.truncated = state->moved < packet->payload_size,
	};
}

static bool take(struct socket *socket, bool peek, struct reader_state *state)
{
	if (peek)
		return datagram_peek(socket, copy_out, state);
	struct packet *packet = datagram_dequeue(socket);
	if (!packet)
		return false;
	copy_out(packet, state);
	packet_free(packet);
	return true;
}

i32 udp_read(struct socket *socket, const struct user_spans *to, bool wait, bool peek, struct udp_received *received)
{
	struct reader_state state = {.to = to, .received = received};
	u64 end = timeout_end(socket->receive_timeout);
	for (;;) {
		u32 error = udp_take_error(socket);
		if (error)
			return -(i32)error;
		if (take(socket, peek, &state))
			return (i32)state.moved;
		if (socket->read_shut) {
			*received = (struct udp_received){.source = socket_ends(socket).remote, .ended = true};
			return 0;
		}
		if (!wait)
			return -E_AGAIN;
		int result = waitq_block(&socket->changes, readable, readable, socket, end);
		if (result < 0)
			return timeout_result(result);
	}
}

/* What is wrong with a write before it is looked at where it goes. */
static int check_write(struct socket *socket, u32 size, const struct endpoint *to)
{
	u32 error = udp_take_error(socket);
	if (error)
		return -(int)error;
	if (socket->write_shut)
		return -E_PIPE;
	if (!to && socket->state != TCP_ESTABLISHED)
		return -E_DESTADDRREQ;
	if (size > DATAGRAM_MOST)
		return -E_MSGSIZE;
	return to && (to->port == 0 || to->port > 65535) ? -E_INVAL : 0;
}

static int send_packet(struct socket *socket, struct packet *packet, const struct endpoint *to)
{
	lock_acquire(&network_lock);
	int result = socket->bound ? 0 : claim(socket, 0);
	if (result == 0)
		result = datagram_send(socket, packet, to ? *to : socket_remote(socket));
	else
		packet_free(packet);
	lock_release(&network_lock);
	return result;
}

i32 udp_write(struct socket *socket, const struct user_spans *from, const struct endpoint *to)
{
	u32 size = user_spans_size(from);
	int result = check_write(socket, size, to);
	if (result < 0)
		return result;
	struct packet *packet = packet_create(socket->pod->account, PACKET_UDP, size);
	if (!packet)
		return -E_NOBUFS;
	user_spans_copy_in(packet->payload, from, size);
	result = send_packet(socket, packet, to);
	return result < 0 ? result : (i32)size;
}

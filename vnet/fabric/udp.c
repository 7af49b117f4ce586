#include "vnet/fabric/udp.h"

#include "vnet/fabric/broadcast.h"
#include "vnet/fabric/errno.h"
#include "vnet/fabric/ports.h"
#include "vnet/fabric/subnet.h"

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
		broadcast_leave(socket);
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
		broadcast_enter(socket);
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

/* Under network_lock. Where a datagram to `to` goes: the pod there, if any, and the address to speak from. */
static int route_towards(const struct socket *socket, struct address to, struct route *route)
{
	if (address_is_multicast(to))
		return -E_NETUNREACH;
	int result = route_find(socket->pod, to, route);
	if (result == -E_HOSTUNREACH) {
		const struct interface *interface = subnet_interface(socket->pod, to);
		if (!interface)
			return -E_NETUNREACH;
		*route = (struct route){.source = interface->address};
		result = 0;
	}
	if (pod_has_address(socket->pod, socket->bound_address))
		route->source = socket->bound_address;
	return result;
}

/* Under network_lock. */
static const struct interface *broadcast_from(const struct socket *socket, struct address to)
{
	return broadcast_interface(socket->pod, socket->bound_address, to);
}

/* Under network_lock. */
static int choose_peer(struct socket *socket, struct endpoint to)
{
	const struct interface *broadcast = broadcast_from(socket, to.address);
	struct route route = {.source = broadcast ? broadcast->address : ADDRESS_ANY};
	if (broadcast && !socket->broadcast)
		return -E_ACCES;
	int result = broadcast ? 0 : route_towards(socket, to.address, &route);
	if (result == 0 && !socket->bound)
		result = claim(socket, 0);
	if (result < 0)
		return result;
	socket->local = route.source;
	socket->remote = address_is_any(to.address) ? route.source : to.address;
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
	socket->read_shut |= reading;
	socket->write_shut |= writing;
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

static i32 take(struct datagram *datagram, const struct user_spans *to, struct udp_received *received)
{
	u32 moved = user_spans_copy_out(to, datagram->payload, datagram->size);
	*received = (struct udp_received){.source = datagram->source, .truncated = moved < datagram->size};
	datagram_release(datagram);
	return (i32)moved;
}

i32 udp_read(struct socket *socket, const struct user_spans *to, bool wait, bool peek, struct udp_received *received)
{
	for (;;) {
		u32 error = udp_take_error(socket);
		if (error)
			return -(i32)error;
		struct datagram *datagram = datagram_dequeue(socket, peek);
		if (datagram)
			return take(datagram, to, received);
		if (socket->read_shut) {
			*received = (struct udp_received){.source = socket_remote(socket), .ended = true};
			return 0;
		}
		if (!wait)
			return -E_AGAIN;
		int result = waitq_block(&socket->changes, readable, readable, socket, NEVER);
		if (result < 0)
			return result;
	}
}

/* Under network_lock. RFC 1122 4.1.3.3: only a socket that has this peer is told. */
static void report(struct socket *socket, struct endpoint to, u32 error)
{
	if (socket->state != TCP_ESTABLISHED || !endpoint_equal(socket_remote(socket), to))
		return;
	atomic_store(&socket->error, error);
	waitq_wake(&socket->changes);
}

/* Under network_lock; the datagram is the caller's still. */
static int send_broadcast(const struct socket *socket, const struct interface *from, struct datagram *datagram,
			  struct endpoint to)
{
	if (!socket->broadcast)
		return -E_ACCES;
	if (datagram->size > BROADCAST_MOST)
		return -E_MSGSIZE;
	datagram->source.address = from->address;
	broadcast_send(from, datagram, to);
	return 0;
}

/* Under network_lock; the datagram is the caller's still. */
static int send_to_one(struct socket *socket, struct datagram *datagram, struct endpoint to)
{
	struct route route;
	int result = route_towards(socket, to.address, &route);
	if (result < 0)
		return result;
	if (address_is_any(to.address))
		to.address = route.source;
	datagram->source.address = route.source;
	if (!route.pod)
		return 0; /* as on Linux, nobody is told that an ARP request had no answer */
	struct socket *receiver = port_receiver(route.pod, to, datagram->source);
	if (!receiver) {
		report(socket, to, E_CONNREFUSED);
		return 0;
	}
	atomic_fetch_add(&datagram->references, 1);
	datagram_enqueue(receiver, datagram);
	return 0;
}

static int send_datagram(struct socket *socket, struct datagram *datagram, struct endpoint to)
{
	lock_acquire(&network_lock);
	int result = socket->bound ? 0 : claim(socket, 0);
	if (result == 0) {
		datagram->source.port = socket->local_port;
		const struct interface *from = broadcast_from(socket, to.address);
		result = from ? send_broadcast(socket, from, datagram, to) : send_to_one(socket, datagram, to);
	}
	lock_release(&network_lock);
	return result;
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

i32 udp_write(struct socket *socket, const struct user_spans *from, const struct endpoint *to)
{
	u32 size = user_spans_size(from);
	int result = check_write(socket, size, to);
	if (result < 0)
		return result;
	struct datagram *datagram = datagram_create(socket->pod->account, (struct endpoint){ADDRESS_ANY, 0}, size);
	if (!datagram)
		return -E_NOBUFS;
	user_spans_copy_in(datagram->payload, from, size);
	result = send_datagram(socket, datagram, to ? *to : socket_remote(socket));
	datagram_release(datagram);
	return result < 0 ? result : (i32)size;
}

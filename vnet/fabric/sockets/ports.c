#include "vnet/fabric/sockets/ports.h"

#include "vnet/fabric/errno.h"

#define PORT_BUCKETS 16384u
#define FIRST_EPHEMERAL 32768u
#define LAST_EPHEMERAL 60999u

static struct socket *ports[PORT_BUCKETS];

static struct socket **port_bucket(const struct pod *pod, u32 port)
{
	return &ports[(pod->id * 2654435761u ^ port * 40503u) & (PORT_BUCKETS - 1)];
}

/* Each kind of socket has a port space of its own. */
static bool holds(const struct socket *socket, const struct pod *pod, enum socket_kind kind, u32 port)
{
	return socket->pod == pod && socket->kind == kind && socket->local_port == port;
}

static bool addresses_overlap(struct address a, struct address b)
{
	return address_is_any(a) || address_is_any(b) || address_equal(a, b);
}

/* Linux: SO_REUSEPORT on both shares always; SO_REUSEADDR on both shares while nobody listens. */
static bool may_share(const struct socket *a, const struct socket *b)
{
	if (!addresses_overlap(a->local, b->local))
		return true;
	if (a->reuse_port && b->reuse_port)
		return true;
	return a->reuse_address && b->reuse_address && a->state != TCP_LISTEN && b->state != TCP_LISTEN;
}

static bool port_free(const struct socket *socket, u32 port)
{
	for (struct socket *other = *port_bucket(socket->pod, port); other; other = other->next_by_port)
		if (holds(other, socket->pod, socket->kind, port) && !may_share(socket, other))
			return false;
	return true;
}

static bool port_unused(const struct pod *pod, enum socket_kind kind, u32 port)
{
	for (struct socket *other = *port_bucket(pod, port); other; other = other->next_by_port)
		if (holds(other, pod, kind, port))
			return false;
	return true;
}

static u32 port_ephemeral(struct pod *pod, enum socket_kind kind)
{
	for (u32 tries = 0; tries <= LAST_EPHEMERAL - FIRST_EPHEMERAL; tries++) {
		u32 port = pod->next_ephemeral;
		pod->next_ephemeral = (u16)(port == LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1);
		if (port_unused(pod, kind, port))
			return port;
	}
	return 0;
}

int port_claim(struct socket *socket, u32 port)
{
	if (port == 0)
		port = port_ephemeral(socket->pod, socket->kind);
	else if (!port_free(socket, port))
		return -E_ADDRINUSE;
	if (port == 0)
		return -E_ADDRINUSE;
	struct socket **bucket = port_bucket(socket->pod, port);
	socket->local_port = (u16)port;
	socket->next_by_port = *bucket;
	socket->bound = true;
	*bucket = socket;
	return 0;
}

void port_release(struct socket *socket)
{
	if (!socket->bound)
		return;
	struct socket **link = port_bucket(socket->pod, socket->local_port);
	while (*link != socket)
		link = &(*link)->next_by_port;
	*link = socket->next_by_port;
	socket->bound = false;
}

bool port_may_listen(const struct socket *socket)
{
	for (struct socket *other = *port_bucket(socket->pod, socket->local_port); other; other = other->next_by_port)
		if (other != socket && holds(other, socket->pod, socket->kind, socket->local_port) &&
		    other->state == TCP_LISTEN && addresses_overlap(other->local, socket->local) &&
		    !(other->reuse_port && socket->reuse_port))
			return false;
	return true;
}

struct socket *port_listener(struct pod *pod, struct address address, u32 port)
{
	struct socket *best = NULL;
	for (struct socket *socket = *port_bucket(pod, port); socket; socket = socket->next_by_port) {
		if (!holds(socket, pod, SOCKET_STREAM, port) || socket->state != TCP_LISTEN)
			continue;
		if (address_equal(socket->local, address))
			return socket;
		if (address_is_any(socket->local))
			best = socket;
	}
	return best;
}

struct socket *port_next(const struct pod *pod, enum socket_kind kind, u32 port, const struct socket *last)
{
	struct socket *socket = last ? last->next_by_port : *port_bucket(pod, port);
	while (socket && !holds(socket, pod, kind, port))
		socket = socket->next_by_port;
	return socket;
}

static u32 match(const struct socket *socket, struct endpoint to, struct endpoint from)
{
	bool has_peer = socket->state == TCP_ESTABLISHED, exact = address_equal(socket->local, to.address);
	if (!exact && !address_is_any(socket->local))
		return 0;
	if (has_peer && !endpoint_equal(socket_remote(socket), from))
		return 0;
	return 1 + exact + 2 * has_peer;
}

/* Rendezvous hashing: a socket that comes or goes moves no sender between two others. */
static u64 weight(const struct socket *socket, struct endpoint from)
{
	u64 mixed = (from.address.low << 16 ^ from.port ^ (u64)socket->id << 40) * 0x9e3779b97f4a7c15ull;
	mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ull;
	return mixed ^ mixed >> 32;
}

static bool preferred(const struct socket *socket, const struct socket *other, struct endpoint from)
{
	return socket->reuse_port && other->reuse_port && weight(socket, from) > weight(other, from);
}

struct socket *port_receiver(struct pod *pod, struct endpoint to, struct endpoint from)
{
	struct socket *best = NULL;
	u32 best_match = 0;
	for (struct socket *socket = NULL; (socket = port_next(pod, SOCKET_DATAGRAM, to.port, socket));) {
		u32 found = match(socket, to, from);
		if (found > best_match || (found && found == best_match && preferred(socket, best, from))) {
			best = socket;
			best_match = found;
		}
	}
	return best;
}

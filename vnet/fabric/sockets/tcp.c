#include "vnet/fabric/sockets/tcp.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow.h"
#include "vnet/fabric/outside/gateway.h"
#include "vnet/fabric/outside/trunk.h"
#include "vnet/fabric/pods/policy.h"
#include "vnet/fabric/sockets/ports.h"
#include "vnet/fabric/sockets/tcp_internal.h"

static struct socket *stream_socket_create(struct pod *pod)
{
	struct socket *socket = socket_create(pod, SOCKET_STREAM);
	if (!socket)
		return NULL;
	socket->keep_idle = 7200;
	socket->keep_interval = 75;
	socket->keep_count = 9;
	socket->send_buffer = socket->receive_buffer = STREAM_DEFAULT_LIMIT;
	return socket;
}

struct socket *tcp_open(struct pod *pod)
{
	struct socket *socket = stream_socket_create(pod);
	if (!socket)
		return NULL;
	lock_acquire(&network_lock);
	socket_enter(socket);
	lock_release(&network_lock);
	return socket;
}

/* A direct connection. */
static struct connection *connect_directly(struct socket *client, struct socket *server)
{
	struct connection *connection = connection_create(client);
	if (connection)
		connection_join(connection, server);
	return connection;
}

int tcp_pair(struct pod *pod, struct socket *pair[2])
{
	pair[0] = tcp_open(pod);
	pair[1] = pair[0] ? tcp_open(pod) : NULL;
	if (!pair[1] || !connect_directly(pair[0], pair[1])) {
		if (pair[0])
			tcp_close(pair[0]);
		if (pair[1])
			tcp_close(pair[1]);
		return -E_NOBUFS;
	}
	lock_acquire(&network_lock);
	for (u32 i = 0; i < 2; i++) {
		pair[i]->local = address_from_ipv4(0x7f000001);
		port_claim(pair[i], 0);
	}
	for (u32 i = 0; i < 2; i++) {
		pair[i]->remote = pair[1 - i]->local;
		pair[i]->remote_port = pair[1 - i]->local_port;
		atomic_store(&pair[i]->state, TCP_ESTABLISHED);
	}
	lock_release(&network_lock);
	return 0;
}

int tcp_bind(struct socket *socket, struct address address, u32 port)
{
	int result = -E_INVAL;
	lock_acquire(&network_lock);
	if (socket->state == TCP_CLOSED && !socket->bound && port <= 65535) {
		if (!address_is_any(address) && !pod_has_address(socket->pod, address)) {
			result = -E_ADDRNOTAVAIL;
		} else {
			socket->local = address;
			result = port_claim(socket, port);
			if (result < 0)
				socket->local = ADDRESS_ANY;
		}
	}
	lock_release(&network_lock);
	return result;
}

int tcp_listen(struct socket *socket, u32 backlog)
{
	int result = 0;
	bool begins = false;
	lock_acquire(&network_lock);
	if (socket->state == TCP_CLOSED) {
		if (!socket->bound)
			result = port_claim(socket, 0);
		if (result == 0 && !port_may_listen(socket))
			result = -E_ADDRINUSE;
		if (result == 0) {
			atomic_store(&socket->state, TCP_LISTEN);
			begins = true;
		}
	} else if (socket->state != TCP_LISTEN) {
		result = -E_INVAL;
	}
	if (result == 0)
		socket->backlog = MAX(1u, MIN(backlog, TCP_BACKLOG_MOST));
	lock_release(&network_lock);
	if (begins)
		waitq_wake(&socket->pod->listening);
	return result;
}

static void inherit_options(struct socket *server, const struct socket *listener)
{
	server->send_buffer = listener->send_buffer;
	server->receive_buffer = listener->receive_buffer;
	server->keep_alive = listener->keep_alive;
	server->no_delay = listener->no_delay;
	server->linger = listener->linger;
	server->receive_timeout = listener->receive_timeout;
	server->send_timeout = listener->send_timeout;
}

/* Under network_lock. A socket of `pod` for the accepting end of a connection; the listener may be NULL. */
static struct socket *server_create(struct pod *pod, const struct socket *listener)
{
	struct socket *server = stream_socket_create(pod);
	if (server && listener)
		inherit_options(server, listener);
	return server;
}

static void server_establish(struct socket *server, struct address local, struct address remote)
{
	const struct connection *connection = server->connection;
	socket_enter(server);
	server->local = local;
	server->local_port = connection->ports[1];
	server->remote = remote;
	server->remote_port = connection->ports[0];
	atomic_store(&server->state, TCP_ESTABLISHED);
}

int tcp_establish(struct pod *pod, const struct socket *listener, struct socket *client, struct socket **opened)
{
	struct socket *server = server_create(pod, listener);
	if (!server)
		return -E_AGAIN;
	if (!connect_directly(client, server)) {
		socket_free(server);
		return -E_NOBUFS;
	}
	server_establish(server, client->remote, client->local);
	atomic_store(&client->state, TCP_ESTABLISHED);
	*opened = server;
	return 0;
}

static void accept_append(struct socket *listener, struct socket *server)
{
	if (listener->accept_last)
		listener->accept_last->queue_next = server;
	else
		listener->accept_first = server;
	listener->accept_last = server;
	listener->queued++;
}

/* Under network_lock. As `tcp_establish`, and queue the listener's end. */
static int establish(struct socket *listener, struct socket *client)
{
	struct socket *server;
	int result = tcp_establish(listener->pod, listener, client, &server);
	if (result == 0)
		accept_append(listener, server);
	return result;
}

int tcp_accept_paced(struct socket *listener, struct connection *connection, struct address local,
		     struct address remote)
{
	if (listener->queued >= listener->backlog)
		return -E_AGAIN;
	struct socket *server = server_create(listener->pod, listener);
	if (!server)
		return -E_AGAIN;
	connection_join(connection, server);
	server_establish(server, local, remote);
	accept_append(listener, server);
	waitq_wake(&listener->changes);
	return 0;
}

void tcp_connect_waits(struct socket *client)
{
	client->connect_deadline = clock_now(CLOCK_ID_MONOTONIC) + TCP_CONNECT_TIMEOUT_NS;
	atomic_store(&client->state, TCP_SYN_SENT);
}

static void pending_append(struct socket *listener, struct socket *client)
{
	client->listener = listener;
	client->queue_next = NULL;
	if (listener->pending_last)
		listener->pending_last->queue_next = client;
	else
		listener->pending_first = client;
	listener->pending_last = client;
	listener->pending++;
	tcp_connect_waits(client);
	waitq_wake(&listener->changes); /* who waits for it waits for room from now on */
}

static void pending_remove(struct socket *client)
{
	struct socket *listener = client->listener, *previous = NULL;
	if (!listener) /* nobody answers it */
		return;
	for (struct socket *at = listener->pending_first; at != client; at = at->queue_next)
		previous = at;
	if (previous)
		previous->queue_next = client->queue_next;
	else
		listener->pending_first = client->queue_next;
	if (listener->pending_last == client)
		listener->pending_last = previous;
	listener->pending--;
	client->listener = NULL;
	waitq_wake(&listener->pod->account->room); /* when this was the last one, who waits there waits elsewhere */
}

/* Under network_lock. A connect waits no longer, wherever it did. */
static void connect_withdraw(struct socket *client)
{
	if (client->outside)
		connects_withdraw(client);
	else if (client->connection)
		flow_withdraw(client);
	else
		pending_remove(client);
}

void tcp_connect_decided(struct socket *client, u32 error)
{
	if (error) {
		client->error = error;
		atomic_store(&client->state, TCP_CLOSED);
	}
	waitq_wake(&client->changes);
}

/* Under network_lock. The connect is over without a connection. */
static void connect_failed(struct socket *client, u32 error)
{
	connect_withdraw(client);
	tcp_connect_decided(client, error);
}

/* Under network_lock. Let the longest waiting connects in, now that the backlog has room. One whose own pod cannot
 * pay for it fails, so that it does not hold up the others. */
void tcp_admit_pending(struct socket *listener)
{
	while (listener->pending_first && listener->queued < listener->backlog) {
		struct socket *client = listener->pending_first;
		int result = establish(listener, client);
		if (result == -E_AGAIN)
			return;
		if (result < 0) {
			connect_failed(client, E_NOBUFS);
			continue;
		}
		pending_remove(client);
		tcp_connect_decided(client, 0);
	}
}

bool tcp_accept_ready(const void *object)
{
	return atomic_load(&((const struct socket *)object)->queued) != 0;
}

/* Whether there is a connection, or one that only lacks room. */
static bool accept_wanted(const void *object)
{
	return tcp_accept_ready(object) || atomic_load(&((const struct socket *)object)->pending) != 0;
}

/* Whether there is a connection, now that something was given back, or nobody waits for room any more. */
static bool accept_affordable(const void *object)
{
	struct socket *listener = (struct socket *)object;
	lock_acquire(&network_lock);
	tcp_admit_pending(listener);
	bool result = listener->queued || !listener->pending;
	lock_release(&network_lock);
	return result;
}

/* Under network_lock. */
static struct socket *accept_take(struct socket *listener)
{
	tcp_admit_pending(listener);
	struct socket *socket = listener->accept_first;
	if (!socket)
		return NULL;
	listener->accept_first = socket->queue_next;
	if (!socket->queue_next)
		listener->accept_last = NULL;
	socket->queue_next = NULL;
	listener->queued--;
	if (tcp_incoming(socket)->flow)
		flow_accepted(socket->connection);
	tcp_admit_pending(listener);
	return socket;
}

int tcp_accept(struct socket *listener, bool wait, struct socket **accepted)
{
	u64 end = timeout_end(listener->receive_timeout);
	for (;;) {
		lock_acquire(&network_lock);
		if (listener->state != TCP_LISTEN) {
			lock_release(&network_lock);
			return -E_INVAL;
		}
		struct socket *socket = accept_take(listener);
		bool lacks_room = !socket && atomic_load(&listener->pending);
		lock_release(&network_lock);
		if (socket) {
			*accepted = socket;
			return 0;
		}
		if (!wait)
			return -E_AGAIN;
		int result =
			waitq_block(lacks_room ? &listener->pod->account->room : &listener->changes, tcp_accept_ready,
				    lacks_room ? accept_affordable : accept_wanted, listener, end);
		if (result < 0)
			return timeout_result(result);
	}
}

/* Under network_lock. */
static int connect_listener(struct socket *client, const struct route *route)
{
	int result = paths_any() && route->from ? flow_connect(client, route->from, route->to) : -E_AGAIN;
	if (result != -E_AGAIN)
		return result;
	if (route->pod->is_remote)
		return trunk_connect(client);
	struct socket *listener = port_listener(route->pod, client->remote, client->remote_port);
	if (!listener)
		return -E_CONNREFUSED;
	result = listener->queued < listener->backlog ? establish(listener, client) : -E_AGAIN;
	if (result == -E_AGAIN) {
		pending_append(listener, client);
		return 0;
	}
	if (result == 0)
		waitq_wake(&listener->changes);
	return result;
}

int tcp_connect_arrived(struct socket *client, struct interface *source, struct interface *target)
{
	struct route route = {.pod = target->pod, .source = client->local, .from = source, .to = target};
	return connect_listener(client, &route);
}

/* Under network_lock. The addresses of `client` are set. */
static int connect_permitted(struct socket *client, const struct route *route, bool outside)
{
	u32 port = client->remote_port;
	switch (route->from ? policy_decide(route->from, route->to, client->remote, POLICY_TCP, port) : VERDICT_ALLOW) {
	case VERDICT_REJECT: return -E_CONNREFUSED;
	case VERDICT_DROP: return tcp_connect_waits(client), 0; /* for nobody, until its time is over */
	default: break;
	}
	if (outside)
		return gateway_connect(client);
	return connect_listener(client, route);
}

/* Under network_lock. */
static int connect_start(struct socket *socket, struct address address, u32 port)
{
	struct route route;
	int result = route_find(socket->pod, address, &route);
	bool outside = result < 0 && gateway_route(socket->pod, address, &route) == 0;
	if (result < 0 && !outside)
		return result;
	bool was_bound = socket->bound;
	struct address was_local = socket->local;
	socket->remote = address_is_any(address) ? route.source : address;
	socket->remote_port = (u16)port;
	if (address_is_any(socket->local))
		socket->local = route.source;
	result = was_bound || port_claim(socket, 0) == 0 ? 0 : -E_ADDRNOTAVAIL;
	if (result == 0)
		result = connect_permitted(socket, &route, outside);
	if (result < 0) {
		if (!was_bound)
			port_release(socket);
		socket->local = was_local;
	}
	return result;
}

static bool connect_decided(const void *object)
{
	return atomic_load(&((const struct socket *)object)->state) != TCP_SYN_SENT;
}

/* Nobody keeps a timer for a connect: whoever looks at it after its time ends it. */
void tcp_connect_expire(struct socket *socket)
{
	if (connect_decided(socket) || clock_now(CLOCK_ID_MONOTONIC) < socket->connect_deadline)
		return;
	lock_acquire(&network_lock);
	if (socket->state == TCP_SYN_SENT)
		connect_failed(socket, E_TIMEDOUT);
	lock_release(&network_lock);
}

static int connect_wait(struct socket *socket)
{
	u64 end = timeout_end(socket->send_timeout);
	while (!connect_decided(socket)) {
		int result = waitq_block(&socket->changes, connect_decided, connect_decided, socket,
					 MIN(socket->connect_deadline, end));
		if (result == -E_INTR)
			return result;
		tcp_connect_expire(socket);
		if (end != NEVER && clock_now(CLOCK_ID_MONOTONIC) >= end && !connect_decided(socket))
			return -E_INPROGRESS; /* it goes on without the caller */
	}
	return -(int)tcp_take_error(socket);
}

int tcp_connect(struct socket *socket, struct address address, u32 port, bool wait)
{
	int result;
	if (port == 0 || port > 65535)
		return port ? -E_INVAL : -E_CONNREFUSED;
	tcp_connect_expire(socket);
	lock_acquire(&network_lock);
	switch (atomic_load(&socket->state)) {
	case TCP_CLOSED:
		result = socket->error ? -(int)socket->error : connect_start(socket, address, port);
		socket->error = 0;
		break;
	case TCP_SYN_SENT: result = -E_ALREADY; break;
	default: /* Linux says so of a listener too */ result = -E_ISCONN;
	}
	bool pending = result == 0 && socket->state == TCP_SYN_SENT;
	lock_release(&network_lock);
	if (pending)
		return wait ? connect_wait(socket) : -E_INPROGRESS;
	return result;
}

int tcp_shutdown(struct socket *socket, u32 how)
{
	if (socket->state != TCP_ESTABLISHED)
		return -E_NOTCONN;
	if (how & TCP_SHUT_READ) {
		socket->read_shut = true;
		waitq_wake(&tcp_incoming(socket)->readers);
	}
	if (how & TCP_SHUT_WRITE) {
		socket->write_shut = true;
		stream_finish(tcp_outgoing(socket));
	}
	return 0;
}

/* Linux: closing with unread bytes, or with a linger time of zero, sends a reset instead of a FIN. */
static void close_established(struct socket *socket)
{
	bool reset = socket->linger == 0 || stream_unread(tcp_incoming(socket)) != 0;
	connection_close(socket->connection, socket->side, reset);
}

static void close_listener(struct socket *listener)
{
	while (listener->pending_first)
		connect_failed(listener->pending_first, E_CONNREFUSED);
	for (struct socket *socket = listener->accept_first, *next; socket; socket = next) {
		next = socket->queue_next;
		connection_close(socket->connection, socket->side, true);
		socket_leave(socket);
		socket_free(socket);
	}
}

void tcp_close(struct socket *socket)
{
	struct socket *twin = atomic_load(&socket->twin);
	if (twin)
		tcp_close(twin);
	lock_acquire(&network_lock);
	if (socket->state == TCP_LISTEN)
		close_listener(socket);
	else if (socket->state == TCP_SYN_SENT)
		connect_withdraw(socket);
	else if (socket->connection)
		close_established(socket);
	port_release(socket);
	socket_leave(socket);
	lock_release(&network_lock);
	socket_free(socket);
}

#include "vnet/fabric/tcp.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/ports.h"

#define SOCKET_BUCKETS 16384u

static struct socket *sockets[SOCKET_BUCKETS]; /* by id; under network_lock */
static u32 next_id;                            /* under network_lock */
static _Atomic u32 open_sockets;

_Atomic u32 *tcp_open_count(void)
{
	return &open_sockets;
}

static struct socket *socket_create(struct pod *pod)
{
	if (!account_add_socket(pod->account))
		return NULL;
	struct socket *socket = memory_allocate(pod->account, sizeof(*socket));
	if (!socket) {
		account_remove_socket(pod->account);
		return NULL;
	}
	socket->pod = pod_hold(pod);
	socket->local = socket->remote = ADDRESS_ANY;
	socket->linger = -1;
	socket->keep_idle = 7200;
	socket->keep_interval = 75;
	socket->keep_count = 9;
	socket->send_buffer = socket->receive_buffer = STREAM_DEFAULT_LIMIT;
	atomic_fetch_add(&open_sockets, 1);
	return socket;
}

/* Under network_lock. Ids are never reused while 2^32 sockets have not passed. */
static void socket_enter(struct socket *socket)
{
	struct socket **bucket;
	do {
		socket->id = ++next_id;
	} while (socket->id == 0 || tcp_find(socket->pod, socket->id));
	bucket = &sockets[socket->id & (SOCKET_BUCKETS - 1)];
	socket->next_by_id = *bucket;
	*bucket = socket;
}

struct socket *tcp_find(struct pod *pod, u32 id)
{
	struct socket *socket = sockets[id & (SOCKET_BUCKETS - 1)];
	while (socket && (socket->id != id || socket->pod != pod))
		socket = socket->next_by_id;
	return socket;
}

static void socket_leave(struct socket *socket)
{
	struct socket **link = &sockets[socket->id & (SOCKET_BUCKETS - 1)];
	while (*link != socket)
		link = &(*link)->next_by_id;
	*link = socket->next_by_id;
}

static void socket_free(struct socket *socket)
{
	struct pod *pod = socket->pod;
	memory_free(pod->account, socket, sizeof(*socket));
	account_remove_socket(pod->account);
	pod_release(pod);
	atomic_fetch_sub(&open_sockets, 1);
}

struct socket *tcp_open(struct pod *pod)
{
	struct socket *socket = socket_create(pod);
	if (!socket)
		return NULL;
	lock_acquire(&network_lock);
	socket_enter(socket);
	lock_release(&network_lock);
	return socket;
}

static u32 stream_limit(u32 wanted)
{
	u32 limit = STREAM_SMALLEST;
	while (limit < wanted && limit < STREAM_LARGEST)
		limit *= 2;
	return limit;
}

/* The writer of a stream pays for it; its limit is the larger of the two ends' wishes. */
static struct connection *connection_create(struct socket *client, struct socket *server)
{
	struct connection *connection = memory_allocate(client->pod->account, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->references = 2;
	stream_open(&connection->stream[0], server->pod->account,
		    stream_limit(MAX(server->send_buffer, client->receive_buffer)));
	stream_open(&connection->stream[1], client->pod->account,
		    stream_limit(MAX(client->send_buffer, server->receive_buffer)));
	client->connection = server->connection = connection;
	client->side = 0;
	server->side = 1;
	return connection;
}

static void connection_release(struct connection *connection)
{
	if (atomic_fetch_sub(&connection->references, 1) != 1)
		return;
	struct account *payer = account_hold(connection->stream[1].account);
	stream_release(&connection->stream[0]);
	stream_release(&connection->stream[1]);
	memory_free(payer, connection, sizeof(*connection));
	account_release(payer);
}

static struct stream *incoming(const struct socket *socket)
{
	return &socket->connection->stream[socket->side];
}

static struct stream *outgoing(const struct socket *socket)
{
	return &socket->connection->stream[1 - socket->side];
}

/* RFC 9293 3.10.7.4: a reset in CLOSE-WAIT is a broken pipe to Linux's user, a lost connection otherwise. */
static void connection_sever(const struct socket *socket, bool reset)
{
	struct connection *connection = socket->connection;
	u32 flags = reset ? STREAM_RESET : 0;
	if (reset)
		atomic_store(&connection->error[1 - socket->side],
			     stream_flags(outgoing(socket)) & STREAM_FINISHED ? E_PIPE : E_CONNRESET);
	stream_set_flags(incoming(socket), STREAM_ABANDONED | flags);
	stream_set_flags(outgoing(socket), STREAM_FINISHED | flags);
}

int tcp_pair(struct pod *pod, struct socket *pair[2])
{
	pair[0] = tcp_open(pod);
	pair[1] = pair[0] ? tcp_open(pod) : NULL;
	if (!pair[1] || !connection_create(pair[0], pair[1])) {
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
	lock_acquire(&network_lock);
	if (socket->state == TCP_CLOSED) {
		if (!socket->bound)
			result = port_claim(socket, 0);
		if (result == 0 && !port_may_listen(socket))
			result = -E_ADDRINUSE;
		if (result == 0)
			atomic_store(&socket->state, TCP_LISTEN);
	} else if (socket->state != TCP_LISTEN) {
		result = -E_INVAL;
	}
	if (result == 0)
		socket->backlog = MAX(1u, MIN(backlog, TCP_BACKLOG_MOST));
	lock_release(&network_lock);
	return result;
}

/* Under network_lock. Make the listener's end of a connection and queue it. */
static int establish(struct socket *listener, struct socket *client)
{
	struct socket *server = socket_create(listener->pod);
	if (!server)
		return -E_NOBUFS;
	server->send_buffer = listener->send_buffer;
	server->receive_buffer = listener->receive_buffer;
	server->keep_alive = listener->keep_alive;
	server->no_delay = listener->no_delay;
	server->linger = listener->linger;
	if (!connection_create(client, server)) {
		socket_free(server);
		return -E_NOBUFS;
	}
	socket_enter(server);
	server->local = client->remote;
	server->local_port = client->remote_port;
	server->remote = client->local;
	server->remote_port = client->local_port;
	atomic_store(&server->state, TCP_ESTABLISHED);
	atomic_store(&client->state, TCP_ESTABLISHED);
	if (listener->accept_last)
		listener->accept_last->queue_next = server;
	else
		listener->accept_first = server;
	listener->accept_last = server;
	listener->queued++;
	return 0;
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
	client->connect_deadline = clock_now(CLOCK_ID_MONOTONIC) + TCP_CONNECT_TIMEOUT_NS;
	atomic_store(&client->state, TCP_SYN_SENT);
}

static void pending_remove(struct socket *client)
{
	struct socket *listener = client->listener, *previous = NULL;
	for (struct socket *at = listener->pending_first; at != client; at = at->queue_next)
		previous = at;
	if (previous)
		previous->queue_next = client->queue_next;
	else
		listener->pending_first = client->queue_next;
	if (listener->pending_last == client)
		listener->pending_last = previous;
	client->listener = NULL;
}

/* Under network_lock. The connect is over without a connection. */
static void connect_failed(struct socket *client, u32 error)
{
	pending_remove(client);
	client->error = error;
	atomic_store(&client->state, TCP_CLOSED);
	waitq_wake(&client->changes);
}

/* Under network_lock. Let the longest waiting connect in, now that the backlog has room. */
static void admit_pending(struct socket *listener)
{
	while (listener->pending_first && listener->queued < listener->backlog) {
		struct socket *client = listener->pending_first;
		if (establish(listener, client) < 0)
			return;
		pending_remove(client);
		waitq_wake(&client->changes);
	}
}

static bool accept_ready(const void *object)
{
	return atomic_load(&((const struct socket *)object)->queued) != 0;
}

int tcp_accept(struct socket *listener, bool wait, struct socket **accepted)
{
	for (;;) {
		lock_acquire(&network_lock);
		if (listener->state != TCP_LISTEN) {
			lock_release(&network_lock);
			return -E_INVAL;
		}
		admit_pending(listener);
		struct socket *socket = listener->accept_first;
		if (socket) {
			listener->accept_first = socket->queue_next;
			if (!socket->queue_next)
				listener->accept_last = NULL;
			socket->queue_next = NULL;
			listener->queued--;
			admit_pending(listener);
		}
		lock_release(&network_lock);
		if (socket) {
			*accepted = socket;
			return 0;
		}
		if (!wait)
			return -E_AGAIN;
		int result = waitq_block(&listener->changes, accept_ready, listener, NEVER);
		if (result < 0)
			return result;
	}
}

/* Under network_lock. */
static int connect_start(struct socket *socket, struct address address, u32 port)
{
	struct route route;
	int result = route_find(socket->pod, address, &route);
	if (result < 0)
		return result;
	bool was_bound = socket->bound;
	socket->remote = address_is_any(address) ? route.source : address;
	socket->remote_port = (u16)port;
	if (address_is_any(socket->local))
		socket->local = route.source;
	if (!was_bound) {
		result = port_claim(socket, 0);
		if (result < 0)
			return -E_ADDRNOTAVAIL;
	}
	struct socket *listener = port_listener(route.pod, socket->remote, port);
	if (!listener)
		result = -E_CONNREFUSED;
	else if (listener->queued >= listener->backlog || establish(listener, socket) < 0)
		pending_append(listener, socket);
	else
		waitq_wake(&listener->changes);
	if (result < 0 && !was_bound) {
		port_release(socket);
		socket->local = ADDRESS_ANY;
	}
	return result;
}

static bool connect_decided(const void *object)
{
	return atomic_load(&((const struct socket *)object)->state) != TCP_SYN_SENT;
}

/* Nobody keeps a timer for a connect: whoever looks at it after its time ends it. */
static void connect_expire(struct socket *socket)
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
	int result = waitq_block(&socket->changes, connect_decided, socket, socket->connect_deadline);
	if (result == -E_INTR)
		return result;
	connect_expire(socket);
	return -(int)tcp_take_error(socket);
}

int tcp_connect(struct socket *socket, struct address address, u32 port, bool wait)
{
	int result;
	if (port == 0 || port > 65535)
		return port ? -E_INVAL : -E_CONNREFUSED;
	connect_expire(socket);
	lock_acquire(&network_lock);
	switch (socket->state) {
	case TCP_CLOSED:
		result = socket->error ? -(int)socket->error : connect_start(socket, address, port);
		socket->error = 0;
		break;
	case TCP_SYN_SENT:
		result = -E_ALREADY;
		break;
	case TCP_ESTABLISHED:
		result = -E_ISCONN;
		break;
	default:
		result = -E_INVAL;
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
		waitq_wake(&incoming(socket)->readers);
	}
	if (how & TCP_SHUT_WRITE) {
		socket->write_shut = true;
		stream_set_flags(outgoing(socket), STREAM_FINISHED);
	}
	return 0;
}

/* Linux: closing with unread bytes, or with a linger time of zero, sends a reset instead of a FIN. */
static void close_established(struct socket *socket)
{
	bool reset = socket->linger == 0 || stream_used(incoming(socket)) != 0;
	connection_sever(socket, reset);
	connection_release(socket->connection);
}

static void close_listener(struct socket *listener)
{
	while (listener->pending_first)
		connect_failed(listener->pending_first, E_CONNREFUSED);
	for (struct socket *socket = listener->accept_first, *next; socket; socket = next) {
		next = socket->queue_next;
		connection_sever(socket, true);
		connection_release(socket->connection);
		socket_leave(socket);
		socket_free(socket);
	}
}

void tcp_close(struct socket *socket)
{
	if (socket->twin)
		tcp_close(socket->twin);
	lock_acquire(&network_lock);
	if (socket->state == TCP_LISTEN)
		close_listener(socket);
	else if (socket->state == TCP_SYN_SENT)
		pending_remove(socket);
	else if (socket->connection)
		close_established(socket);
	port_release(socket);
	socket_leave(socket);
	lock_release(&network_lock);
	socket_free(socket);
}

static u32 take_connection_error(struct socket *socket)
{
	_Atomic u32 *error = &socket->connection->error[socket->side];
	return atomic_load_explicit(error, memory_order_relaxed) ? atomic_exchange(error, 0) : 0;
}

u32 tcp_take_error(struct socket *socket)
{
	connect_expire(socket);
	if (socket->state == TCP_ESTABLISHED)
		return take_connection_error(socket);
	lock_acquire(&network_lock);
	u32 error = socket->error;
	socket->error = 0;
	lock_release(&network_lock);
	return error;
}

static int not_established(struct socket *socket, bool reading)
{
	if (socket->state == TCP_SYN_SENT)
		return -E_AGAIN;
	u32 error = tcp_take_error(socket);
	if (error)
		return -(int)error;
	return reading || socket->state == TCP_LISTEN ? -E_NOTCONN : -E_PIPE;
}

i32 tcp_read(struct socket *socket, uaddr to, u32 size, bool wait, bool peek)
{
	if (socket->state != TCP_ESTABLISHED)
		return not_established(socket, true);
	struct stream *stream = incoming(socket);
	for (;;) {
		i32 moved = stream_get(stream, to, size, peek);
		if (moved || size == 0)
			return moved;
		u32 error = take_connection_error(socket);
		if (error)
			return -(i32)error;
		if (socket->read_shut)
			return 0;
		if (stream_flags(stream) & (STREAM_FINISHED | STREAM_RESET)) {
			if (stream_used(stream))
				continue; /* written between the look and the end */
			return 0;
		}
		if (!wait)
			return -E_AGAIN;
		int result = waitq_block(&stream->readers, stream_readable, stream, NEVER);
		if (result < 0)
			return result;
	}
}

/* The peer has closed. As on Linux, the first write still succeeds and provokes the reset that later
 * calls report. */
static i32 write_severed(struct socket *socket, u32 size)
{
	struct connection *connection = socket->connection;
	if (atomic_exchange(&connection->severed[socket->side], 1) ||
	    stream_flags(outgoing(socket)) & STREAM_RESET)
		return -E_PIPE;
	atomic_store(&connection->error[socket->side],
		     stream_flags(incoming(socket)) & STREAM_FINISHED ? E_PIPE : E_CONNRESET);
	stream_set_flags(incoming(socket), STREAM_RESET);
	return (i32)size;
}

i32 tcp_write(struct socket *socket, uaddr from, u32 size, bool wait)
{
	if (socket->state != TCP_ESTABLISHED)
		return not_established(socket, false);
	struct stream *stream = outgoing(socket);
	u32 done = 0;
	for (;;) {
		u32 error = take_connection_error(socket);
		if (error)
			return done ? (i32)done : -(i32)error;
		if (socket->write_shut)
			return -E_PIPE;
		if (stream_flags(stream) & (STREAM_ABANDONED | STREAM_RESET))
			return done ? (i32)done : write_severed(socket, size);
		i32 moved = stream_put(stream, from + done, size - done);
		if (moved < 0)
			return done ? (i32)done : moved;
		done += (u32)moved;
		if (done == size || (moved && !wait))
			return (i32)done;
		if (!wait)
			return done ? (i32)done : -E_AGAIN;
		int result = waitq_block(&stream->writers, stream_writable, stream, NEVER);
		if (result < 0)
			return done ? (i32)done : result;
	}
}

u32 tcp_poll(struct socket *socket)
{
	connect_expire(socket);
	switch (atomic_load(&socket->state)) {
	case TCP_LISTEN:
		lock_acquire(&network_lock);
		admit_pending(socket); /* a limit that kept it out may have been lifted */
		lock_release(&network_lock);
		return accept_ready(socket) ? POLL_READ : 0;
	case TCP_SYN_SENT:
		return 0;
	case TCP_CLOSED:
		return POLL_READ | POLL_WRITE | POLL_HANGUP; /* a failed connect, or never connected */
	default:
		break;
	}
	u32 in = stream_flags(incoming(socket)), out = stream_flags(outgoing(socket)), events = 0;
	if (socket->read_shut || stream_readable(incoming(socket)))
		events |= POLL_READ;
	if (socket->write_shut || stream_writable(outgoing(socket)))
		events |= POLL_WRITE;
	if ((in | out) & STREAM_RESET || ((in & STREAM_FINISHED) && (out & STREAM_FINISHED)))
		events |= POLL_HANGUP | POLL_READ | POLL_WRITE;
	return events;
}

u32 tcp_available(struct socket *socket)
{
	if (socket->state == TCP_LISTEN)
		return socket->queued;
	return socket->state == TCP_ESTABLISHED ? stream_used(incoming(socket)) : 0;
}

struct waitq *tcp_queue(struct socket *socket, u32 event)
{
	if (socket->state != TCP_ESTABLISHED)
		return &socket->changes;
	return event == POLL_READ ? &incoming(socket)->readers : &outgoing(socket)->writers;
}

u64 tcp_deadline(struct socket *socket)
{
	return socket->state == TCP_SYN_SENT ? socket->connect_deadline : NEVER;
}

void tcp_idle(struct socket *socket)
{
	if (socket->state == TCP_ESTABLISHED)
		stream_trim(incoming(socket));
}

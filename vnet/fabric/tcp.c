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

/* Ids stay below 2^30, so that the guest's calls have room for a mark beside them. */
#define SOCKET_IDS 0x3fffffffu

/* Under network_lock. An id is not reused until 2^30 sockets have passed. */
static void socket_enter(struct socket *socket)
{
	struct socket **bucket;
	do {
		socket->id = ++next_id & SOCKET_IDS;
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

/* Under network_lock. Make the listener's end of a connection and queue it. -E_AGAIN when the listener's pod has
 * no room for it now, -E_NOBUFS when the client's pod cannot pay for the connection. */
static int establish(struct socket *listener, struct socket *client)
{
	struct socket *server = socket_create(listener->pod);
	if (!server)
		return -E_AGAIN;
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
	listener->pending++;
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
	listener->pending--;
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

/* Under network_lock. Let the longest waiting connects in, now that the backlog has room. One whose own pod cannot
 * pay for it fails, so that it does not hold up the others. */
static void admit_pending(struct socket *listener)
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
		int result = waitq_block(&listener->changes, accept_ready, accept_ready, listener, NEVER);
		if (result < 0)
			return result;
	}
}

/* Under network_lock. */
static int connect_listener(struct socket *client, struct socket *listener)
{
	if (!listener)
		return -E_CONNREFUSED;
	int result = listener->queued < listener->backlog ? establish(listener, client) : -E_AGAIN;
	if (result == -E_AGAIN) {
		pending_append(listener, client);
		return 0;
	}
	if (result == 0)
		waitq_wake(&listener->changes);
	return result;
}

/* Under network_lock. */
static int connect_start(struct socket *socket, struct address address, u32 port)
{
	struct route route;
	int result = route_find(socket->pod, address, &route);
	if (result < 0)
		return result;
	bool was_bound = socket->bound;
	struct address was_local = socket->local;
	socket->remote = address_is_any(address) ? route.source : address;
	socket->remote_port = (u16)port;
	if (address_is_any(socket->local))
		socket->local = route.source;
	if (!was_bound) {
		result = port_claim(socket, 0) < 0 ? -E_ADDRNOTAVAIL : 0;
	}
	if (result == 0)
		result = connect_listener(socket, port_listener(route.pod, socket->remote, port));
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
	while (!connect_decided(socket)) {
		int result = waitq_block(&socket->changes, connect_decided, connect_decided, socket, socket->connect_deadline);
		if (result == -E_INTR)
			return result;
		connect_expire(socket);
	}
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
	default: /* Linux says so of a listener too */
		result = -E_ISCONN;
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

void tcp_defer_error(struct socket *socket, u32 error)
{
	/* A broken pipe needs no memory: writes find it again, and reads do not report it. */
	if (error == E_CONNRESET && socket->state == TCP_ESTABLISHED)
		atomic_store(&socket->connection->error[socket->side], error);
}

/* `state` is what the caller saw: a connect may be decided meanwhile. */
static int not_established(struct socket *socket, u32 state, bool reading)
{
	if (state == TCP_SYN_SENT)
		return -E_AGAIN;
	u32 error = tcp_take_error(socket);
	if (error)
		return -(int)error;
	return reading || state == TCP_LISTEN ? -E_NOTCONN : -E_PIPE;
}

/* Linux: once the peer has sent its FIN, reading ends there and a broken pipe is left for writers. */
static u32 take_read_error(struct socket *socket)
{
	const _Atomic u32 *error = &socket->connection->error[socket->side];
	return atomic_load_explicit(error, memory_order_relaxed) == E_PIPE ? 0 : take_connection_error(socket);
}

i32 tcp_read(struct socket *socket, uaddr to, u32 size, bool wait, bool peek)
{
	u32 state = atomic_load(&socket->state);
	if (state != TCP_ESTABLISHED)
		return not_established(socket, state, true);
	struct stream *stream = incoming(socket);
	for (;;) {
		u32 flags = stream_flags(stream); /* first: what came before the end is then seen below */
		i32 moved = stream_get(stream, to, size, peek);
		if (moved || size == 0)
			return moved;
		u32 error = take_read_error(socket);
		if (error)
			return -(i32)error;
		if (socket->read_shut || flags & (STREAM_FINISHED | STREAM_RESET))
			return 0;
		if (!wait)
			return -E_AGAIN;
		int result = waitq_block(&stream->readers, stream_readable, stream_readable, stream, NEVER);
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
	u32 state = atomic_load(&socket->state);
	if (state != TCP_ESTABLISHED)
		return not_established(socket, state, false);
	struct stream *stream = outgoing(socket);
	u32 done = 0;
	for (;;) {
		u32 flags = stream_flags(stream); /* first: the error of a reset is there before its flag */
		u32 error = done ? 0 : take_connection_error(socket); /* after a part, the next call reports it */
		if (error)
			return -(i32)error;
		if (socket->write_shut)
			return -E_PIPE;
		if (flags & (STREAM_ABANDONED | STREAM_RESET))
			return done ? (i32)done : write_severed(socket, size);
		i32 moved = stream_put(stream, from + done, size - done);
		if (moved < 0)
			return done ? (i32)done : moved;
		done += (u32)moved;
		if (done == size || (moved && !wait))
			return (i32)done;
		if (!wait)
			return done ? (i32)done : -E_AGAIN;
		int result = waitq_block(&stream->writers, stream_has_room, stream_writable, stream, NEVER);
		if (result < 0)
			return done ? (i32)done : result;
	}
}

u32 tcp_poll(struct socket *socket)
{
	connect_expire(socket);
	switch (atomic_load(&socket->state)) {
	case TCP_LISTEN:
		if (atomic_load(&socket->pending)) {
			lock_acquire(&network_lock);
			admit_pending(socket); /* a limit that kept it out may have been lifted */
			lock_release(&network_lock);
		}
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

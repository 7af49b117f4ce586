#include "vnet/fabric/sockets/connection.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow.h"
#include "vnet/fabric/pods/traffic.h"

/* The writer of a stream pays for it; until there is a server, its stream is the client's. */
struct connection *connection_create(struct socket *client)
{
	struct account *account = client->pod->account;
	struct connection *connection = memory_allocate(account, sizeof(*connection));
	if (!connection)
		return NULL;
	connection->references = 1;
	connection->account = account_hold(account);
	connection->ports[0] = client->local_port;
	connection->ports[1] = client->remote_port;
	stream_open(&connection->stream[0], account, STREAM_DEFAULT_LIMIT);
	stream_open(&connection->stream[1], account, STREAM_DEFAULT_LIMIT);
	connection->ends[0] = client;
	client->connection = connection;
	client->side = 0;
	return connection;
}

void connection_set_limits(struct connection *connection)
{
	const struct socket *client = connection->ends[0], *server = connection->ends[1];
	if (!client || !server || connection->stream[0].flow)
		return;
	stream_set_limit(&connection->stream[0], MAX(server->send_buffer, client->receive_buffer));
	stream_set_limit(&connection->stream[1], MAX(client->send_buffer, server->receive_buffer));
}

void connection_join(struct connection *connection, struct socket *server)
{
	atomic_fetch_add(&connection->references, 1);
	stream_charge(&connection->stream[0], server->pod->account);
	connection->ends[1] = server;
	connection_set_limits(connection);
	server->connection = connection;
	server->side = 1;
}

void connection_release(struct connection *connection)
{
	if (atomic_fetch_sub(&connection->references, 1) != 1)
		return;
	struct account *account = connection->account;
	stream_release(&connection->stream[0]);
	stream_release(&connection->stream[1]);
	memory_free(account, connection, sizeof(*connection));
	account_release(account);
}

/* RFC 9293 3.10.7.4: a reset in CLOSE-WAIT is a broken pipe to Linux's user, a lost connection otherwise. */
u32 connection_reset_error(const struct connection *connection, u32 side)
{
	return stream_flags(&connection->stream[side]) & STREAM_FINISHED ? E_PIPE : E_CONNRESET;
}

void connection_abort(struct connection *connection, u32 side, u32 error)
{
	atomic_store(&connection->error[side], error);
	stream_set_flags(&connection->stream[side], STREAM_RESET_READER);
	stream_set_flags(&connection->stream[1 - side], STREAM_RESET_WRITER);
}

/* The other end of a direct connection learns of it now. */
static void sever(struct connection *connection, u32 side, bool reset)
{
	u32 flags = reset ? STREAM_RESET : 0;
	if (reset)
		atomic_store(&connection->error[1 - side], connection_reset_error(connection, 1 - side));
	stream_set_flags(&connection->stream[side], STREAM_ABANDONED | flags);
	stream_set_flags(&connection->stream[1 - side], STREAM_FINISHED | flags);
}

void connection_count(struct socket *socket)
{
	const struct connection *connection = socket->connection;
	struct interface *interface = pod_interface(socket->pod, socket->local);
	if (!interface || pod_has_address(socket->pod, socket->remote))
		return;
	u64 received = stream_delivered(&connection->stream[socket->side]);
	u64 sent = stream_written(&connection->stream[1 - socket->side]);
	interface->counters.received_bytes += received - socket->counted_received;
	interface->counters.sent_bytes += sent - socket->counted_sent;
	if (!interface_is_remote(interface)) /* its own node counts that */
		traffic_count(socket->local, socket->remote, sent - socket->counted_sent);
	socket->counted_received = received;
	socket->counted_sent = sent;
}

void connection_close(struct connection *connection, u32 side, bool reset)
{
	connection_count(connection->ends[side]);
	connection->ends[side] = NULL;
	if (connection->stream[side].flow)
		flow_close(connection, side, reset);
	else
		sever(connection, side, reset);
	connection_release(connection);
}

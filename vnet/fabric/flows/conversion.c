/* Connections that become paced, or direct again, while they are used.
 *
 * A conversion happens at one instant for both directions, with all four locks of the two streams held: what lies in
 * the rings then counts as delivered. Only these locks are held by one thread in that number, under network_lock, and
 * everybody else holds those of one stream; so their order among the two streams is no matter.
 */
#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow_internal.h"

static void lock_streams(struct connection *connection)
{
	for (u32 i = 0; i < 2; i++) {
		lock_acquire(&connection->stream[i].write_lock);
		lock_acquire(&connection->stream[i].read_lock);
	}
	pacer_acquire();
}

static void unlock_streams(struct connection *connection)
{
	pacer_release();
	for (u32 i = 0; i < 2; i++) {
		lock_release(&connection->stream[i].read_lock);
		lock_release(&connection->stream[i].write_lock);
	}
}

/* A FIN that was sent while the stream was direct has come. */
static void assume_finished(struct flow *flow)
{
	struct sender *sender = &flow->sender;
	sender->finished = flow->due.fin = flow->latest.fin = true;
	sender->available = sender->next = sender->acknowledged = flow->due.end + 1;
	flow->receiver.next = sender->next;
	flow->receiver.edge++;
	flow->receiver.finished = true;
}

static bool make_paced(struct connection *connection, struct path *out, struct path *back)
{
	if (!flows_create(connection, out, back))
		return false;
	flow_set_limits(connection, socket_buffers(connection->ends[0]), socket_buffers(connection->ends[1]));
	for (u32 side = 0; side < 2; side++) {
		struct flow *flow = connection_flow(connection, side);
		flow->state = FLOW_OPEN;
		flow->sender.edge = flow->receiver.edge;
		if (stream_flags(flow_stream(flow)) & STREAM_FINISHED)
			assume_finished(flow);
	}
	return true;
}

static void make_direct(struct connection *connection)
{
	for (u32 side = 0; side < 2; side++) {
		const struct flow *flow = connection_flow(connection, side);
		if (flow->latest.fin)
			stream_set_flags(flow_stream(flow), STREAM_FINISHED);
	}
	flows_end(connection);
	for (u32 i = 0; i < 2; i++) {
		waitq_wake(&connection->stream[i].readers);
		waitq_wake(&connection->stream[i].writers);
	}
}

/* What cannot be paced for want of memory must not go on as if nothing stood in its way. */
static void abandon(struct connection *connection)
{
	connection_abort(connection, 0, E_NOBUFS);
	connection_abort(connection, 1, E_NOBUFS);
}

static void reconsider_direct(struct connection *connection)
{
	const struct socket *client = connection->ends[0];
	const struct interface *source = interface_find(client->local), *target = interface_find(client->remote);
	struct path *out, *back;
	if (!source || !target || client->pod == connection->ends[1]->pod)
		return;
	pacer_acquire();
	int result = flow_find_paths(client->pod, source, target, &out, &back);
	pacer_release();
	if (result == -E_AGAIN)
		return;
	lock_streams(connection);
	bool made = result == 0 && make_paced(connection, out, back);
	unlock_streams(connection);
	if (!made)
		abandon(connection);
}

static bool concerned(const struct connection *connection)
{
	for (u32 side = 0; side < 2; side++) {
		const struct flow *flow = connection_flow(connection, side);
		if (flow->state != FLOW_OPEN || flow->path->concerned)
			return true;
	}
	return false;
}

static void reconsider_paced(struct connection *connection)
{
	if (!connection->ends[0] || !connection->ends[1])
		return;
	lock_streams(connection);
	if (!concerned(connection))
		make_direct(connection);
	unlock_streams(connection);
}

void flow_accepted(struct connection *connection)
{
	reconsider_paced(connection);
}

void flow_reconsider_one(struct socket *socket)
{
	if (socket->kind != SOCKET_STREAM || socket->state != TCP_ESTABLISHED || socket->side != 0)
		return;
	struct connection *connection = socket->connection;
	if (connection->stream[0].flow)
		reconsider_paced(connection);
	else if (connection->ends[1])
		reconsider_direct(connection);
}

void flow_reconsider(void)
{
	for (u32 bucket = 0; bucket < SOCKET_BUCKETS; bucket++)
		for (struct socket *socket = socket_first(bucket); socket; socket = socket->next_by_id)
			flow_reconsider_one(socket);
}

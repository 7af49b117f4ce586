#include "vnet/fabric/flows/flow_internal.h"

#include "vnet/fabric/errno.h"

struct flow *connection_flow(const struct connection *connection, u32 side)
{
	return connection->stream[1 - side].flow;
}

static void flow_free(struct flow *flow)
{
	struct account *account = flow->account;
	memory_free(account, flow, sizeof(*flow));
	account_release(account);
}

static struct flow *flow_create(struct connection *connection, u32 side, struct path *path)
{
	struct flow *flow = memory_allocate(connection->account, sizeof(*flow));
	if (!flow)
		return NULL;
	flow->account = account_hold(connection->account);
	flow->side = side;
	flow->path = path;
	flow->key = packet_flow_key(path, PACKET_TCP, connection->ports[side], connection->ports[1 - side]);
	flow->timer.kind = EVENT_FLOW;
	flow->entry.kind = EVENT_FLOW_ENTRY;
	return flow;
}

static void flow_attach(struct flow *flow, struct connection *connection)
{
	struct stream *stream = &connection->stream[1 - flow->side];
	u32 start = atomic_load(&stream->head);
	flow->connection = connection;
	flow->due.end = flow->latest.end = start;
	sender_open(&flow->sender, stream->account, start, flow->path->mtu - TCP_OVERHEAD);
	receiver_open(&flow->receiver, start, STREAM_DEFAULT_LIMIT);
	atomic_store(&stream->released, start);
	atomic_store(&stream->acknowledged, start);
	atomic_store(&stream->send_limit, STREAM_DEFAULT_LIMIT);
	atomic_store(&stream->update_at, start + STREAM_LARGEST);
	stream->flow = flow;
	atomic_store(&stream->paced, 1);
}

bool flows_create(struct connection *connection, struct path *out, struct path *back)
{
	struct flow *flows[2] = {flow_create(connection, 0, out), flow_create(connection, 1, back)};
	if (!flows[0] || !flows[1]) {
		for (u32 side = 0; side < 2; side++)
			if (flows[side])
				flow_free(flows[side]);
		path_release(out);
		path_release(back);
		return false;
	}
	atomic_fetch_add(&connection->references, 1);
	flow_attach(flows[0], connection);
	flow_attach(flows[1], connection);
	return true;
}

void flows_end(struct connection *connection)
{
	for (u32 i = 0; i < 2; i++) {
		struct stream *stream = &connection->stream[i];
		struct flow *flow = stream->flow;
		event_cancel(&flow->timer);
		event_cancel(&flow->entry);
		sender_close(&flow->sender);
		path_release(flow->path);
		stream->flow = NULL;
		atomic_store(&stream->paced, 0);
		flow->connection = NULL;
		if (!flow->packets)
			flow_free(flow);
	}
	connection_release(connection);
}

/* Whether it has nothing left to do, once its program has closed. An answer to a SYN is of no use to nobody. */
static bool flow_over(const struct flow *flow)
{
	switch (flow->state) {
	case FLOW_OVER: return true;
	case FLOW_OPEN: return flow->sender.finished && sender_done(&flow->sender);
	default: return flow_back(flow)->state == FLOW_OVER;
	}
}

void flows_settle(struct connection *connection)
{
	if (!connection->ends[0] && !connection->ends[1] && flow_over(connection_flow(connection, 0)) &&
	    flow_over(connection_flow(connection, 1)))
		flows_end(connection);
}

void flow_hold(const struct packet *packet)
{
	packet->tcp.flow->packets++;
}

void flow_release(const struct packet *packet)
{
	struct flow *flow = packet->tcp.flow;
	if (--flow->packets == 0 && !flow->connection)
		flow_free(flow);
}

void flow_set_limits(struct connection *connection, struct socket_buffers client, struct socket_buffers server)
{
	const struct socket_buffers ends[] = {client, server};
	for (u32 side = 0; side < 2; side++) {
		struct flow *flow = connection_flow(connection, side);
		struct stream *stream = flow_stream(flow);
		u32 send = MIN(ends[side].send, STREAM_LARGEST);
		flow->receiver.buffer = MIN(ends[1 - side].receive, STREAM_LARGEST);
		flow->receiver.edge = flow->receiver.next + flow->receiver.buffer;
		stream_set_limit(stream, send + flow->receiver.buffer);
		atomic_store(&stream->send_limit, send);
	}
}

/* The program's latest state enters now, or when the event comes that is scheduled already. */
static void note_written(struct flow *flow, struct written written)
{
	pacer_acquire();
	u64 now = pacer_time();
	flow->latest = written;
	flow->latest_at = now;
	if (!flow->entry.scheduled) {
		flow->due = written;
		event_schedule(&flow->entry, now);
	}
	pacer_release();
}

void flow_written(struct flow *flow, u32 end)
{
	note_written(flow, (struct written){.end = end});
}

void flow_finish(struct flow *flow, u32 end)
{
	note_written(flow, (struct written){.end = end, .fin = true});
}

void flow_consumed(struct flow *flow)
{
	pacer_acquire();
	flow->consumed = true;
	if (!flow->entry.scheduled)
		event_schedule(&flow->entry, pacer_time());
	pacer_release();
}

/* What was written while the pacer was late enters when it was written, not before. */
static void enter(struct flow *flow, u64 now)
{
	if (flow->consumed) {
		u32 before = flow->receiver.edge;
		flow->consumed = false;
		if (flow_back(flow)->state == FLOW_OPEN && flow_grant_window(flow) != before)
			flow_send_acknowledgement(flow_back(flow), now, now);
	}
	flow->sender.finished = flow->due.fin;
	flow->sender.available = flow->due.end + flow->due.fin;
	if (flow->latest.end != flow->due.end || flow->latest.fin != flow->due.fin) {
		flow->due = flow->latest;
		event_schedule(&flow->entry, MAX(flow->latest_at, now));
	}
	flow_output(flow, now);
	flows_settle(flow->connection);
}

void flow_close(struct connection *connection, u32 side, bool reset)
{
	struct flow *flow = connection_flow(connection, side);
	if (!reset && flow->state == FLOW_OPEN)
		flow_finish(flow, atomic_load(&flow_stream(flow)->head));
	pacer_acquire();
	flow_back(flow)->deaf = true;
	if (reset && flow->state == FLOW_OPEN) {
		flow_send_control(flow, TCP_RST, pacer_time());
		flow->state = FLOW_OVER;
		event_cancel(&flow->timer);
	}
	flows_settle(connection);
	pacer_release();
}

void flow_fail(struct flow *flow, u32 error)
{
	flow->state = FLOW_OVER;
	event_cancel(&flow->timer);
	if (flow_sender(flow))
		connection_abort(flow->connection, flow->side, error);
}

/* Bytes that have come in order can be read. */
static void release(struct flow *flow)
{
	struct stream *stream = flow_stream(flow);
	atomic_store(&stream->released, flow->receiver.next - flow->receiver.finished);
	if (flow->receiver.finished)
		stream_set_flags(stream, STREAM_FINISHED);
	else
		waitq_wake(&stream->readers);
}

static void receive_segment(struct flow *flow, const struct packet *packet, u64 now)
{
	const struct tcp_packet *tcp = &packet->tcp;
	struct flow *back = flow_back(flow);
	struct transmission transmission = {.number = tcp->number, .transmission = tcp->transmission};
	bool progress = receiver_take(&flow->receiver, &flow->sender.board, &transmission, packet->sent);
	if (progress && flow->deaf && tcp->size) { /* RFC 9293 3.10.7.1: nobody will ever read it */
		flow_send_control(back, TCP_RST, now);
		flow_fail(back, 0);
		flows_settle(back->connection);
		return;
	}
	if (progress)
		release(flow);
	flow_send_acknowledgement(back, packet->sent, now);
}

/* `flow` carried the acknowledgement: it is for the other one. */
static void receive_acknowledgement(struct flow *flow, const struct tcp_packet *tcp, u64 now)
{
	struct flow *back = flow_back(flow);
	struct acknowledgement acknowledgement = {
		.acknowledged = tcp->acknowledgement,
		.edge = tcp->edge,
		.arrivals = tcp->arrivals,
		.echo = tcp->echo,
	};
	sender_acknowledge(&back->sender, &acknowledgement, now);
	flow_forget_acknowledged(back);
	flow_output(back, now);
	flows_settle(back->connection);
}

/* The other end is gone. */
static void receive_reset(struct flow *flow)
{
	struct flow *back = flow_back(flow);
	u32 side = back->side;
	if (back->state == FLOW_SYN_SENT || back->state == FLOW_SYN_RECEIVED) {
		handshake_refused(back);
		return;
	}
	if (back->state == FLOW_OPEN)
		flow_fail(back, connection_reset_error(back->connection, side));
	flow->state = FLOW_OVER;
	event_cancel(&flow->timer);
	flows_settle(back->connection);
}

static void receive(struct flow *flow, const struct packet *packet, u64 now)
{
	const struct tcp_packet *tcp = &packet->tcp;
	struct flow *back = flow_back(flow);
	if (tcp->flags & TCP_SYN)
		handshake_receive(flow, tcp, now);
	else if (tcp->flags & TCP_RST)
		receive_reset(flow);
	else if (back->state == FLOW_SYN_RECEIVED && !handshake_complete(back, now))
		return;
	else if (back->state != FLOW_OPEN)
		flow_send_control(back, TCP_RST, now);
	else if (tcp->size || tcp->flags & TCP_FIN)
		receive_segment(flow, packet, now);
	else if (tcp->probe)
		flow_send_acknowledgement(back, packet->sent, now);
	else
		receive_acknowledgement(flow, tcp, now);
}

void flow_receive(struct packet *packet, u64 now)
{
	if (packet->tcp.flow->connection)
		receive(packet->tcp.flow, packet, now);
	packet_free(packet);
}

/* How often a flow sends in vain before it gives up: an orphan less often, and not at all when nobody is there to answer
 * since the other pod has gone too. */
static u32 patience(const struct flow *flow)
{
	if (flow_sender(flow))
		return SENDER_RETRIES;
	const struct interface *target = interface_find(flow->path->target);
	bool there = target && target->pod && !target->pod->is_remote; /* of one elsewhere its socket tells */
	return flow_receiver(flow) || there ? SENDER_RETRIES_ORPHAN : 0;
}

static void sender_due(struct flow *flow, u64 now)
{
	if (sender_deadline(&flow->sender, now) > now) {
		flow_set_timer(flow, now);
		return;
	}
	if (sender_timeout(&flow->sender, now))
		flow_send_window_probe(flow, now);
	if (flow->sender.retries > patience(flow))
		flow_fail(flow, E_TIMEDOUT);
	else
		flow_output(flow, now);
	flows_settle(flow->connection); /* cutting anew what is under way counts all that has come as acknowledged */
}

void flow_timer(struct event *event, u64 now)
{
	struct flow *flow = (struct flow *)((u8 *)event - offsetof(struct flow, timer));
	if (flow->state == FLOW_OPEN)
		sender_due(flow, now);
	else
		handshake_timeout(flow, now);
}

void flow_enter(struct event *event, u64 now)
{
	enter((struct flow *)((u8 *)event - offsetof(struct flow, entry)), now);
}

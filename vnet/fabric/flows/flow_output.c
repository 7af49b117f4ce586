/* What a flow sends: segments, acknowledgements with the window that they grant, probes, and the rest. */
#include "vnet/fabric/flows/flow_internal.h"

/* Bytes count as read while somebody waits for them: how long a thread
 * takes to wake is no matter of the network's. */
u32 flow_grant_window(struct flow *flow)
{
	struct stream *stream = flow_stream(flow);
	struct receiver *receiver = &flow->receiver;
	const struct socket *reader = flow_receiver(flow);
	u32 least = MIN(2 * flow->sender.segment_size, receiver->buffer / 2);
	u32 unread = flow->deaf || atomic_load(&stream->readers.count) ? 0 : stream_unread(stream);
	if (reader)
		receiver->buffer = MIN(reader->receive_buffer, STREAM_LARGEST);
	receiver->edge = receiver_edge(receiver, unread, flow->sender.segment_size);
	atomic_store(&stream->update_at, receiver->edge + least - receiver->buffer);
	return receiver->edge;
}

static struct packet *make_packet(struct flow *flow, u32 flags, u32 size)
{
	struct packet *packet = packet_create(flow->sender.board.account, PACKET_TCP, 0);
	if (!packet)
		return NULL;
	struct flow *back = flow_back(flow);
	packet->size += size;
	packet->flow_key = flow->key;
	packet->tcp = (struct tcp_packet){
		.flow = flow,
		.sequence = flow->sender.next,
		.acknowledgement = back->receiver.next,
		.edge = back->receiver.edge,
		.size = size,
		.flags = (u8)flags,
	};
	flow_hold(packet);
	return packet;
}

void flow_send_control(struct flow *flow, u32 flags, u64 now)
{
	struct packet *packet = make_packet(flow, flags, 0);
	if (packet)
		packet_send(packet, flow->path, now);
}

void flow_send_acknowledgement(struct flow *flow, u64 echo, u64 now)
{
	struct flow *back = flow_back(flow);
	flow_grant_window(back);
	struct packet *packet = make_packet(flow, TCP_ACK, 0);
	if (!packet)
		return;
	packet->tcp.arrivals = back->sender.board.arrivals;
	packet->tcp.echo = echo;
	packet_send(packet, flow->path, now);
}

void flow_send_window_probe(struct flow *flow, u64 now)
{
	struct packet *packet = make_packet(flow, TCP_ACK, 0);
	if (!packet)
		return;
	packet->tcp.probe = true;
	packet_send(packet, flow->path, now);
}

static void send_segment(struct flow *flow, const struct transmission *transmission, u64 now)
{
	u32 flags = TCP_ACK | (transmission->fin ? (u32)TCP_FIN : 0);
	struct packet *packet = make_packet(flow, flags, transmission->size);
	if (!packet)
		return;
	packet->tcp.sequence = transmission->sequence;
	packet->tcp.number = transmission->number;
	packet->tcp.transmission = transmission->transmission;
	packet_send(packet, flow->path, now);
}

void flow_set_timer(struct flow *flow, u64 now)
{
	u64 deadline = sender_deadline(&flow->sender, now);
	if (deadline == NEVER)
		event_cancel(&flow->timer);
	else if (!flow->timer.scheduled || flow->timer.due > deadline) /* one that is too early looks again */
		event_schedule(&flow->timer, deadline);
}

void flow_forget_acknowledged(struct flow *flow)
{
	struct stream *stream = flow_stream(flow);
	bool fin = flow->sender.finished && sender_done(&flow->sender);
	atomic_store(&stream->acknowledged, flow->sender.acknowledged - fin);
	if (atomic_load(&stream->writers.count) && stream_writable(stream))
		waitq_wake(&stream->writers);
}

static void follow_path(struct flow *flow)
{
	u32 segment_size = flow->path->mtu - TCP_OVERHEAD;
	if (segment_size == flow->sender.segment_size)
		return;
	sender_resize(&flow->sender, segment_size, flow->receiver.next);
	if (scoreboard_count(&flow->sender.board))
		return;
	flow->receiver.next_number = flow->sender.board.end;
	flow_forget_acknowledged(flow);
}

void flow_output(struct flow *flow, u64 now)
{
	const struct socket *writer = flow_sender(flow);
	struct transmission transmission;
	if (flow->state != FLOW_OPEN)
		return;
	follow_path(flow);
	flow->sender.no_delay = !writer || writer->no_delay;
	while (sender_next(&flow->sender, &transmission, now))
		send_segment(flow, &transmission, now);
	flow_set_timer(flow, now);
}

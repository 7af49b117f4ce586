/* How a segment looks in a capture: the header that it would have, and its bytes, which lie in the stream. */
#include "vnet/fabric/flows/flow_internal.h"

/* Bytes that have been released may be overwritten by the writer at any time: they count as gone. */
static void find_bytes(const struct flow *flow, const struct tcp_packet *tcp, struct payload *payload)
{
	const struct stream *stream = flow_stream(flow);
	bool there = stream->buffer && (i32)(tcp->sequence - atomic_load(&stream->released)) >= 0 &&
		     tcp->size <= stream->capacity;
	if (!there) {
		payload->missing = tcp->size;
		return;
	}
	u32 offset = tcp->sequence & (stream->capacity - 1);
	u32 first = MIN(tcp->size, stream->capacity - offset);
	payload->part[0] = stream->buffer + offset;
	payload->size[0] = first;
	payload->part[1] = stream->buffer;
	payload->size[1] = tcp->size - first;
}

/* Streams count from 0 and a SYN takes one number, so the first byte has the one after the initial number, which is the
 * flow's key: it differs between connections and directions. */
bool flow_describe(const struct packet *packet, struct frame *frame, struct payload *payload)
{
	const struct tcp_packet *tcp = &packet->tcp;
	const struct flow *flow = tcp->flow;
	if (!flow || !flow->connection)
		return false;
	frame->source_port = flow->connection->ports[flow->side];
	frame->target_port = flow->connection->ports[1 - flow->side];
	frame->flags = tcp->flags | (tcp->size ? FRAME_PSH : 0);
	frame->sequence = flow->key + !(tcp->flags & TCP_SYN) + tcp->sequence;
	frame->acknowledgement = flow_back(flow)->key + 1 + tcp->acknowledgement;
	frame->window = tcp->edge - tcp->acknowledgement;
	frame->segment_most = (u16)(flow->path->mtu - TCP_OVERHEAD);
	find_bytes(flow, tcp, payload);
	return true;
}

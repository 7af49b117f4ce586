/* What sockets are and have done, read out for people: one record a socket, found by a cursor. */
#include "vnet/fabric/sockets/connection.h"
#include "vnet/fabric/flows/flow.h"

enum flow_kind { FLOW_TCP = 0, FLOW_UDP };

/* RFC 9293 3.3.2, as far as they can be told apart here. */
enum flow_phase {
	PHASE_LISTEN = 0,
	PHASE_SYN_SENT,
	PHASE_ESTABLISHED,
	PHASE_FIN_WAIT,
	PHASE_CLOSE_WAIT,
	PHASE_CLOSING,
	PHASE_CLOSED,
};

/* Times are ns, windows bytes; all from `smoothed` on is 0 while the flow is direct. */
struct flow_record {
	u64 received, sent; /* bytes */
	u64 smoothed, variation, timeout;
	u64 segments, retransmissions, timeouts;
	u32 kind, phase, paced;
	u32 local, remote; /* IPv4 addresses */
	u32 local_port, remote_port;
	u32 receive_queue, send_queue;
	u32 segment_size, window, threshold, in_flight, granted;
	char pod[HOSTNAME_SIZE];
};

/* Precedes the records. */
struct flow_batch {
	u32 next;  /* the cursor for the next call; 0 at the end */
	u32 count; /* records that follow */
};

static u32 phase_of(const struct socket *socket)
{
	const struct connection *connection = socket->connection;
	switch (atomic_load(&socket->state)) {
	case TCP_LISTEN: return PHASE_LISTEN;
	case TCP_SYN_SENT: return PHASE_SYN_SENT;
	case TCP_CLOSED: return PHASE_CLOSED;
	default: break;
	}
	u32 in = stream_flags(&connection->stream[socket->side]);
	u32 out = stream_flags(&connection->stream[1 - socket->side]);
	if (in & STREAM_RESET_READER || out & STREAM_RESET_WRITER)
		return PHASE_CLOSED;
	bool shut = atomic_load(&socket->write_shut);
	if (in & STREAM_FINISHED)
		return shut ? PHASE_CLOSING : PHASE_CLOSE_WAIT;
	return shut ? PHASE_FIN_WAIT : PHASE_ESTABLISHED;
}

static void describe_sender(struct flow_record *record, const struct sender *sender)
{
	u32 size = sender->segment_size;
	record->paced = 1;
	record->smoothed = sender->round_trip.smoothed;
	record->variation = sender->round_trip.variation;
	record->timeout = round_trip_timeout(&sender->round_trip, sender->backoff);
	record->segments = sender->statistics.segments;
	record->retransmissions = sender->statistics.retransmissions;
	record->timeouts = sender->statistics.timeouts;
	record->segment_size = size;
	record->window = sender->congestion.window * size;
	record->threshold = MIN(sender->congestion.threshold, CONGESTION_MOST_WINDOW) * size;
	record->in_flight = sender->next - sender->acknowledged;
	record->granted = sender->edge - sender->acknowledged;
}

static void describe_connection(struct flow_record *record, const struct socket *socket)
{
	const struct connection *connection = socket->connection;
	const struct stream *in = &connection->stream[socket->side], *out = &connection->stream[1 - socket->side];
	record->received = stream_delivered(in);
	record->sent = stream_written(out);
	record->receive_queue = stream_unread(in);
	record->send_queue = stream_held(out);
	if (out->flow)
		describe_sender(record, &out->flow->sender);
}

static void describe_stream(struct flow_record *record, const struct socket *socket)
{
	record->kind = FLOW_TCP;
	record->phase = phase_of(socket);
	if (record->phase == PHASE_LISTEN) {
		record->receive_queue = socket->queued;
		record->send_queue = socket->backlog;
	} else if (socket->state == TCP_ESTABLISHED) {
		describe_connection(record, socket);
	}
}

static void describe_datagrams(struct flow_record *record, const struct socket *socket)
{
	record->kind = FLOW_UDP;
	record->receive_queue = socket->incoming.bytes;
}

/* Of a pod on another node: how it sends is known here, and only here. It has no name. */
static bool is_simulated_here(const struct socket *socket)
{
	return socket->kind == SOCKET_STREAM && socket->state == TCP_ESTABLISHED && socket->side == 1 &&
	       socket->connection->stream[0].flow;
}

static bool describe(struct flow_record *record, struct socket *socket)
{
	if (socket->kind == SOCKET_ECHO || socket->kind == SOCKET_TRUNK)
		return false;
	if (socket->pod->is_remote && !is_simulated_here(socket))
		return false;
	memset(record, 0, sizeof(*record));
	if (socket->kind == SOCKET_STREAM) {
		describe_stream(record, socket);
	} else {
		lock_acquire(&socket->incoming.lock);
		describe_datagrams(record, socket);
		lock_release(&socket->incoming.lock);
	}
	record->local = address_to_ipv4(socket->local);
	record->local_port = socket->local_port;
	record->remote = address_to_ipv4(socket->remote);
	record->remote_port = socket->remote_port;
	memcpy(record->pod, socket->pod->hostname, HOSTNAME_SIZE);
	return true;
}

static u32 bucket_length(u32 bucket)
{
	u32 length = 0;
	for (const struct socket *socket = socket_first(bucket); socket; socket = socket->next_by_id)
		length++;
	return length;
}

/* Sockets from `cursor` on, 0 at first: a struct flow_batch and what follows it, at most `size` bytes at `at`. Of sockets
 * that come and go meanwhile some are seen, none twice. */
EXPORT(host_flows) i32 host_flows(u32 cursor, uaddr at, u32 size);
i32 host_flows(u32 cursor, uaddr at, u32 size)
{
	struct flow_batch *batch = (struct flow_batch *)(uintptr_t)at;
	struct flow_record *records = (struct flow_record *)(batch + 1);
	u32 capacity = (size - (u32)sizeof(*batch)) / (u32)sizeof(*records), bucket = cursor;
	batch->count = 0;
	lock_acquire(&network_lock);
	pacer_acquire();
	for (; bucket < SOCKET_BUCKETS && batch->count + bucket_length(bucket) <= capacity; bucket++)
		for (struct socket *socket = socket_first(bucket); socket; socket = socket->next_by_id)
			batch->count += describe(&records[batch->count], socket);
	pacer_release();
	lock_release(&network_lock);
	batch->next = bucket < SOCKET_BUCKETS ? bucket : 0;
	return 0;
}

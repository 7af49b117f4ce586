/* What flow.c, flow_output.c, handshake.c and conversion.c share and nobody else calls. Under network_lock and the pacer's lock. */
#ifndef PODNET_FABRIC_FLOW_INTERNAL_H
#define PODNET_FABRIC_FLOW_INTERNAL_H

#include "vnet/fabric/flows/flow.h"
#include "vnet/fabric/sockets/tcp_internal.h"

/* Both flows of a connection, which is held for them, over these paths, which are theirs from now on. The client's
 * account pays. False when it cannot; the paths are released then. */
bool flows_create(struct connection *connection, struct path *out, struct path *back);
/* The connection is direct again, or forgotten: nothing of it but packets under way is left. */
void flows_end(struct connection *connection);
/* End the flows when both ends are closed and neither has anything left to do. */
void flows_settle(struct connection *connection);

static inline struct flow *flow_back(const struct flow *flow)
{
	return connection_flow(flow->connection, 1 - flow->side);
}

/* The stream whose bytes the flow moves. */
static inline struct stream *flow_stream(const struct flow *flow)
{
	return &flow->connection->stream[1 - flow->side];
}

/* NULL when there is none, or it is closed. */
static inline struct socket *flow_sender(const struct flow *flow)
{
	return flow->connection->ends[flow->side];
}

static inline struct socket *flow_receiver(const struct flow *flow)
{
	return flow->connection->ends[1 - flow->side];
}

/* As `flow_connect` needs them: both or, with -E_AGAIN, neither. */
int flow_find_paths(const struct pod *client, const struct interface *source, const struct interface *target,
		    struct path **out, struct path **back);
/* A segment without bytes, with what the flow's sending end acknowledges of the other direction. */
void flow_send_control(struct flow *flow, u32 flags, u64 now);
/* The flow's sending end acknowledges what came at last; it was sent at `echo`. */
void flow_send_acknowledgement(struct flow *flow, u64 echo, u64 now);
void flow_send_window_probe(struct flow *flow, u64 now);
/* The right edge of the window that the flow's receiving end grants now. */
u32 flow_grant_window(struct flow *flow);
/* What is acknowledged need not be kept, and makes room for more. */
void flow_forget_acknowledged(struct flow *flow);
/* Send what may be sent now, and set the timer. */
void flow_output(struct flow *flow, u64 now);
void flow_set_timer(struct flow *flow, u64 now);
/* Bytes as the two ends' sockets have set them. */
void flow_set_limits(struct connection *connection, struct socket_buffers client, struct socket_buffers server);
/* That end can do nothing more with the connection: its program learns why. */
void flow_fail(struct flow *flow, u32 error);

/* A SYN, or the answer to one. */
void handshake_receive(struct flow *flow, const struct tcp_packet *tcp, u64 now);
/* What the listener on another node says of the SYN that came for `flow`: 0, or the error that it was refused with. */
void handshake_answered(struct flow *flow, u32 error, struct socket_buffers listener, u64 now);
/* Something else has come for an end that waits for the acknowledgement of its answer: it may be that. False when the
 * packet is as good as lost. */
bool handshake_complete(struct flow *flow, u64 now);
void handshake_timeout(struct flow *flow, u64 now);
/* A reset has come while the flow's sender was shaking hands. */
void handshake_refused(struct flow *flow);

#endif

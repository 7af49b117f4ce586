/* TCP over a path: what moves the bytes of a paced stream from its writer to its reader.
 *
 * Each direction of a paced connection has a flow: sender.h at the one end, receiver.h at the other, and packets that
 * travel between the two along a path (packet.h). The bytes themselves lie in the stream's ring all the while; arriving
 * moves `stream->released`, being acknowledged moves `stream->acknowledged`. A sequence number is a place in the stream.
 *
 * A program's writes and reads only leave a note and an event; all that TCP does with them happens when the pacer comes
 * to the event, in the order of simulation time. A connection's flows live until both its sockets are closed and what
 * they have sent is acknowledged or given up.
 *
 * Everything is under the pacer's lock, and what touches sockets under network_lock as well.
 */
#ifndef PODNET_FABRIC_FLOW_H
#define PODNET_FABRIC_FLOW_H

#include "vnet/fabric/captures/capture.h"
#include "vnet/fabric/paths/path.h"
#include "vnet/fabric/flows/receiver.h"

struct connection;
struct socket;

enum flow_state {
	FLOW_IDLE = 0, /* the accepting end's, until a SYN comes */
	FLOW_SYN_SENT,
	FLOW_SYN_RECEIVED, /* the SYN of the other end is answered, the answer not acknowledged */
	FLOW_OPEN,
	FLOW_OVER, /* reset, or given up: nothing more is sent */
};

/* What the program wants sent: bytes of the stream up to here, and then perhaps a FIN. */
struct written {
	u32 end;
	bool fin;
};

struct flow {
	struct connection *connection; /* held by both flows together; NULL: over, but for packets under way */
	struct account *account; /* held; paid for this */
	u32 side;    /* of the connection's end that sends */
	u32 packets; /* under way */
	u32 key;     /* for links' fair queues */
	u32 state;   /* enum flow_state */
	struct path *path; /* held */
	struct sender sender;
	struct receiver receiver;
	struct event timer; /* the sender's */
	struct event entry; /* the program has written or read */
	struct written due, latest; /* what enters at `entry`, and what the program has written meanwhile */
	u64 latest_at;
	u64 handshake_started; /* when the first SYN or its answer was sent */
	u32 handshake_tries;
	bool consumed; /* the program has read enough for the window to be worth an update */
	bool deaf;     /* the receiving end's socket is closed: data is answered with a reset */
};

/* The flow whose sender is that end's. */
struct flow *connection_flow(const struct connection *connection, u32 side);

/* A packet has arrived; it is given away. */
void flow_receive(struct packet *packet, u64 now);
/* Events of a flow's are due: its timer, and what its programs have done. */
void flow_timer(struct event *event, u64 now);
void flow_enter(struct event *event, u64 now);
/* What a capture shows of a segment: its header, but for the addresses, and its bytes. False when the connection is
 * forgotten. */
bool flow_describe(const struct packet *packet, struct frame *frame, struct payload *payload);
/* One packet more, or less, is under way. */
void flow_hold(const struct packet *packet);
void flow_release(const struct packet *packet);

/* The program has written up to `end`, or has read; called under the stream's write or read lock, without the
 * pacer's. */
void flow_written(struct flow *flow, u32 end);
void flow_consumed(struct flow *flow);
/* As `flow_written`, with a FIN after it. */
void flow_finish(struct flow *flow, u32 end);

/* Under network_lock alone, as all below. Begin a connection of `client`'s over the paths between the interfaces: 0,
 * -E_AGAIN when nothing concerns them and the connection shall be direct, -E_NOBUFS. */
int flow_connect(struct socket *client, const struct interface *source, const struct interface *target);
/* The client waits no longer for its connection, and has none. */
void flow_withdraw(struct socket *client);
/* That end's socket is closed; `reset`: without a FIN. */
void flow_close(struct connection *connection, u32 side, bool reset);
/* A program takes a paced connection: if nothing concerned it any more during its handshake, it becomes direct. */
void flow_accepted(struct connection *connection);
/* The configuration has changed and every path with it: convert what is concerned now, or no longer. */
void flow_reconsider(void);
/* The same for one socket. */
void flow_reconsider_one(struct socket *socket);

#endif

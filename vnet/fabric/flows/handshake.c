/* How a connection over a path begins: SYN, its answer, the acknowledgement of that; refusals and time-outs.
 *
 * RFC 9293 3.5 with Linux's numbers. A connecting program is done when the answer has come, a listener when its
 * acknowledgement has, or anything that implies it. A SYN that meets a full backlog is lost, as in Linux.
 */
#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow_internal.h"
#include "vnet/fabric/outside/trunk.h"
#include "vnet/fabric/sockets/ports.h"

/* Linux: tcp_syn_retries and tcp_synack_retries. */
#define SYN_RETRIES 6u
#define SYN_ACK_RETRIES 5u

static int find_path(struct account *account, const struct interface *source, const struct interface *target, bool tail,
		     struct path **path)
{
	return tail ? path_find_tail(account, source, target, path) : path_find(account, source, target, path);
}

int flow_find_paths(const struct pod *client, const struct interface *source, const struct interface *target,
		    struct path **out, struct path **back)
{
	struct account *account = client->account;
	bool tail = client->is_remote;
	int result = find_path(account, source, target, tail, out);
	if (result < 0)
		return result;
	result = find_path(account, target, source, tail, back);
	if (result == 0 && !*out && !*back)
		return -E_AGAIN;
	if (result == 0 && !*back)
		result = path_make(account, target, source, tail, back);
	else if (result == 0 && !*out)
		result = path_make(account, source, target, tail, out);
	if (result == 0)
		return 0;
	if (*out)
		path_release(*out);
	if (*back)
		path_release(*back);
	return result;
}

/* Send a SYN, or the answer to one, and look after it. */
static void send_greeting(struct flow *flow, u64 now)
{
	flow_send_control(flow, flow->state == FLOW_SYN_SENT ? (u32)TCP_SYN : TCP_SYN | TCP_ACK, now);
	event_schedule(&flow->timer, now + (TIMEOUT_INITIAL_NS << flow->handshake_tries));
}

static void greet(struct flow *flow, enum flow_state state, u64 now)
{
	flow->state = state;
	flow->handshake_started = now;
	send_greeting(flow, now);
}

/* The greeting is answered. */
static void be_open(struct flow *flow, u64 now)
{
	event_cancel(&flow->timer);
	if (!flow->handshake_tries) /* RFC 6298 3: of what was sent again, nobody knows which one was answered */
		round_trip_sample(&flow->sender.round_trip, now - flow->handshake_started, now);
	flow->state = FLOW_OPEN;
}

static int connect_over(struct socket *client, struct path *out, struct path *back)
{
	struct connection *connection = connection_create(client);
	if (!connection) {
		path_release(out);
		path_release(back);
		return -E_NOBUFS;
	}
	if (!flows_create(connection, out, back)) {
		client->connection = NULL;
		connection_release(connection);
		return -E_NOBUFS;
	}
	flow_set_limits(connection, socket_buffers(client), socket_buffers(client));
	greet(connection_flow(connection, 0), FLOW_SYN_SENT, pacer_time());
	client->connect_deadline = NEVER; /* the flow has a timer */
	atomic_store(&client->state, TCP_SYN_SENT);
	return 0;
}

int flow_connect(struct socket *client, const struct interface *source, const struct interface *target)
{
	struct path *out, *back;
	pacer_acquire();
	int result = flow_find_paths(client->pod, source, target, &out, &back);
	if (result == 0)
		result = connect_over(client, out, back);
	pacer_release();
	return result;
}

static void withdraw(struct socket *client)
{
	struct connection *connection = client->connection;
	client->connection = NULL;
	connection->ends[0] = NULL;
	flows_end(connection);
	connection_release(connection);
}

void flow_withdraw(struct socket *client)
{
	pacer_acquire();
	withdraw(client);
	pacer_release();
}

static void give_up(struct flow *flow, u32 error)
{
	struct socket *client = flow_sender(flow);
	if (flow->state == FLOW_SYN_SENT) {
		withdraw(client);
		tcp_connect_decided(client, error);
		return;
	}
	flow->state = FLOW_OVER; /* what the client sends will be answered with a reset */
	event_cancel(&flow->timer);
	flows_settle(flow->connection);
}

void handshake_refused(struct flow *flow)
{
	give_up(flow, E_CONNREFUSED);
}

void handshake_timeout(struct flow *flow, u64 now)
{
	if (flow->state != FLOW_SYN_SENT && flow->state != FLOW_SYN_RECEIVED)
		return;
	if (flow->handshake_tries == (flow->state == FLOW_SYN_SENT ? SYN_RETRIES : SYN_ACK_RETRIES)) {
		give_up(flow, E_TIMEDOUT);
		return;
	}
	flow->handshake_tries++;
	send_greeting(flow, now);
}

/* Whoever listens where the flow's sender is to be. */
static struct socket *find_listener(const struct flow *flow, bool *absent)
{
	const struct interface *interface = interface_find(flow->path->source);
	*absent = !interface || !interface->pod;
	if (!*absent && interface->pod->is_remote)
		return trunk_listener();
	return *absent ? NULL : port_listener(interface->pod, flow->path->source, flow->connection->ports[flow->side]);
}

/* A listener with these buffers has room. */
static void accept_syn(struct flow *flow, struct socket_buffers listener, u64 now)
{
	flow_set_limits(flow->connection, socket_buffers(flow_receiver(flow)), listener);
	flow->sender.edge = flow->receiver.edge; /* as the SYN has it */
	greet(flow, FLOW_SYN_RECEIVED, now);
}

static bool is_elsewhere(const struct flow *flow)
{
	const struct interface *interface = interface_find(flow->path->source);
	return interface && interface_is_remote(interface);
}

void handshake_answered(struct flow *flow, u32 error, struct socket_buffers listener, u64 now)
{
	if (flow->state != FLOW_IDLE || !is_elsewhere(flow))
		return;
	switch (error) {
	case 0: accept_syn(flow, listener, now); break;
	case E_CONNREFUSED: flow_send_control(flow, TCP_RST, now); break;
	default: give_up(flow_back(flow), error);
	}
}

/* `flow` is the one that answers. */
static void receive_syn(struct flow *flow, u64 now)
{
	bool absent;
	struct socket *listener;
	switch (flow->state) {
	case FLOW_SYN_RECEIVED: flow_send_control(flow, TCP_SYN | TCP_ACK, now); return;
	case FLOW_OPEN: flow_send_acknowledgement(flow, now, now); return;
	case FLOW_OVER: flow_send_control(flow, TCP_RST, now); return;
	default: break;
	}
	if (is_elsewhere(flow)) {
		trunk_ask(flow);
		return;
	}
	listener = find_listener(flow, &absent);
	if (absent || (listener && listener->queued >= listener->backlog))
		return;
	if (!listener) {
		flow_send_control(flow, TCP_RST, now);
		return;
	}
	accept_syn(flow, socket_buffers(listener), now);
}

/* `flow` is the one that sent the SYN. */
static void receive_answer(struct flow *flow, const struct tcp_packet *tcp, u64 now)
{
	if (flow->state == FLOW_OVER) {
		flow_send_control(flow, TCP_RST, now);
		return;
	}
	if (flow->state == FLOW_SYN_SENT) {
		struct socket *client = flow_sender(flow);
		be_open(flow, now);
		flow->sender.edge = tcp->edge;
		atomic_store(&client->state, TCP_ESTABLISHED);
		waitq_wake(&client->changes);
	}
	flow_send_acknowledgement(flow, now, now);
	flow_output(flow, now);
}

void handshake_receive(struct flow *flow, const struct tcp_packet *tcp, u64 now)
{
	struct flow *back = flow_back(flow);
	if (tcp->flags & TCP_ACK)
		receive_answer(back, tcp, now);
	else
		receive_syn(back, now);
}

/* The accepting end stands for one elsewhere, with the buffers that its listener had. */
static void set_far_buffers(struct flow *flow)
{
	struct socket *server = flow->connection->ends[flow->side];
	server->send_buffer = atomic_load(&flow_stream(flow)->send_limit);
	server->receive_buffer = flow_back(flow)->receiver.buffer;
}

bool handshake_complete(struct flow *flow, u64 now)
{
	bool absent;
	struct socket *listener = find_listener(flow, &absent);
	if (absent)
		return false;
	if (!listener) {
		flow->state = FLOW_OVER;
		event_cancel(&flow->timer);
		flow_send_control(flow, TCP_RST, now);
		return false;
	}
	if (tcp_accept_paced(listener, flow->connection, flow->path->source, flow->path->target) < 0)
		return false;
	if (listener->pod->is_remote)
		set_far_buffers(flow);
	scoreboard_open(&flow->sender.board, listener->pod->account);
	be_open(flow, now);
	return true;
}

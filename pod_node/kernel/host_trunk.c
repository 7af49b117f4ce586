/* Calls of the node that carries what pods say to pods on other nodes, and what those answer.
 *
 * Three descriptors: one to be watched for connects to take, a listener, from which `host_accept` takes connections whose
 * ways are simulated here, and one from which `host_read` takes packets, one struct trunk_record and its payload a read.
 * The first is closed first. Addresses are IPv4, in host byte order.
 */
#include "pod_node/kernel/host.h"
#include "pod_node/kernel/wasi.h"
#include "vnet/fabric/outside/trunk.h"
#include "vnet/fabric/sockets/connection.h"

struct trunk_descriptors {
	i32 connects, listener, records;
};

static i32 install_trunk(void)
{
	struct file *file = file_create(host_process->pod->account, FILE_TRUNK);
	if (!file) {
		trunk_close();
		return -E_NOBUFS;
	}
	i32 fd = descriptor_install(&host_process->descriptors, file);
	if (fd < 0)
		file_release(file);
	return fd;
}

/* Serve; what comes from other nodes takes no more than so many bytes and sockets. 0 or a negative errno. */
EXPORT(host_trunk_open) i32 host_trunk_open(u64 byte_limit, u32 socket_limit, uaddr at);
i32 host_trunk_open(u64 byte_limit, u32 socket_limit, uaddr at)
{
	struct trunk_descriptors *to = (struct trunk_descriptors *)(uintptr_t)at;
	struct trunk_sockets sockets;
	int result = trunk_open(byte_limit, socket_limit, &sockets);
	if (result < 0)
		return result;
	to->connects = install_trunk();
	to->listener = host_install_socket(sockets.listener);
	to->records = host_install_socket(sockets.records);
	return MIN(0, MIN(to->connects, MIN(to->listener, to->records)));
}

/* A pod on another node has, or has no longer, this address. */
EXPORT(host_trunk_attach) i32 host_trunk_attach(u32 network, u32 ipv4, u32 prefix);
i32 host_trunk_attach(u32 network, u32 ipv4, u32 prefix)
{
	return trunk_attach(network, address_from_ipv4(ipv4), prefix);
}

EXPORT(host_trunk_detach) i32 host_trunk_detach(u32 ipv4);
i32 host_trunk_detach(u32 ipv4)
{
	return trunk_detach(address_from_ipv4(ipv4));
}

struct trunk_ends {
	u32 source, source_port, target, target_port;
	u32 send_buffer, receive_buffer;
};

struct trunk_connect_reply {
	u32 id;
	struct trunk_ends ends; /* with the client's buffers */
};

/* Take the next connect: 1, or 0 when there is none. */
EXPORT(host_trunk_take) i32 host_trunk_take(uaddr at);
i32 host_trunk_take(uaddr at)
{
	struct outside_connect connect;
	if (!trunk_take(&connect))
		return 0;
	*(struct trunk_connect_reply *)(uintptr_t)at = (struct trunk_connect_reply){
		.id = connect.id,
		.ends =
			{
				.source = address_to_ipv4(connect.source),
				.source_port = connect.source_port,
				.target = address_to_ipv4(connect.destination),
				.target_port = connect.destination_port,
				.send_buffer = connect.buffers.send,
				.receive_buffer = connect.buffers.receive,
			},
	};
	return 1;
}

/* The client's connect fails. 0, or -E_NOENT when the client has gone. */
EXPORT(host_trunk_refuse) i32 host_trunk_refuse(u32 id, u32 error);
i32 host_trunk_refuse(u32 id, u32 error)
{
	struct socket *none;
	return error ? trunk_decide(id, error, (struct socket_buffers){0, 0}, &none) : -E_INVAL;
}

/* The client's connect succeeds, and the far end has these buffers: a descriptor of the other end. -E_NOENT when the
 * client has gone, another errno when there is no room for a connection, which the client learns too. */
EXPORT(host_trunk_accept) i32 host_trunk_accept(u32 id, u32 send_buffer, u32 receive_buffer);
i32 host_trunk_accept(u32 id, u32 send_buffer, u32 receive_buffer)
{
	struct socket *server;
	int result = trunk_decide(id, 0, (struct socket_buffers){send_buffer, receive_buffer}, &server);
	return result < 0 ? result : host_install_socket(server);
}

/* Of `count` ids of connects that were taken, keep those whose clients have gone; how many these are. */
EXPORT(host_trunk_withdrawn) i32 host_trunk_withdrawn(uaddr ids, u32 count);
i32 host_trunk_withdrawn(uaddr ids, u32 count)
{
	return (i32)trunk_withdrawn((u32 *)(uintptr_t)ids, count);
}

/* What the far node says of a SYN between these ends: 0 with the listener's buffers, or an errno. */
EXPORT(host_trunk_answer) void host_trunk_answer(uaddr at, u32 error);
void host_trunk_answer(uaddr at, u32 error)
{
	const struct trunk_ends *ends = (const struct trunk_ends *)(uintptr_t)at;
	struct trunk_record record = {
		.source = ends->source,
		.source_port = ends->source_port,
		.target = ends->target,
		.target_port = ends->target_port,
	};
	trunk_answer(&record, error, (struct socket_buffers){ends->send_buffer, ends->receive_buffer});
}

static i64 packed(struct socket_buffers buffers)
{
	return (i64)((u64)buffers.send << 32 | buffers.receive);
}

/* The buffers of whoever listens there and has room, send << 32 | receive, or a negative errno. */
EXPORT(host_trunk_probe) i64 host_trunk_probe(u32 target, u32 port);
i64 host_trunk_probe(u32 target, u32 port)
{
	struct socket_buffers buffers;
	int result = trunk_probe((struct endpoint){address_from_ipv4(target), port}, &buffers);
	return result < 0 ? result : packed(buffers);
}

/* A connection from another node, between these ends and with the client's buffers: a descriptor of its client end, to
 * be watched for writing until it is open. */
EXPORT(host_trunk_connect) i32 host_trunk_connect(uaddr at);
i32 host_trunk_connect(uaddr at)
{
	const struct trunk_ends *ends = (const struct trunk_ends *)(uintptr_t)at;
	struct socket *client;
	int result = trunk_arrive((struct endpoint){address_from_ipv4(ends->source), ends->source_port},
				  (struct endpoint){address_from_ipv4(ends->target), ends->target_port},
				  (struct socket_buffers){ends->send_buffer, ends->receive_buffer}, &client);
	return result < 0 ? result : host_install_socket(client);
}

static struct socket *trunk_socket(u32 fd)
{
	struct file *file = descriptor_get(&host_process->descriptors, fd);
	return file && file->kind == FILE_SOCKET && file->socket->kind == SOCKET_STREAM ? file->socket : NULL;
}

/* The buffers of the pod's end of a connection, once it is open. */
EXPORT(host_trunk_buffers) i64 host_trunk_buffers(u32 fd);
i64 host_trunk_buffers(u32 fd)
{
	const struct socket *socket = trunk_socket(fd);
	return socket ? packed(trunk_far_buffers(socket)) : -E_BADF;
}

/* As `host_write`, but that a pod which has closed its end is told of at once: -E_PIPE. */
EXPORT(host_trunk_write) i32 host_trunk_write(u32 fd, uaddr from, u32 size);
i32 host_trunk_write(u32 fd, uaddr from, u32 size)
{
	struct socket *socket = trunk_socket(fd);
	if (!socket)
		return -E_BADF;
	if (socket->state == TCP_ESTABLISHED &&
	    stream_flags(&socket->connection->stream[1 - socket->side]) & (STREAM_ABANDONED | STREAM_RESET_WRITER))
		return -E_PIPE;
	return socket_write(socket, from, size, false);
}

/* Give bytes as `host_trunk_write`, and when the pod takes all of them, wait so long at most for its answer, of which up
 * to `room` bytes then lie at `at`. Whoever waits here is not told by a watch for reading, which is gone afterwards.
 * given << 32 | got, or a negative errno. */
EXPORT(host_trunk_exchange) i64 host_trunk_exchange(u32 fd, uaddr at, u32 size, u32 room, u64 ns);
i64 host_trunk_exchange(u32 fd, uaddr at, u32 size, u32 room, u64 ns)
{
	i32 given = host_trunk_write(fd, at, size);
	if (given < (i32)size)
		return given < 0 ? given : (i64)given << 32;
	struct file *file = descriptor_get(&host_process->descriptors, fd);
	if (file->watches)
		waitq_leave(&file->watches[0]);
	u64 deadline = clock_now(CLOCK_ID_MONOTONIC) + ns;
	return (i64)given << 32 | tcp_read_by(file->socket, at, room, deadline);
}

/* A packet from another node: a struct trunk_record, and its payload behind it. */
EXPORT(host_trunk_deliver) i32 host_trunk_deliver(uaddr at, u32 size);
i32 host_trunk_deliver(uaddr at, u32 size)
{
	const struct trunk_record *record = (const struct trunk_record *)(uintptr_t)at;
	return trunk_deliver(record, (const u8 *)(record + 1), size);
}

/* Calls of the node for datagrams of its own, and for the echoes that it has pods send.
 *
 * Descriptors are the host's, watched and closed as others are. Addresses are IPv4, in host byte order.
 */
#include "pod_node/kernel/host.h"
#include "pod_node/kernel/wasi.h"
#include "vnet/fabric/sockets/echo.h"

/* A datagram socket bound to an address of the host's and a port; 0 takes an ephemeral one. */
EXPORT(host_datagram_bind) i32 host_datagram_bind(u32 ipv4, u32 port);
i32 host_datagram_bind(u32 ipv4, u32 port)
{
	struct socket *socket = udp_open(host_process->pod);
	if (!socket)
		return -E_NOBUFS;
	int result = udp_bind(socket, address_from_ipv4(ipv4), port);
	if (result < 0) {
		udp_close(socket);
		return result;
	}
	return host_install_socket(socket);
}

static struct socket *datagram_socket(u32 fd)
{
	struct file *file = descriptor_get(&host_process->descriptors, fd);
	return file && file->kind == FILE_SOCKET && file->socket->kind == SOCKET_DATAGRAM ? file->socket : NULL;
}

struct datagram_sender {
	u32 ipv4, port;
};

/* Take the next datagram into [to, to + size), cut to that, and say whose it is. Its size, or -E_AGAIN. */
EXPORT(host_datagram_receive) i32 host_datagram_receive(u32 fd, uaddr to, u32 size, uaddr sender);
i32 host_datagram_receive(u32 fd, uaddr to, u32 size, uaddr sender)
{
	struct socket *socket = datagram_socket(fd);
	struct user_spans spans = user_spans_of(to, size);
	struct udp_received received;
	i32 moved = socket ? udp_read(socket, &spans, false, false, &received) : -E_BADF;
	if (moved >= 0)
		*(struct datagram_sender *)(uintptr_t)sender = (struct datagram_sender){
			address_to_ipv4(received.source.address),
			received.source.port,
		};
	return moved;
}

EXPORT(host_datagram_send) i32 host_datagram_send(u32 fd, uaddr from, u32 size, u32 ipv4, u32 port);
i32 host_datagram_send(u32 fd, uaddr from, u32 size, u32 ipv4, u32 port)
{
	struct socket *socket = datagram_socket(fd);
	struct user_spans spans = user_spans_of(from, size);
	struct endpoint to = {address_from_ipv4(ipv4), port};
	return socket ? udp_write(socket, &spans, &to) : -E_BADF;
}

/* A descriptor from which `host_read` takes what becomes of echoes, one struct echo_result a read. One at a time. */
EXPORT(host_echo_open) i32 host_echo_open(void);
i32 host_echo_open(void)
{
	struct socket *socket = echo_open(host_process->pod);
	return socket ? host_install_socket(socket) : -E_NOBUFS;
}

/* Have the pod that has `source` send an echo request with `size` bytes of payload. */
EXPORT(host_echo_send) i32 host_echo_send(u32 source, u32 target, u32 identifier, u32 sequence, u32 size);
i32 host_echo_send(u32 source, u32 target, u32 identifier, u32 sequence, u32 size)
{
	return echo_send(address_from_ipv4(source), address_from_ipv4(target), identifier, sequence, size);
}

/* Datagram sockets under vectored calls: one call moves one datagram, with or without its address before it. */
#ifndef PODNET_KERNEL_DATAGRAMS_H
#define PODNET_KERNEL_DATAGRAMS_H

#include "pod_node/kernel/file.h"

/* What stands before the payload of a socket that has been asked for headers: the other end, in network order. To send
 * to the socket's peer, address and port are those of nobody, :: or ::ffff:0.0.0.0 and 0. */
struct datagram_header {
	u8 address[16]; /* IPv4 mapped into IPv6 (RFC 4291 2.5.5.2) */
	u8 port[2];
	u8 flags[2]; /* of what was received: HEADER_TRUNCATED; zero of what is sent */
};

enum { HEADER_TRUNCATED = 1 };

static inline bool file_is_datagram_socket(const struct file *file)
{
	return file->kind == FILE_SOCKET && file->socket->kind == SOCKET_DATAGRAM;
}

/* Bytes moved, the header's among them, or a negative errno. */
i32 wasi_datagram_in(struct socket *socket, uaddr iovs, u32 count, bool wait, bool peek, bool headers,
		     struct udp_received *received);
/* `to` is NULL for what the header says, or for the peer. */
i32 wasi_datagram_out(struct socket *socket, uaddr iovs, u32 count, bool headers, const struct endpoint *to);

#endif

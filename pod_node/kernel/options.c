/* Socket options by Linux's levels and numbers. They are kept and given back; those that shape segments have
 * nothing to act on inside a node. */
#include "pod_node/kernel/wasi.h"
#include "vnet/fabric/sockets/datagram_queue.h"

enum { IPPROTO_IP = 0, SOL_SOCKET = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17 };
enum {
	SO_REUSEADDR = 2,
	SO_TYPE = 3,
	SO_ERROR = 4,
	SO_BROADCAST = 6,
	SO_SNDBUF = 7,
	SO_RCVBUF = 8,
	SO_KEEPALIVE = 9,
	SO_NO_CHECK = 11,
	SO_LINGER = 13,
	SO_REUSEPORT = 15,
	SO_RCVTIMEO = 20,
	SO_SNDTIMEO = 21,
	SO_ACCEPTCONN = 30,
	SO_PROTOCOL = 38,
	SO_DOMAIN = 39,
	SO_RCVTIMEO_NEW = 66, /* where seconds have 64 bits and an int has not */
	SO_SNDTIMEO_NEW = 67,
};
enum { IP_ADD_MEMBERSHIP = 35, IP_DROP_MEMBERSHIP = 36 };
enum { TCP_NODELAY = 1, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6 };
enum { AF_INET = 2, SOCK_STREAM = 1, SOCK_DGRAM = 2 };

#define OPTION(level, name) ((level) << 16 | (name))

/* What a guest reads is a number of its own errno. */
static i32 take_error(struct socket *socket)
{
	u32 error = socket_take_error(socket);
	return error ? (i32)wasi_errno(error) : 0;
}

_Atomic u64 *socket_option_timeout(struct socket *socket, u32 level, u32 name)
{
	if (level != SOL_SOCKET)
		return NULL;
	switch (name) {
	case SO_RCVTIMEO:
	case SO_RCVTIMEO_NEW: return &socket->receive_timeout;
	case SO_SNDTIMEO:
	case SO_SNDTIMEO_NEW: return &socket->send_timeout;
	default: return NULL;
	}
}

/* In milliseconds, so that no time-out is shown as none. */
static i32 timeout_get(u64 timeout)
{
	return (i32)MIN((timeout + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, (u64)INT32_MAX);
}

static int timeout_set(_Atomic u64 *timeout, i32 value)
{
	if (value < 0)
		return -E_DOM;
	*timeout = (u64)value * NSEC_PER_MSEC;
	return 0;
}

static int stream_option_get(const struct socket *socket, u32 option, i32 *value)
{
	switch (option) {
	case OPTION(IPPROTO_TCP, TCP_NODELAY): return *value = socket->no_delay, 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPIDLE): return *value = (i32)socket->keep_idle, 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPINTVL): return *value = (i32)socket->keep_interval, 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPCNT): return *value = (i32)socket->keep_count, 0;
	default: return -E_NOPROTOOPT;
	}
}

static int datagram_option_get(struct socket *socket, u32 option, i32 *value)
{
	switch (option) {
	case OPTION(SOL_SOCKET, SO_NO_CHECK): return *value = socket->no_check, 0;
	case OPTION(IPPROTO_UDP, UDP_HEADERS): return *value = socket->headers, 0;
	case OPTION(IPPROTO_UDP, UDP_DROPS): return *value = (i32)MIN(datagram_drops(socket), (u64)INT32_MAX), 0;
	default: return option >> 16 == IPPROTO_TCP ? -E_OPNOTSUPP : -E_NOPROTOOPT; /* as Linux has it */
	}
}

int socket_option_get(struct socket *socket, u32 level, u32 name, i32 *value)
{
	if (level > 0xffff || name > 0xffff)
		return -E_NOPROTOOPT;
	const _Atomic u64 *timeout = socket_option_timeout(socket, level, name);
	if (timeout)
		return *value = timeout_get(*timeout), 0;
	switch (OPTION(level, name)) {
	case OPTION(SOL_SOCKET, SO_REUSEADDR): return *value = socket->reuse_address, 0;
	case OPTION(SOL_SOCKET, SO_TYPE): return *value = socket_is_stream(socket) ? SOCK_STREAM : SOCK_DGRAM, 0;
	case OPTION(SOL_SOCKET, SO_ERROR): return *value = take_error(socket), 0;
	case OPTION(SOL_SOCKET, SO_BROADCAST): return *value = socket->broadcast, 0;
	case OPTION(SOL_SOCKET, SO_SNDBUF): return *value = (i32)socket->send_buffer, 0;
	case OPTION(SOL_SOCKET, SO_RCVBUF): return *value = (i32)socket->receive_buffer, 0;
	case OPTION(SOL_SOCKET, SO_KEEPALIVE): return *value = socket->keep_alive, 0;
	case OPTION(SOL_SOCKET, SO_LINGER): return *value = socket->linger, 0;
	case OPTION(SOL_SOCKET, SO_REUSEPORT): return *value = socket->reuse_port, 0;
	case OPTION(SOL_SOCKET, SO_ACCEPTCONN): return *value = socket->state == TCP_LISTEN, 0;
	case OPTION(SOL_SOCKET, SO_PROTOCOL): return *value = socket_is_stream(socket) ? IPPROTO_TCP : IPPROTO_UDP, 0;
	case OPTION(SOL_SOCKET, SO_DOMAIN): return *value = AF_INET, 0;
	default:
		return socket_is_stream(socket) ? stream_option_get(socket, OPTION(level, name), value)
						: datagram_option_get(socket, OPTION(level, name), value);
	}
}

static int set_positive(_Atomic u32 *field, i32 value)
{
	if (value <= 0)
		return -E_INVAL;
	*field = (u32)value;
	return 0;
}

static int set_receive_buffer(struct socket *socket, i32 value)
{
	if (value <= 0 || socket_is_stream(socket))
		return set_positive(&socket->receive_buffer, value);
	udp_set_receive_buffer(socket, (u32)value);
	return 0;
}

static int stream_option_set(struct socket *socket, u32 option, i32 value)
{
	switch (option) {
	case OPTION(IPPROTO_TCP, TCP_NODELAY): socket->no_delay = value != 0; return 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPIDLE): return set_positive(&socket->keep_idle, value);
	case OPTION(IPPROTO_TCP, TCP_KEEPINTVL): return set_positive(&socket->keep_interval, value);
	case OPTION(IPPROTO_TCP, TCP_KEEPCNT): return set_positive(&socket->keep_count, value);
	default: return -E_NOPROTOOPT;
	}
}

static int datagram_option_set(struct socket *socket, u32 option, i32 value)
{
	switch (option) {
	case OPTION(SOL_SOCKET, SO_NO_CHECK): return atomic_store(&socket->no_check, value != 0), 0;
	case OPTION(IPPROTO_UDP, UDP_HEADERS): return atomic_store(&socket->headers, value != 0), 0;
	default: return -E_NOPROTOOPT;
	}
}

int socket_option_set(struct socket *socket, u32 level, u32 name, i32 value)
{
	if (level > 0xffff || name > 0xffff)
		return -E_NOPROTOOPT;
	_Atomic u64 *timeout = socket_option_timeout(socket, level, name);
	if (timeout)
		return timeout_set(timeout, value);
	switch (OPTION(level, name)) {
	case OPTION(SOL_SOCKET, SO_REUSEADDR): return atomic_store(&socket->reuse_address, value != 0), 0;
	case OPTION(SOL_SOCKET, SO_BROADCAST): return atomic_store(&socket->broadcast, value != 0), 0;
	case OPTION(SOL_SOCKET, SO_SNDBUF): return set_positive(&socket->send_buffer, value);
	case OPTION(SOL_SOCKET, SO_RCVBUF): return set_receive_buffer(socket, value);
	case OPTION(SOL_SOCKET, SO_KEEPALIVE): return atomic_store(&socket->keep_alive, value != 0), 0;
	case OPTION(SOL_SOCKET, SO_LINGER): return atomic_store(&socket->linger, MAX(value, -1)), 0;
	case OPTION(SOL_SOCKET, SO_REUSEPORT): return atomic_store(&socket->reuse_port, value != 0), 0;
	case OPTION(IPPROTO_IP, IP_ADD_MEMBERSHIP):
	case OPTION(IPPROTO_IP, IP_DROP_MEMBERSHIP): return -E_OPNOTSUPP; /* there is no multicast */
	default:
		return socket_is_stream(socket) ? stream_option_set(socket, OPTION(level, name), value)
						: datagram_option_set(socket, OPTION(level, name), value);
	}
}

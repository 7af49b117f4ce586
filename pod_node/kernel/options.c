/* Socket options by Linux's levels and numbers. They are kept and given back; those that shape segments have
 * nothing to act on inside a node. */
#include "pod_node/kernel/wasi.h"

enum { SOL_SOCKET = 1, IPPROTO_TCP = 6 };
enum {
	SO_REUSEADDR = 2,
	SO_TYPE = 3,
	SO_ERROR = 4,
	SO_BROADCAST = 6,
	SO_SNDBUF = 7,
	SO_RCVBUF = 8,
	SO_KEEPALIVE = 9,
	SO_LINGER = 13,
	SO_REUSEPORT = 15,
	SO_ACCEPTCONN = 30,
	SO_PROTOCOL = 38,
	SO_DOMAIN = 39,
};
enum { TCP_NODELAY = 1, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6 };
enum { AF_INET = 2, SOCK_STREAM = 1 };

#define OPTION(level, name) ((level) << 16 | (name))

/* What a guest reads is a number of its own errno. */
static i32 take_error(struct socket *socket)
{
	u32 error = tcp_take_error(socket);
	return error ? (i32)wasi_errno(error) : 0;
}

int socket_option_get(struct socket *socket, u32 level, u32 name, i32 *value)
{
	if (level > 0xffff || name > 0xffff)
		return -E_NOPROTOOPT;
	switch (OPTION(level, name)) {
	case OPTION(SOL_SOCKET, SO_REUSEADDR): return *value = socket->reuse_address, 0;
	case OPTION(SOL_SOCKET, SO_TYPE): return *value = SOCK_STREAM, 0;
	case OPTION(SOL_SOCKET, SO_ERROR): return *value = take_error(socket), 0;
	case OPTION(SOL_SOCKET, SO_BROADCAST): return *value = socket->broadcast, 0;
	case OPTION(SOL_SOCKET, SO_SNDBUF): return *value = (i32)socket->send_buffer, 0;
	case OPTION(SOL_SOCKET, SO_RCVBUF): return *value = (i32)socket->receive_buffer, 0;
	case OPTION(SOL_SOCKET, SO_KEEPALIVE): return *value = socket->keep_alive, 0;
	case OPTION(SOL_SOCKET, SO_LINGER): return *value = socket->linger, 0;
	case OPTION(SOL_SOCKET, SO_REUSEPORT): return *value = socket->reuse_port, 0;
	case OPTION(SOL_SOCKET, SO_ACCEPTCONN): return *value = socket->state == TCP_LISTEN, 0;
	case OPTION(SOL_SOCKET, SO_PROTOCOL): return *value = IPPROTO_TCP, 0;
	case OPTION(SOL_SOCKET, SO_DOMAIN): return *value = AF_INET, 0;
	case OPTION(IPPROTO_TCP, TCP_NODELAY): return *value = socket->no_delay, 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPIDLE): return *value = (i32)socket->keep_idle, 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPINTVL): return *value = (i32)socket->keep_interval, 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPCNT): return *value = (i32)socket->keep_count, 0;
	default: return -E_NOPROTOOPT;
	}
}

static int set_positive(u32 *field, i32 value)
{
	if (value <= 0)
		return -E_INVAL;
	*field = (u32)value;
	return 0;
}

int socket_option_set(struct socket *socket, u32 level, u32 name, i32 value)
{
	if (level > 0xffff || name > 0xffff)
		return -E_NOPROTOOPT;
	switch (OPTION(level, name)) {
	case OPTION(SOL_SOCKET, SO_REUSEADDR): return socket->reuse_address = value != 0, 0;
	case OPTION(SOL_SOCKET, SO_BROADCAST): return socket->broadcast = value != 0, 0;
	case OPTION(SOL_SOCKET, SO_SNDBUF): return set_positive(&socket->send_buffer, value);
	case OPTION(SOL_SOCKET, SO_RCVBUF): return set_positive(&socket->receive_buffer, value);
	case OPTION(SOL_SOCKET, SO_KEEPALIVE): return socket->keep_alive = value != 0, 0;
	case OPTION(SOL_SOCKET, SO_LINGER): return socket->linger = MAX(value, -1), 0;
	case OPTION(SOL_SOCKET, SO_REUSEPORT): return socket->reuse_port = value != 0, 0;
	case OPTION(IPPROTO_TCP, TCP_NODELAY): return socket->no_delay = value != 0, 0;
	case OPTION(IPPROTO_TCP, TCP_KEEPIDLE): return set_positive(&socket->keep_idle, value);
	case OPTION(IPPROTO_TCP, TCP_KEEPINTVL): return set_positive(&socket->keep_interval, value);
	case OPTION(IPPROTO_TCP, TCP_KEEPCNT): return set_positive(&socket->keep_count, value);
	default: return -E_NOPROTOOPT;
	}
}

/* The part of `/net` that opens datagram sockets:
 *
 *   udp/socket   udp/connect/HOST/PORT   udp/bind/ADDRESS/PORT   udp/dup/ID
 */
#include "pod_node/kernel/net.h"
#include "vnet/fabric/text.h"

static int open_new(struct process *process, bool nonblocking, struct file **opened)
{
	struct socket *socket = udp_open(process->pod);
	return socket ? net_open_socket(process, socket, nonblocking, opened) : -E_NOBUFS;
}

static int open_connected(struct process *process, const char *host, u32 port, bool nonblocking, struct file **opened)
{
	struct address address;
	int result = net_resolve(process, host, &address, 1);
	if (result < 0)
		return result;
	result = open_new(process, nonblocking, opened);
	if (result < 0)
		return result;
	result = udp_connect((*opened)->socket, address, port);
	if (result < 0)
		file_release(*opened);
	return result;
}

/* Whoever only has files learns from the headers whom to answer. */
static int open_bound(struct process *process, const char *host, u32 port, bool nonblocking, struct file **opened)
{
	struct address address;
	if (!read_ipv4(host, &address))
		return -E_INVAL;
	int result = open_new(process, nonblocking, opened);
	if (result < 0)
		return result;
	(*opened)->socket->headers = true;
	result = udp_bind((*opened)->socket, address, port);
	if (result < 0)
		file_release(*opened);
	return result;
}

static int open_again(struct process *process, const char *id, struct file **opened)
{
	struct file *file = net_own_socket(process, id);
	if (!file || file->socket->kind != SOCKET_DATAGRAM)
		return -E_BADF;
	*opened = file_hold(file);
	return 0;
}

int net_open_udp(struct process *process, const struct words *path, u32 count, bool nonblocking, struct file **opened)
{
	const char *verb = path->word[1], *host = path->word[2];
	u32 port;
	if (text_equal(verb, "socket") && count == 2)
		return open_new(process, nonblocking, opened);
	if (text_equal(verb, "dup") && count == 3)
		return open_again(process, host, opened);
	bool connect = text_equal(verb, "connect"), bind = text_equal(verb, "bind");
	if (count != 4 || !(connect || bind))
		return -E_NOENT;
	if (!read_number(path->word[3], 65535, &port))
		return -E_INVAL;
	return connect ? open_connected(process, host, port, nonblocking, opened)
		       : open_bound(process, host, port, nonblocking, opened);
}

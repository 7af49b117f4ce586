/* Calls of the node that serves the gateway: what pods ask of the world outside, and the answers.
 *
 * The gateway is a descriptor: watch it for reading, then take until nothing is left. While it is open there is a way
 * out of the deployment. Addresses are IPv4, in host byte order.
 */
#include "pod_node/kernel/host.h"
#include "pod_node/kernel/wasi.h"
#include "vnet/fabric/outside/gateway.h"
#include "vnet/fabric/outside/resolve.h"

/* Serve the gateway. A descriptor or a negative errno. */
EXPORT(host_gateway_open) i32 host_gateway_open(void);
i32 host_gateway_open(void)
{
	int result = gateway_open(host_process->pod);
	if (result < 0)
		return result;
	struct file *file = file_create(host_process->pod->account, FILE_GATEWAY);
	if (!file) {
		gateway_close();
		return -E_NOBUFS;
	}
	i32 fd = descriptor_install(&host_process->descriptors, file);
	if (fd < 0)
		file_release(file);
	return fd;
}

struct gateway_connect_reply {
	u32 id;
	u32 source, source_port;
	u32 destination, destination_port;
};

/* Take the next connect: 1, or 0 when there is none. */
EXPORT(host_gateway_take) i32 host_gateway_take(uaddr at);
i32 host_gateway_take(uaddr at)
{
	struct outside_connect connect;
	if (!gateway_take(&connect))
		return 0;
	*(struct gateway_connect_reply *)(uintptr_t)at = (struct gateway_connect_reply){
		.id = connect.id,
		.source = address_to_ipv4(connect.source),
		.source_port = connect.source_port,
		.destination = address_to_ipv4(connect.destination),
		.destination_port = connect.destination_port,
	};
	return 1;
}

/* The client's connect fails with `error`. 0, or -E_NOENT when the client has gone. */
EXPORT(host_gateway_refuse) i32 host_gateway_refuse(u32 id, u32 error);
i32 host_gateway_refuse(u32 id, u32 error)
{
	struct socket *none;
	return error ? gateway_decide(id, error, &none) : -E_INVAL;
}

/* The client's connect succeeds: a descriptor of its other end. -E_NOENT when the client has gone, another errno when
 * there is no room for a connection, which the client learns too. */
EXPORT(host_gateway_accept) i32 host_gateway_accept(u32 id);
i32 host_gateway_accept(u32 id)
{
	struct socket *server;
	int result = gateway_decide(id, 0, &server);
	return result < 0 ? result : host_install_socket(server);
}

/* Of `count` ids of connects that were taken, keep those whose clients have gone; how many these are. */
EXPORT(host_gateway_withdrawn) i32 host_gateway_withdrawn(uaddr ids, u32 count);
i32 host_gateway_withdrawn(uaddr ids, u32 count)
{
	return (i32)gateway_withdrawn((u32 *)(uintptr_t)ids, count);
}

struct resolve_lookup_reply {
	u32 id, source;
	char name[RESOLVE_NAME_SIZE]; /* NUL-terminated */
};

/* Take the next lookup: 1, or 0 when there is none. */
EXPORT(host_resolve_take) i32 host_resolve_take(uaddr at);
i32 host_resolve_take(uaddr at)
{
	struct resolve_lookup lookup;
	if (!resolve_take(&lookup))
		return 0;
	struct resolve_lookup_reply *reply = (struct resolve_lookup_reply *)(uintptr_t)at;
	reply->id = lookup.id;
	reply->source = address_to_ipv4(lookup.source);
	memcpy(reply->name, lookup.name, sizeof(reply->name));
	return 1;
}

/* The name leads to `count` addresses; to none: nobody has it. -E_NOENT when nobody waits any more. */
EXPORT(host_resolve_answer) i32 host_resolve_answer(u32 id, uaddr ipv4s, u32 count);
i32 host_resolve_answer(u32 id, uaddr ipv4s, u32 count)
{
	struct address addresses[RESOLVE_ADDRESSES_MOST];
	count = MIN(count, RESOLVE_ADDRESSES_MOST);
	for (u32 i = 0; i < count; i++)
		addresses[i] = address_from_ipv4(((const u32 *)(uintptr_t)ipv4s)[i]);
	return resolve_answer(id, addresses, count);
}

/* Closing this descriptor resets its connection instead of ending it. */
EXPORT(host_reset_on_close) i32 host_reset_on_close(u32 fd);
i32 host_reset_on_close(u32 fd)
{
	struct file *file = descriptor_get(&host_process->descriptors, fd);
	if (!file || file->kind != FILE_SOCKET)
		return -E_BADF;
	file->socket->linger = 0;
	return 0;
}

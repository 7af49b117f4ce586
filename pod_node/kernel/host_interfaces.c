/* What has gone through interfaces, read out for people: one record an interface, found by a cursor. */
#include "vnet/fabric/sockets/connection.h"

struct interface_record {
	struct interface_counters counters;
	u32 address; /* IPv4 */
	u32 network; /* its number */
	char pod[HOSTNAME_SIZE]; /* who has it; empty when nobody has */
};

/* Precedes the records. */
struct interface_batch {
	u32 next;  /* the cursor for the next call; 0 at the end */
	u32 count; /* records that follow */
};

/* Under network_lock. Bring the counters up to what open connections have done. */
static void count_connections(void)
{
	for (u32 bucket = 0; bucket < SOCKET_BUCKETS; bucket++)
		for (struct socket *socket = socket_first(bucket); socket; socket = socket->next_by_id)
			if (socket->kind == SOCKET_STREAM && socket->state == TCP_ESTABLISHED)
				connection_count(socket);
}

static void describe(struct interface_record *record, const struct interface *interface)
{
	*record = (struct interface_record){
		.counters = interface->counters,
		.address = address_to_ipv4(interface->address),
		.network = interface->network,
	};
	if (interface->pod) /* one on another node has no name here */
		memcpy(record->pod, interface->pod->hostname, HOSTNAME_SIZE);
}

/* Of a pod on another node, only what was denied or stopped here is known here. */
static bool counts_here(const struct interface *interface)
{
	return !interface_is_remote(interface) || interface->counters.denied || interface->counters.cut_packets;
}

static u32 bucket_length(u32 bucket)
{
	u32 length = 0;
	for (const struct interface *interface = interface_first(bucket); interface; interface = interface->next)
		length++;
	return length;
}

/* Interfaces from `cursor` on, 0 at first: a struct interface_batch and what follows it, at most `size` bytes at `at`. Of
 * interfaces that come and go meanwhile some are seen, none twice. */
EXPORT(host_interfaces) i32 host_interfaces(u32 cursor, uaddr at, u32 size);
i32 host_interfaces(u32 cursor, uaddr at, u32 size)
{
	struct interface_batch *batch = (struct interface_batch *)(uintptr_t)at;
	struct interface_record *records = (struct interface_record *)(batch + 1);
	u32 capacity = (size - (u32)sizeof(*batch)) / (u32)sizeof(*records), bucket = cursor;
	batch->count = 0;
	lock_acquire(&network_lock);
	count_connections();
	for (; bucket < INTERFACE_BUCKETS && batch->count + bucket_length(bucket) <= capacity; bucket++)
		for (const struct interface *interface = interface_first(bucket); interface;
		     interface = interface->next)
			if (counts_here(interface))
				describe(&records[batch->count++], interface);
	lock_release(&network_lock);
	batch->next = bucket < INTERFACE_BUCKETS ? bucket : 0;
	return 0;
}

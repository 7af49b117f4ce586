/* What a process and its pod use, for the node to show. */
#include "pod_node/kernel/process.h"
#include "vnet/fabric/errno.h"
#include "vnet/fabric/pods/network.h"

struct usage {
	u64 memory_bytes; /* linear memory and tables of the process */
	u64 fabric_bytes, fabric_limit; /* of the pod, as all below but the descriptors */
	u32 sockets, socket_limit;
	u32 descriptors, descriptor_limit; /* of the process */
};

/* Fills a struct usage. */
EXPORT(host_process_usage) i32 host_process_usage(u32 id, uaddr at);
i32 host_process_usage(u32 id, uaddr at)
{
	const struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	struct account *account = process->pod->account;
	*(struct usage *)(uintptr_t)at = (struct usage){
		.memory_bytes = atomic_load(&process->memory),
		.fabric_bytes = atomic_load(&account->bytes),
		.fabric_limit = account->byte_limit,
		.sockets = atomic_load(&account->sockets),
		.socket_limit = account->socket_limit,
		.descriptors = atomic_load_explicit(&process->descriptors.open, memory_order_relaxed),
		.descriptor_limit = process->descriptors.limit,
	};
	return 0;
}

#include "vnet/fabric/sockets/awaited.h"

#include "vnet/fabric/sockets/ports.h"

int awaited_open(struct account *account, struct address address, u32 port, struct awaited_port **opened)
{
	struct awaited_port *awaited = memory_allocate(account, sizeof(*awaited));
	if (!awaited)
		return -E_NOBUFS;
	lock_acquire(&network_lock);
	struct interface *interface = interface_find(address);
	struct pod *pod = interface && interface->pod ? pod_hold(interface->pod) : NULL;
	lock_release(&network_lock);
	if (!pod) {
		memory_free(account, awaited, sizeof(*awaited));
		return -E_HOSTUNREACH;
	}
	*awaited = (struct awaited_port){.account = account, .pod = pod, .address = address, .port = port};
	*opened = awaited;
	return 0;
}

void awaited_close(struct awaited_port *awaited)
{
	pod_release(awaited->pod);
	memory_free(awaited->account, awaited, sizeof(*awaited));
}

bool awaited_ready(const struct awaited_port *awaited)
{
	lock_acquire(&network_lock);
	bool ready = port_listener(awaited->pod, awaited->address, awaited->port) != NULL;
	lock_release(&network_lock);
	return ready;
}

struct waitq *awaited_queue(struct awaited_port *awaited)
{
	return &awaited->pod->listening;
}

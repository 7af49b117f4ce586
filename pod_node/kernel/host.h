/* What the files of the node's own calls share. */
#ifndef PODNET_KERNEL_HOST_H
#define PODNET_KERNEL_HOST_H

#include "pod_node/kernel/process.h"

/* The node as a process of its own; set by `host_boot`. */
extern struct process *host_process;

/* What the node is told of a process that it is to give a guest. */
struct process_started {
	u32 process, thread, stack_top, number;
	u32 input, output, error; /* the host's descriptors of the guest's stdio */
	u32 memory; /* address of what the pod's processes have of its memory limit; u64 */
};

/* A process of the node's, without a parent, with pipes to the host as its stdio: of a terminal when there is one (its
 * reference is consumed), whose output and errors come together. 0 or a negative errno. */
int host_process_begin(struct pids *pids, struct terminal *terminal, struct process_started *started);

/* A descriptor of the host's for `socket`, or a negative errno when the socket is closed again. */
i32 host_install_socket(struct socket *socket);

#endif

/* What the files of the node's own calls share. */
#ifndef PODNET_KERNEL_HOST_H
#define PODNET_KERNEL_HOST_H

#include "pod_node/kernel/process.h"

/* The node as a process of its own; set by `host_boot`. */
extern struct process *host_process;

/* A descriptor of the host's for `socket`, or a negative errno when the socket is closed again. */
i32 host_install_socket(struct socket *socket);

#endif

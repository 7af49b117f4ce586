/* A port of a pod that somebody waits for, until a program listens there. */
#ifndef PODNET_FABRIC_AWAITED_H
#define PODNET_FABRIC_AWAITED_H

#include "vnet/fabric/sockets/socket.h"

struct awaited_port {
	struct account *account; /* pays for it */
	struct pod *pod;         /* held */
	struct address address;
	u32 port;
};

/* 0, -E_HOSTUNREACH when nobody has the address, -E_NOBUFS. */
int awaited_open(struct account *account, struct address address, u32 port, struct awaited_port **opened);
void awaited_close(struct awaited_port *awaited);
/* Whether somebody listens there now. Takes `network_lock`. */
bool awaited_ready(const struct awaited_port *awaited);
/* Woken when a socket of the pod begins to listen. */
struct waitq *awaited_queue(struct awaited_port *awaited);

#endif

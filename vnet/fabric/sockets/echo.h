/* ICMP (RFC 792): echoes that the node sends for `ping`, and the messages that say that nobody was there.
 *
 * Every pod's stack answers echoes by itself. What becomes of those that the node sent is told on one socket of the
 * node's, as records; an echo that is lost tells nothing.
 */
#ifndef PODNET_FABRIC_ECHO_H
#define PODNET_FABRIC_ECHO_H

#include "vnet/fabric/paths/packet.h"
#include "vnet/fabric/sockets/socket.h"

#define ECHO_PAYLOAD_MOST 65507u

/* A record that a read of the node's socket gives. */
struct echo_result {
	u32 identifier, sequence;
	u32 size;           /* of the payload that came back */
	u32 error;          /* 0, or E_HOSTUNREACH: a message said that nobody is there */
	u64 sent, received; /* simulation time, ns */
};

/* The socket on which the node hears of its echoes; there is one. NULL when it is open already, or the fabric is full. */
struct socket *echo_open(struct pod *host);
void echo_close(struct socket *socket);

/* Send an echo from the pod that has `source`. 0, -E_ADDRNOTAVAIL (no pod has it), -E_HOSTUNREACH, -E_NETUNREACH,
 * -E_ACCES (a policy denies it), -E_MSGSIZE, -E_NOBUFS. */
int echo_send(struct address source, struct address target, u32 identifier, u32 sequence, u32 size);

/* Under network_lock and the pacer's lock. Tell the sender of `packet` (consumed) that nobody was at its target. */
void echo_unreachable(struct packet *packet, u64 now);

/* An ICMP packet has arrived; under network_lock and the pacer's lock. The packet is given away. */
void echo_receive(struct packet *packet, u64 now);

#endif

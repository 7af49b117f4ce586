/* Datagrams: what a datagram socket sends and receives, and the queue in which they wait to be read.
 *
 * A datagram is one object, paid for by its sender while it is on its way and by its receiver once it is in a
 * queue. A queue takes datagrams while what it holds is within SO_RCVBUF, counted as the memory that they occupy,
 * as Linux does; what comes then is dropped and counted. Queue locks come after `network_lock` and `pacer_lock`
 * and before wait queue locks.
 */
#ifndef PODNET_FABRIC_DATAGRAM_H
#define PODNET_FABRIC_DATAGRAM_H

#include "vnet/fabric/socket.h"

#define DATAGRAM_MOST 65507u /* RFC 768 over IPv4: 65,535 less two headers */

struct datagram {
	_Atomic u32 references;
	u32 size;                /* of the payload */
	struct datagram *next;   /* in a queue; under its lock */
	struct account *account; /* held; pays for it */
	struct endpoint source;
	u8 payload[];
};

/* NULL when `account` is over its limit. The payload is not set. */
struct datagram *datagram_create(struct account *account, struct endpoint source, u32 size);
void datagram_release(struct datagram *datagram);

/* Put a datagram (consumed) into the socket's queue and wake whoever waits. False when it was dropped. */
bool datagram_enqueue(struct socket *socket, struct datagram *datagram);
/* The oldest one, with a reference; a peek leaves it in the queue. NULL when there is none. */
struct datagram *datagram_dequeue(struct socket *socket, bool peek);
void datagram_discard_all(struct socket *socket);
/* The size of the oldest one's payload; 0 when there is none. */
u32 datagram_next_size(struct socket *socket);
u64 datagram_drops(struct socket *socket);

#endif

/* Packets that wait for a link's rate, a queue for each flow, served in turns (deficit round robin).
 *
 * A flow takes no memory of its own: its first packet keeps its place (struct backlog).
 */
#ifndef PODNET_FABRIC_FAIR_QUEUE_H
#define PODNET_FABRIC_FAIR_QUEUE_H

#include "vnet/fabric/paths/packet.h"

#define FAIR_QUEUE_BUCKETS 32u

struct fair_queue {
	struct packet *turn; /* the first packet of the flow whose turn it is; NULL when empty */
	u32 packets, flow_count;
	struct packet *flows[FAIR_QUEUE_BUCKETS]; /* first packets, by the flow's key */
};

void fair_queue_put(struct fair_queue *queue, struct packet *packet);
/* The next packet to send; a flow sends `quantum` bytes a turn. NULL when empty. */
struct packet *fair_queue_take(struct fair_queue *queue, u32 quantum);
/* The oldest packet of the flow that has most of them; the queue is not empty. */
struct packet *fair_queue_take_longest(struct fair_queue *queue);

#endif

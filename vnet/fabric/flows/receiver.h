/* The receiving end of a TCP flow: what has arrived in order, and the window it grants. RFC 9293 3.8.6.
 *
 * Bytes lie in the flow's stream already; arriving only moves the mark up to which they may be read. Everything is
 * under pacer_lock.
 */
#ifndef PODNET_FABRIC_RECEIVER_H
#define PODNET_FABRIC_RECEIVER_H

#include "vnet/fabric/flows/sender.h"

struct receiver {
	u32 next;        /* RCV.NXT */
	u32 next_number; /* of the segment that begins there */
	u32 edge;        /* RCV.NXT + RCV.WND as last granted; never moves back */
	u32 buffer;      /* SO_RCVBUF */
	bool finished;   /* the FIN has come, and all before it */
};

void receiver_open(struct receiver *receiver, u32 start, u32 buffer);
/* A segment has arrived. Whether `next` has moved. */
bool receiver_take(struct receiver *receiver, struct scoreboard *board, const struct transmission *transmission,
		   u64 sent);
/* What a window granted now would end with, when `unread` bytes wait for the reader. */
u32 receiver_edge(const struct receiver *receiver, u32 unread, u32 segment_size);

#endif

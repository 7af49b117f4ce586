/* How a sender finds out what was lost, and what it does about it: RFC 8985's RACK, recoveries, time-outs.
 *
 * A part of sender.h; nobody else calls it.
 */
#ifndef PODNET_FABRIC_RECOVERY_H
#define PODNET_FABRIC_RECOVERY_H

#include "vnet/fabric/flows/sender.h"

/* Sequence and transmission numbers wrap. */
static inline bool after(u32 a, u32 b)
{
	return (i32)(a - b) > 0;
}

/* A time that was noted may be a little later than that of the event being handled. */
static inline u64 elapsed(u64 since, u64 now)
{
	return now > since ? now - since : 0;
}

/* Take in what an acknowledgement tells of arrivals: how many segments are news. */
u32 recovery_learn(struct sender *sender, u32 arrivals, u64 now);
/* What was sent before the latest arrival is lost when it has had its time; how many are. Otherwise
 * `reorder_deadline` says when to look again. */
u32 recovery_detect(struct sender *sender, u64 now);
/* Segments were found lost. */
void recovery_enter(struct sender *sender);
/* Leave recovery when its end is acknowledged, or when it was groundless. */
void recovery_finish(struct sender *sender);
/* Nothing was acknowledged for the retransmission time-out. RFC 8985 6.3: the first segment is lost, and so is what was
 * sent long enough ago. */
void recovery_timeout(struct sender *sender, u64 now);

#endif

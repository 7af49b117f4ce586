/* How much a TCP flow may have on its way: NewReno with proportional rate reduction.
 *
 * RFC 5681 (slow start, congestion avoidance), RFC 6582 (one reduction a window), RFC 6937 (how a reduction is spread
 * over the acknowledgements of a round trip), RFC 3522 and 5682 in spirit (a reduction that proves groundless is taken
 * back). As in Linux the window counts segments, which bounds a flow of tiny ones too. Pure: no clock, no memory.
 *
 * Deviation: RFC 5681 leaves two segments at least after a loss; of a small receive window four are left, as BBR never has
 * less on the way. Such a window cuts off the peaks of the saw-tooth: with 5.6 segments and 5 % loss a sender that knows
 * at once what was lost gets 0.68 of the least of its limits, the window and Mathis's formula, when it halves, and 0.77
 * when it does not go below four. Without any congestion control the window alone leaves it 0.89.
 */
#ifndef PODNET_FABRIC_CONGESTION_H
#define PODNET_FABRIC_CONGESTION_H

#include "vnet/fabric/platform.h"

#define CONGESTION_INITIAL_WINDOW 10u /* RFC 6928 */
#define CONGESTION_LEAST_THRESHOLD 2u
#define CONGESTION_SMALL_LEAST_THRESHOLD 4u
#define CONGESTION_SMALL_WINDOW 8u /* a receive window of fewer segments, whose half is less than that, is small */
#define CONGESTION_MOST_WINDOW 4096u /* what a ring of the largest size holds, and more */

enum congestion_state {
	CONGESTION_OPEN = 0,
	CONGESTION_RECOVERY, /* segments were found lost by later ones that arrived */
	CONGESTION_LOSS,     /* a retransmission time-out */
};

struct congestion {
	u32 window, threshold; /* segments; cwnd and ssthresh */
	bool small;            /* the receive window */
	u32 credit;            /* acknowledged segments that count towards the next one of the window */
	u32 state;             /* enum congestion_state */
	u32 recovery_point;    /* sequence whose acknowledgement ends recovery */
	u32 prior_window, prior_threshold; /* before the reduction, in case it is taken back */
	u32 reduction_delivered, reduction_sent; /* since recovery began; RFC 6937's prr_delivered, prr_out */
};

void congestion_open(struct congestion *congestion);
/* The largest window that the receiver has granted yet, in segments. */
void congestion_receive_window(struct congestion *congestion, u32 receive_window);
/* `delivered` segments were acknowledged, of `flight` that had been on their way. */
void congestion_grow(struct congestion *congestion, u32 delivered, u32 flight);
/* Segments before `point` were lost. Does nothing when their window has been halved already. */
void congestion_enter_recovery(struct congestion *congestion, u32 point);
/* In recovery, after `delivered` more have arrived and while `flight` are on their way; `progress`: the
 * acknowledgement moved the left edge and showed no new loss. */
void congestion_reduce(struct congestion *congestion, u32 delivered, u32 flight, bool progress);
void congestion_timeout(struct congestion *congestion, u32 point, u32 flight);
/* All that was on its way when recovery began has arrived. */
void congestion_recovered(struct congestion *congestion);
/* The loss was none. */
void congestion_undo(struct congestion *congestion);
/* A tail loss probe repaired a loss that nothing else showed. */
void congestion_probe_repaired(struct congestion *congestion);
/* Nothing was sent for `idle` ns: RFC 2861, as Linux does. */
void congestion_idle(struct congestion *congestion, u64 idle, u64 timeout);

#endif

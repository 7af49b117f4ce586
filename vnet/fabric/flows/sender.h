/* The sending end of a TCP flow: what to send when, out of acknowledgements and time.
 *
 * RFC 9293 for windows, RFC 8985 for loss detection (RACK) and tail loss probes, RFC 6298 for time-outs, congestion.h
 * for how much. Deviations: an acknowledgement says exactly which transmissions arrived, as SACK, DSACK and time stamps
 * together nearly do; there are no delayed acknowledgements to allow for.
 *
 * A sequence number is a place in the flow's stream; a FIN counts as one. Nothing here sends, waits or asks for the
 * time: the caller asks `sender_next` after every change until there is nothing more, and comes back at
 * `sender_deadline`. Everything is under pacer_lock.
 */
#ifndef PODNET_FABRIC_SENDER_H
#define PODNET_FABRIC_SENDER_H

#include "vnet/fabric/flows/congestion.h"
#include "vnet/fabric/flows/round_trip.h"
#include "vnet/fabric/flows/scoreboard.h"

#define SENDER_RETRIES 15u       /* Linux: tcp_retries2 */
#define SENDER_RETRIES_ORPHAN 8u /* Linux: tcp_orphan_retries when it is 0 */

enum sender_timer {
	SENDER_IDLE = 0,
	SENDER_REORDER,    /* what is missing was not late but lost */
	SENDER_PROBE,      /* tail loss probe */
	SENDER_RETRANSMIT,
	SENDER_PERSIST,    /* the window is closed, or there was no memory */
};

/* RFC 8985's RACK. */
struct rack {
	u32 transmission; /* the latest that is known to have arrived */
	u64 round_trip;   /* its, ns */
	u32 highest;      /* number of the highest segment that is known to have arrived */
	bool any;         /* anything has arrived */
	bool reordering;  /* something was seen to arrive out of order */
	u32 steps;        /* of the reordering window; one more a round trip with a groundless retransmission */
	u32 steps_until;  /* sequence whose acknowledgement ends that round trip */
	u32 steps_left;   /* recoveries until it shrinks again */
};

struct sender_statistics {
	u64 segments, retransmissions, timeouts, recoveries, undone;
};

struct sender {
	struct scoreboard board;
	struct congestion congestion;
	struct round_trip round_trip;
	struct rack rack;
	u32 acknowledged; /* SND.UNA */
	u32 next;         /* SND.NXT */
	u32 available;    /* end of what there is to send, a FIN included */
	u32 edge;         /* SND.UNA + SND.WND; never moves back */
	u32 widest;       /* the largest SND.WND yet */
	u32 segment_size; /* most bytes in one */
	u32 small_end;    /* end of the last segment that was smaller, for Nagle's algorithm */
	bool finished;    /* the last of `available` is a FIN */
	bool no_delay;    /* TCP_NODELAY */
	bool starved;     /* there was no memory for the last segment */
	u8 timer;         /* enum sender_timer */
	u64 deadline;     /* of `timer` */
	u64 reorder_deadline; /* NEVER without */
	u64 started;      /* when the retransmission or persist timer was started */
	u64 last_sent;
	u32 backoff;      /* time-outs in a row, until something is acknowledged */
	u32 retries;      /* the same, of all that was sent in vain */
	bool probing;     /* a tail loss probe is out, or shall go out */
	bool probe_due;   /* it shall */
	bool probe_repeats;      /* it was a retransmission: */
	u32 probe_transmission;  /* this one */
	u32 probe_end;           /* what was sent before it ends here */
	u32 unproven;     /* retransmissions in this recovery that may have been necessary */
	bool groundless;  /* all of them were not */
	bool undoable;    /* the reduction of this recovery may be taken back */
	struct sender_statistics statistics;
};

/* What `sender_next` wants sent: bytes of the flow. */
struct transmission {
	u32 number, transmission; /* of the segment, and of this sending of it */
	u32 sequence, size;       /* without the FIN */
	bool fin;
};

/* What an acknowledgement brings. */
struct acknowledgement {
	u32 acknowledged; /* all before it has arrived */
	u32 edge;         /* right edge of the window */
	u32 arrivals;     /* counted by the receiver when it was sent */
	u64 echo;         /* when that was sent which it answers */
};

/* `start`: the next byte's sequence number. `account` pays for the scoreboard. */
void sender_open(struct sender *sender, struct account *account, u32 start, u32 segment_size);
/* All is over: forget what was sent. */
void sender_close(struct sender *sender);

/* The next thing to send, if any. */
bool sender_next(struct sender *sender, struct transmission *transmission, u64 now);
void sender_acknowledge(struct sender *sender, const struct acknowledgement *acknowledgement, u64 now);
/* When `sender_timeout` wants to be called; NEVER without. After every change. */
u64 sender_deadline(struct sender *sender, u64 now);
/* True when the caller shall send a window probe. */
bool sender_timeout(struct sender *sender, u64 now);

/* Segments become smaller or larger. What is under way and `arrived` not is sent again in smaller ones. */
void sender_resize(struct sender *sender, u32 segment_size, u32 arrived);

/* Everything is sent and acknowledged. */
static inline bool sender_done(const struct sender *sender)
{
	return sender->acknowledged == sender->available;
}

#endif

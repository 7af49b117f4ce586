/* The segments of one TCP flow that are sent and not yet acknowledged: RFC 6675's scoreboard.
 *
 * Both ends of a flow are in this kernel, so they share the records: the receiver notes in a segment that it arrived and
 * when, and a sender learns of it when an acknowledgement brings the news. Thereby an acknowledgement needs no SACK
 * blocks: it says how many arrivals the receiver had counted when it was sent, and arrivals are linked in order.
 *
 * Segments are numbered from the flow's first one; numbers wrap. Everything is under pacer_lock.
 */
#ifndef PODNET_FABRIC_SCOREBOARD_H
#define PODNET_FABRIC_SCOREBOARD_H

#include "vnet/fabric/memory.h"

/* As many segments as a ring of the largest size has at the usual MTU, and more than the congestion window may have. */
#define SCOREBOARD_MOST 8192u

enum segment_state {
	SEGMENT_FLYING = 0, /* as far as the sender knows, it is on its way */
	SEGMENT_LOST,       /* to be sent again */
	SEGMENT_DELIVERED,  /* the receiver has it, the sender knows, but something before it is missing */
};

struct segment {
	u64 sent;         /* when it was sent last; ns */
	u64 arrived_sent; /* when the copy that arrived first was sent */
	u32 sequence, size; /* in the flow's sequence space, where a FIN counts as one */
	u32 transmission;   /* number of its last transmission: orders what was sent at the same instant */
	u32 arrived_transmission;
	u32 earlier, later; /* neighbours among the flying in order of transmission */
	u32 next_arrived;   /* what arrived after it, when something did */
	u8 state;           /* enum segment_state */
	bool fin;
	bool arrived;
	bool retransmitted;
	bool by_timer; /* what sent it again last was a timer, and nothing that arrived */
};

struct scoreboard {
	struct account *account; /* the sender's; pays for the records */
	struct segment *segments;
	u32 capacity;      /* 0 or a power of two */
	u32 first, end;    /* numbers of the oldest segment, and of the next one to come */
	u32 flying, lost, delivered; /* how many are in each state */
	u32 oldest, newest; /* of the flying, by transmission */
	u32 lowest_lost;    /* no segment before it is lost */
	u32 transmissions;
	u32 arrivals, learned; /* what has arrived, and what of that the sender knows */
	u32 next_learned, last_arrived;
};

void scoreboard_open(struct scoreboard *board, struct account *account);
/* Forget all segments; numbers go on. */
void scoreboard_clear(struct scoreboard *board);

static inline u32 scoreboard_count(const struct scoreboard *board)
{
	return board->end - board->first;
}

static inline bool scoreboard_holds(const struct scoreboard *board, u32 number)
{
	return number - board->first < board->end - board->first;
}

static inline struct segment *scoreboard_at(const struct scoreboard *board, u32 number)
{
	return &board->segments[number & (board->capacity - 1)];
}

/* A new segment, sent now. False when it cannot be recorded. */
bool scoreboard_append(struct scoreboard *board, u32 sequence, u32 size, bool fin, u64 now);
/* Send a lost or flying one again. */
void scoreboard_retransmit(struct scoreboard *board, u32 number, u64 now);
/* The receiver got a copy. False when it had one already. */
bool scoreboard_arrive(struct scoreboard *board, u32 number, u32 transmission, u64 sent);
/* The sender learns of the next arrival, of `scoreboard_unlearned` ones: its number. */
u32 scoreboard_learn(struct scoreboard *board);
void scoreboard_mark_lost(struct scoreboard *board, u32 number);
/* The lost segment that comes first; there must be one. */
u32 scoreboard_first_lost(struct scoreboard *board);
/* Lost segments were only late: all count as flying again. */
void scoreboard_recall(struct scoreboard *board);
/* Forget the oldest segment: it is delivered, and so is all before it. */
void scoreboard_pop(struct scoreboard *board);

#endif

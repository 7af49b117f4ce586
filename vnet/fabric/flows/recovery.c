#include "vnet/fabric/flows/recovery.h"

#define DUPLICATES 3u /* RFC 6675's DupThresh */
#define DUPLICATES_SMALL 1u
#define REORDERING_PERSISTS 16u /* recoveries; RFC 8985 6.2 */

/* RFC 8985 6.2.4: as long as nothing was seen out of order, three later arrivals or a recovery need no more proof. When
 * the receive window is so small that three seldom come, one does: in the manner of RFC 5827. */
static u64 reordering_window(const struct sender *sender)
{
	const struct rack *rack = &sender->rack;
	u32 proof = sender->congestion.small ? DUPLICATES_SMALL : DUPLICATES;
	if (!rack->reordering && (sender->congestion.state != CONGESTION_OPEN || sender->board.delivered >= proof))
		return 0;
	return MIN(sender->round_trip.least / 4 * rack->steps, sender->round_trip.smoothed);
}

static void mark_lost(struct scoreboard *board, u32 number, bool by_timer)
{
	scoreboard_at(board, number)->by_timer = by_timer;
	scoreboard_mark_lost(board, number);
}

u32 recovery_detect(struct sender *sender, u64 now)
{
	struct scoreboard *board = &sender->board;
	u64 patience = sender->rack.round_trip + reordering_window(sender);
	u32 found = 0;
	sender->reorder_deadline = NEVER;
	while (sender->rack.any && board->flying) {
		const struct segment *segment = scoreboard_at(board, board->oldest);
		if (!after(sender->rack.transmission, segment->transmission))
			break;
		if (segment->sent + patience > now) {
			sender->reorder_deadline = segment->sent + patience;
			break;
		}
		mark_lost(board, board->oldest, false);
		found++;
	}
	return found;
}

static void begin_undoable(struct sender *sender)
{
	sender->undoable = true;
	sender->groundless = false;
	sender->unproven = 0;
}

void recovery_enter(struct sender *sender)
{
	if (sender->congestion.state != CONGESTION_OPEN)
		return;
	begin_undoable(sender);
	congestion_enter_recovery(&sender->congestion, sender->next);
	sender->statistics.recoveries++;
}

/* RFC 8985 6.2.4: the reordering window grows once a round trip. */
static void widen_reordering_window(struct sender *sender)
{
	struct rack *rack = &sender->rack;
	rack->reordering = true;
	if (!after(rack->steps_until, sender->acknowledged)) {
		rack->steps++;
		rack->steps_until = sender->next;
	}
	rack->steps_left = REORDERING_PERSISTS;
}

/* A retransmission was groundless, because an earlier transmission arrived. When none of this recovery's was needed, it
 * is taken back. What a timer sent says nothing of reordering: its acknowledgement was lost, or late (as in Linux, which
 * leaves tail loss probes out). */
static void learn_groundless(struct sender *sender, bool by_timer)
{
	if (!by_timer)
		widen_reordering_window(sender);
	if (sender->unproven && --sender->unproven == 0)
		sender->groundless = true;
}

static void learn_arrival(struct sender *sender, u32 number, u64 now)
{
	struct rack *rack = &sender->rack;
	const struct segment *segment = scoreboard_at(&sender->board, number);
	if (segment->arrived_transmission != segment->transmission)
		learn_groundless(sender, segment->by_timer);
	else if (sender->probe_repeats && segment->transmission == sender->probe_transmission)
		congestion_probe_repaired(&sender->congestion);
	if (!rack->any || after(segment->arrived_transmission, rack->transmission)) {
		rack->transmission = segment->arrived_transmission;
		rack->round_trip = elapsed(segment->arrived_sent, now);
	}
	if (!rack->any || after(number, rack->highest))
		rack->highest = number;
	else if (number != rack->highest && !segment->retransmitted)
		rack->reordering = true;
	rack->any = true;
}

u32 recovery_learn(struct sender *sender, u32 arrivals, u64 now)
{
	u32 learned = 0;
	for (; after(arrivals, sender->board.learned); learned++)
		learn_arrival(sender, scoreboard_learn(&sender->board), now);
	return learned;
}

void recovery_finish(struct sender *sender)
{
	struct congestion *congestion = &sender->congestion;
	if (congestion->state == CONGESTION_OPEN)
		return;
	if (sender->undoable && !sender->unproven && (sender->groundless || !sender->board.lost)) {
		scoreboard_recall(&sender->board);
		congestion_undo(congestion);
		sender->statistics.undone++;
	} else if (!after(congestion->recovery_point, sender->acknowledged)) {
		congestion_recovered(congestion);
	} else {
		return;
	}
	sender->undoable = false;
	if (sender->rack.steps_left && --sender->rack.steps_left == 0)
		sender->rack.steps = 1;
}

void recovery_timeout(struct sender *sender, u64 now)
{
	struct scoreboard *board = &sender->board;
	u64 patience = sender->rack.round_trip + reordering_window(sender);
	u64 timeout = round_trip_timeout(&sender->round_trip, sender->backoff);
	if (!sender->rack.any)
		patience = timeout;
	while (board->flying && elapsed(scoreboard_at(board, board->oldest)->sent, now) >= patience)
		mark_lost(board, board->oldest, true);
	if (scoreboard_at(board, board->first)->state == SEGMENT_FLYING)
		mark_lost(board, board->first, true);
	if (sender->congestion.state == CONGESTION_OPEN)
		begin_undoable(sender);
	congestion_timeout(&sender->congestion, sender->next, board->flying);
	sender->reorder_deadline = NEVER;
	sender->probing = sender->probe_due = sender->probe_repeats = false;
	sender->statistics.timeouts++;
	sender->started = now;
	sender->backoff++;
	sender->retries++;
}

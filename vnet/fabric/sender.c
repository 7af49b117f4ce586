#include "vnet/fabric/sender.h"

#define DUPLICATES_MOST 3u /* RFC 6675's DupThresh */
#define REORDERING_PERSISTS 16u /* recoveries; RFC 8985 6.2 */
#define PROBE_LEAST_NS (2 * 1000 * NSEC_PER_USEC) /* Linux's TCP_TIMEOUT_MIN: two jiffies */

static bool after(u32 a, u32 b)
{
	return (i32)(a - b) > 0;
}

static u64 elapsed(u64 since, u64 now)
{
	return now > since ? now - since : 0;
}

void sender_open(struct sender *sender, struct account *account, u32 start, u32 segment_size)
{
	*sender = (struct sender){
		.acknowledged = start,
		.next = start,
		.available = start,
		.edge = start,
		.small_end = start,
		.segment_size = segment_size,
		.reorder_deadline = NEVER,
		.rack.steps = 1,
	};
	scoreboard_open(&sender->board, account);
	congestion_open(&sender->congestion);
}

void sender_close(struct sender *sender)
{
	scoreboard_clear(&sender->board);
	sender->acknowledged = sender->next = sender->available;
	sender->probing = sender->probe_due = false;
	sender->reorder_deadline = NEVER;
}

/* Sending. */

static void count_retransmission(struct sender *sender)
{
	sender->statistics.retransmissions++;
	sender->unproven++;
	if (sender->congestion.state == CONGESTION_RECOVERY)
		sender->congestion.reduction_sent++;
}

static void describe(const struct sender *sender, u32 number, struct transmission *transmission)
{
	const struct segment *segment = scoreboard_at(&sender->board, number);
	*transmission = (struct transmission){
		.number = number,
		.transmission = segment->transmission,
		.sequence = segment->sequence,
		.size = segment->size - segment->fin,
		.fin = segment->fin,
	};
}

static bool send_again(struct sender *sender, u32 number, struct transmission *transmission, u64 now)
{
	scoreboard_retransmit(&sender->board, number, now);
	count_retransmission(sender);
	if (number == sender->board.first)
		sender->started = now;
	describe(sender, number, transmission);
	return true;
}

/* How much the next new segment may carry; 0 when none may be sent. Nagle's algorithm as Linux has it: at most one
 * small segment that is not yet acknowledged. A window that has no room for a whole segment is filled with a small one,
 * so that windows of a few segments are used to their end. */
static u32 new_size(const struct sender *sender)
{
	u32 unsent = sender->available - sender->next;
	u32 room = after(sender->edge, sender->next) ? sender->edge - sender->next : 0;
	if (unsent == 1 && sender->finished)
		return 1; /* a FIN alone needs no window */
	u32 size = MIN(MIN(unsent, room), sender->segment_size);
	bool small = size < sender->segment_size && size == unsent && !sender->finished;
	if (small && !sender->no_delay && after(sender->small_end, sender->acknowledged))
		return 0;
	return size;
}

static bool send_new(struct sender *sender, struct transmission *transmission, u64 now)
{
	u32 size = new_size(sender);
	if (!size)
		return false;
	if (!scoreboard_count(&sender->board) && sender->last_sent)
		congestion_idle(&sender->congestion, elapsed(sender->last_sent, now),
				round_trip_timeout(&sender->round_trip, 0));
	bool last = size == sender->available - sender->next, fin = last && sender->finished;
	sender->starved = !scoreboard_append(&sender->board, sender->next, size, fin, now);
	if (sender->starved)
		return false;
	if (sender->board.flying == 1)
		sender->started = now;
	sender->next += size;
	if (size < sender->segment_size)
		sender->small_end = sender->next;
	if (sender->congestion.state == CONGESTION_RECOVERY)
		sender->congestion.reduction_sent++;
	sender->last_sent = now;
	sender->statistics.segments++;
	describe(sender, sender->board.end - 1, transmission);
	return true;
}

/* RFC 8985 7.3: something new when there is, the last segment otherwise. */
static bool send_probe(struct sender *sender, struct transmission *transmission, u64 now)
{
	sender->probe_due = false;
	if (send_new(sender, transmission, now)) {
		sender->probe_end = sender->next;
		return true;
	}
	if (!sender->board.flying)
		return false;
	sender->probe_end = sender->next;
	sender->probe_repeats = true;
	send_again(sender, sender->board.newest, transmission, now);
	sender->probe_transmission = transmission->transmission;
	return true;
}

bool sender_next(struct sender *sender, struct transmission *transmission, u64 now)
{
	if (sender->probe_due)
		return send_probe(sender, transmission, now);
	if (sender->board.flying >= sender->congestion.window)
		return false;
	if (sender->board.lost)
		return send_again(sender, scoreboard_first_lost(&sender->board), transmission, now);
	return send_new(sender, transmission, now);
}

/* Loss detection. */

static u64 reordering_window(const struct sender *sender)
{
	const struct rack *rack = &sender->rack;
	if (!rack->reordering &&
	    (sender->congestion.state != CONGESTION_OPEN || sender->board.delivered >= DUPLICATES_MOST))
		return 0;
	return MIN(sender->round_trip.least / 4 * rack->steps, sender->round_trip.smoothed);
}

/* What was sent before the latest arrival is lost when it has had its time; how many are. Otherwise the timer says when
 * to look again. */
static u32 detect_losses(struct sender *sender, u64 now)
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
		scoreboard_mark_lost(board, board->oldest);
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

static void enter_recovery(struct sender *sender)
{
	if (sender->congestion.state != CONGESTION_OPEN)
		return;
	begin_undoable(sender);
	congestion_enter_recovery(&sender->congestion, sender->next);
	sender->statistics.recoveries++;
}

/* Learning from acknowledgements. */

/* A retransmission was groundless, because an earlier transmission arrived. RFC 8985: the reordering window grows once a
 * round trip; and when none of this recovery's was needed, it is taken back. */
static void learn_groundless(struct sender *sender)
{
	struct rack *rack = &sender->rack;
	if (!after(rack->steps_until, sender->acknowledged)) {
		rack->steps++;
		rack->steps_until = sender->next;
	}
	rack->steps_left = REORDERING_PERSISTS;
	if (sender->unproven && --sender->unproven == 0)
		sender->groundless = true;
}

static void learn_arrival(struct sender *sender, u32 number, u64 now)
{
	struct rack *rack = &sender->rack;
	const struct segment *segment = scoreboard_at(&sender->board, number);
	if (segment->arrived_transmission != segment->transmission)
		learn_groundless(sender);
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

static u32 learn_arrivals(struct sender *sender, u32 arrivals, u64 now)
{
	u32 learned = 0;
	for (; after(arrivals, sender->board.learned); learned++)
		learn_arrival(sender, scoreboard_learn(&sender->board), now);
	return learned;
}

static void advance(struct sender *sender, u32 acknowledged, u64 now)
{
	struct scoreboard *board = &sender->board;
	while (scoreboard_count(board)) {
		const struct segment *segment = scoreboard_at(board, board->first);
		if (after(segment->sequence + segment->size, acknowledged))
			break;
		scoreboard_pop(board);
	}
	sender->acknowledged = acknowledged;
	sender->backoff = sender->retries = 0;
	sender->started = now; /* RFC 6298 5.3 */
}

static void finish_recovery(struct sender *sender)
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

void sender_acknowledge(struct sender *sender, const struct acknowledgement *acknowledgement, u64 now)
{
	if (after(acknowledgement->acknowledged, sender->next))
		return;
	u32 flight = sender->board.flying;
	if (after(acknowledgement->edge, sender->edge)) {
		sender->edge = acknowledgement->edge;
		if (!flight)
			sender->backoff = 0; /* of window probes */
	}
	u32 learned = learn_arrivals(sender, acknowledgement->arrivals, now);
	bool progress = after(acknowledgement->acknowledged, sender->acknowledged);
	if (learned)
		round_trip_sample(&sender->round_trip, elapsed(acknowledgement->echo, now), now);
	if (progress)
		advance(sender, acknowledgement->acknowledged, now);
	sender->retries = 0;
	if (sender->probing && !after(sender->probe_end, sender->acknowledged))
		sender->probing = sender->probe_due = sender->probe_repeats = false;
	finish_recovery(sender);
	u32 lost = detect_losses(sender, now);
	if (lost)
		enter_recovery(sender);
	if (sender->congestion.state == CONGESTION_RECOVERY)
		congestion_reduce(&sender->congestion, learned, sender->board.flying, progress && !lost);
	else if (learned)
		congestion_grow(&sender->congestion, learned, flight);
}

/* Timers. */

static bool may_probe(const struct sender *sender)
{
	return sender->congestion.state != CONGESTION_LOSS && !sender->probing && sender->board.flying &&
	       sender->round_trip.measured;
}

u64 sender_deadline(struct sender *sender, u64 now)
{
	u64 timeout = sender->started + round_trip_timeout(&sender->round_trip, sender->backoff);
	sender->deadline = NEVER;
	sender->timer = SENDER_IDLE;
	if (sender->board.flying || sender->board.lost) {
		u64 probe =
			MAX(sender->started, sender->last_sent) + MAX(2 * sender->round_trip.smoothed, PROBE_LEAST_NS);
		bool probes = may_probe(sender) && probe < timeout;
		sender->timer = probes ? SENDER_PROBE : SENDER_RETRANSMIT;
		sender->deadline = probes ? probe : timeout;
	} else if (!sender_done(sender) && (sender->starved || !after(sender->edge, sender->next))) {
		sender->timer = SENDER_PERSIST;
		sender->deadline = timeout;
	}
	if (sender->reorder_deadline < sender->deadline) {
		sender->timer = SENDER_REORDER;
		sender->deadline = sender->reorder_deadline;
	}
	if (sender->deadline != NEVER)
		sender->deadline = MAX(sender->deadline, now);
	return sender->deadline;
}

/* RFC 8985 6.3: the first segment is lost, and so is what was sent long enough ago. */
static void retransmission_timeout(struct sender *sender, u64 now)
{
	struct scoreboard *board = &sender->board;
	u64 patience = sender->rack.round_trip + reordering_window(sender);
	u64 timeout = round_trip_timeout(&sender->round_trip, sender->backoff);
	if (!sender->rack.any)
		patience = timeout;
	while (board->flying && elapsed(scoreboard_at(board, board->oldest)->sent, now) >= patience)
		scoreboard_mark_lost(board, board->oldest);
	if (scoreboard_at(board, board->first)->state == SEGMENT_FLYING)
		scoreboard_mark_lost(board, board->first);
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

bool sender_timeout(struct sender *sender, u64 now)
{
	switch (sender->timer) {
	case SENDER_REORDER:
		if (detect_losses(sender, now)) {
			enter_recovery(sender);
			if (sender->congestion.state == CONGESTION_RECOVERY)
				congestion_reduce(&sender->congestion, 0, sender->board.flying, false);
		}
		return false;
	case SENDER_PROBE:
		sender->probing = sender->probe_due = true;
		sender->probe_repeats = false;
		sender->started = now;
		return false;
	case SENDER_RETRANSMIT: retransmission_timeout(sender, now); return false;
	case SENDER_PERSIST:
		sender->started = now;
		sender->backoff++;
		if (sender->starved)
			return false;
		sender->retries++;
		return true;
	default: return false;
	}
}

void sender_resize(struct sender *sender, u32 segment_size, u32 arrived)
{
	if (segment_size < sender->segment_size && scoreboard_count(&sender->board)) {
		scoreboard_clear(&sender->board);
		sender->acknowledged = sender->next = arrived;
		sender->reorder_deadline = NEVER;
		sender->probing = sender->probe_due = sender->probe_repeats = false;
		sender->rack.any = false;
		sender->unproven = 0;
	}
	sender->segment_size = segment_size;
}

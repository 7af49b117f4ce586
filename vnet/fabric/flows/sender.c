#include "vnet/fabric/flows/recovery.h"

#define PROBE_LEAST_NS (2 * 1000 * NSEC_PER_USEC) /* Linux's TCP_TIMEOUT_MIN: two jiffies */

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
	scoreboard_at(&sender->board, sender->board.newest)->by_timer = true;
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

static void note_window(struct sender *sender)
{
	if (after(sender->edge, sender->acknowledged))
		sender->widest = MAX(sender->widest, sender->edge - sender->acknowledged);
	congestion_receive_window(&sender->congestion, sender->widest / sender->segment_size);
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
	u32 learned = recovery_learn(sender, acknowledgement->arrivals, now);
	bool progress = after(acknowledgement->acknowledged, sender->acknowledged);
	if (learned)
		round_trip_sample(&sender->round_trip, elapsed(acknowledgement->echo, now), now);
	if (progress)
		advance(sender, acknowledgement->acknowledged, now);
	note_window(sender);
	sender->retries = 0;
	if (sender->probing && !after(sender->probe_end, sender->acknowledged))
		sender->probing = sender->probe_due = sender->probe_repeats = false;
	recovery_finish(sender);
	u32 lost = recovery_detect(sender, now);
	if (lost)
		recovery_enter(sender);
	if (sender->congestion.state == CONGESTION_RECOVERY)
		congestion_reduce(&sender->congestion, learned, sender->board.flying, progress && !lost);
	else if (learned)
		congestion_grow(&sender->congestion, learned, flight);
}

/* RFC 8985 7.2, but in recovery too: a flow whose window is closed by a hole has nothing else that would show that its
 * retransmission was lost, and would wait for a time-out. Where the time-out would come first, a probe goes out in its
 * place: on a round trip as long as the least time-out every lost tail would otherwise close the window. */
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
		bool probes = may_probe(sender);
		sender->timer = probes ? SENDER_PROBE : SENDER_RETRANSMIT;
		sender->deadline = probes ? MIN(probe, timeout) : timeout;
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

bool sender_timeout(struct sender *sender, u64 now)
{
	switch (sender->timer) {
	case SENDER_REORDER:
		if (recovery_detect(sender, now)) {
			recovery_enter(sender);
			if (sender->congestion.state == CONGESTION_RECOVERY)
				congestion_reduce(&sender->congestion, 0, sender->board.flying, false);
		}
		return false;
	case SENDER_PROBE:
		sender->probing = sender->probe_due = true;
		sender->probe_repeats = false;
		sender->started = now;
		return false;
	case SENDER_RETRANSMIT: recovery_timeout(sender, now); return false;
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

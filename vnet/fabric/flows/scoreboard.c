#include "vnet/fabric/flows/scoreboard.h"

#define FIRST_CAPACITY 16u

void scoreboard_open(struct scoreboard *board, struct account *account)
{
	*board = (struct scoreboard){.account = account};
}

void scoreboard_clear(struct scoreboard *board)
{
	if (board->segments)
		memory_free(board->account, board->segments, board->capacity * (u32)sizeof(struct segment));
	*board = (struct scoreboard){
		.account = board->account,
		.first = board->end,
		.end = board->end,
		.lowest_lost = board->end,
		.transmissions = board->transmissions,
		.arrivals = board->arrivals,
		.learned = board->arrivals,
	};
}

/* Records keep their place modulo the new capacity. */
static bool grow(struct scoreboard *board)
{
	u32 capacity = MAX(2 * board->capacity, FIRST_CAPACITY);
	if (capacity > SCOREBOARD_MOST)
		return false;
	struct segment *segments = memory_allocate(board->account, capacity * (u32)sizeof(*segments));
	if (!segments)
		return false;
	for (u32 number = board->first; number != board->end; number++)
		segments[number & (capacity - 1)] = *scoreboard_at(board, number);
	if (board->segments)
		memory_free(board->account, board->segments, board->capacity * (u32)sizeof(*segments));
	board->segments = segments;
	board->capacity = capacity;
	return true;
}

/* Make it the latest of the flying. */
static void fly(struct scoreboard *board, u32 number)
{
	struct segment *segment = scoreboard_at(board, number);
	segment->state = SEGMENT_FLYING;
	segment->earlier = board->newest;
	if (board->flying)
		scoreboard_at(board, board->newest)->later = number;
	else
		board->oldest = number;
	board->newest = number;
	board->flying++;
}

static void land(struct scoreboard *board, u32 number)
{
	struct segment *segment = scoreboard_at(board, number);
	bool oldest = number == board->oldest, newest = number == board->newest;
	if (oldest)
		board->oldest = segment->later;
	else
		scoreboard_at(board, segment->earlier)->later = segment->later;
	if (newest)
		board->newest = segment->earlier;
	else
		scoreboard_at(board, segment->later)->earlier = segment->earlier;
	board->flying--;
}

/* Take it out of the count of its state. */
static void leave_state(struct scoreboard *board, u32 number)
{
	switch (scoreboard_at(board, number)->state) {
	case SEGMENT_FLYING: land(board, number); break;
	case SEGMENT_LOST: board->lost--; break;
	default: board->delivered--;
	}
}

bool scoreboard_append(struct scoreboard *board, u32 sequence, u32 size, bool fin, u64 now)
{
	if (scoreboard_count(board) == board->capacity && !grow(board))
		return false;
	*scoreboard_at(board, board->end) = (struct segment){
		.sent = now,
		.sequence = sequence,
		.size = size,
		.transmission = ++board->transmissions,
		.fin = fin,
	};
	fly(board, board->end++);
	return true;
}

void scoreboard_retransmit(struct scoreboard *board, u32 number, u64 now)
{
	struct segment *segment = scoreboard_at(board, number);
	leave_state(board, number);
	fly(board, number);
	segment->sent = now;
	segment->transmission = ++board->transmissions;
	segment->retransmitted = true;
}

bool scoreboard_arrive(struct scoreboard *board, u32 number, u32 transmission, u64 sent)
{
	struct segment *segment = scoreboard_at(board, number);
	if (segment->arrived)
		return false;
	segment->arrived = true;
	segment->arrived_transmission = transmission;
	segment->arrived_sent = sent;
	if (board->learned == board->arrivals)
		board->next_learned = number;
	else
		scoreboard_at(board, board->last_arrived)->next_arrived = number;
	board->last_arrived = number;
	board->arrivals++;
	return true;
}

u32 scoreboard_learn(struct scoreboard *board)
{
	u32 number = board->next_learned;
	struct segment *segment = scoreboard_at(board, number);
	board->learned++;
	board->next_learned = segment->next_arrived;
	leave_state(board, number);
	segment->state = SEGMENT_DELIVERED;
	board->delivered++;
	return number;
}

void scoreboard_mark_lost(struct scoreboard *board, u32 number)
{
	leave_state(board, number);
	scoreboard_at(board, number)->state = SEGMENT_LOST;
	board->lost++;
	if (board->lost == 1 || (i32)(number - board->lowest_lost) < 0)
		board->lowest_lost = number;
}

u32 scoreboard_first_lost(struct scoreboard *board)
{
	if ((i32)(board->lowest_lost - board->first) < 0)
		board->lowest_lost = board->first;
	while (scoreboard_at(board, board->lowest_lost)->state != SEGMENT_LOST)
		board->lowest_lost++;
	return board->lowest_lost;
}

void scoreboard_recall(struct scoreboard *board)
{
	for (u32 number = board->first; board->lost; number++) {
		if (scoreboard_at(board, number)->state != SEGMENT_LOST)
			continue;
		board->lost--;
		fly(board, number);
	}
}

void scoreboard_pop(struct scoreboard *board)
{
	leave_state(board, board->first);
	board->first++;
}

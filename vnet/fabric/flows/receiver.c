#include "vnet/fabric/flows/receiver.h"

void receiver_open(struct receiver *receiver, u32 start, u32 buffer)
{
	*receiver = (struct receiver){.next = start, .edge = start + buffer, .buffer = buffer};
}

bool receiver_take(struct receiver *receiver, struct scoreboard *board, const struct transmission *transmission,
		   u64 sent)
{
	if (!scoreboard_holds(board, transmission->number) ||
	    !scoreboard_arrive(board, transmission->number, transmission->transmission, sent))
		return false;
	u32 before = receiver->next;
	while (scoreboard_holds(board, receiver->next_number)) {
		const struct segment *segment = scoreboard_at(board, receiver->next_number);
		if (!segment->arrived)
			break;
		receiver->next += segment->size;
		receiver->next_number++;
		receiver->finished |= segment->fin;
	}
	return receiver->next != before;
}

/* RFC 1122 4.2.3.3: a window that the reader opens bit by bit opens by whole segments. */
u32 receiver_edge(const struct receiver *receiver, u32 unread, u32 segment_size)
{
	u32 window = receiver->buffer > unread ? receiver->buffer - unread : 0;
	u32 edge = receiver->next + window, least = MIN(segment_size, receiver->buffer / 2);
	if ((i32)(edge - receiver->edge) <= 0 || (unread && edge - receiver->edge < least))
		return receiver->edge;
	return edge;
}

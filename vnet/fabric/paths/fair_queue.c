#include "vnet/fabric/paths/fair_queue.h"

#define FIRST_DEFICIT 1500u /* one packet of the usual size */

static struct packet **flow_link(struct fair_queue *queue, u32 key)
{
	struct packet **link = &queue->flows[key % FAIR_QUEUE_BUCKETS];
	while (*link && (*link)->flow_key != key)
		link = &(*link)->backlog.chain;
	return link;
}

/* A flow comes to have packets: its turn is after all others', and then it sends without waiting for another round. */
static void flow_begin(struct fair_queue *queue, struct packet **link, struct packet *packet)
{
	struct packet *turn = queue->turn ? queue->turn : packet;
	struct packet *last = queue->turn ? turn->backlog.before : packet;
	packet->backlog = (struct backlog){.last = packet, .after = turn, .before = last, .chain = *link};
	packet->backlog.packets = 1;
	packet->backlog.deficit = (i32)MIN(packet->size, FIRST_DEFICIT);
	*link = packet;
	queue->flow_count++;
	last->backlog.after = packet;
	turn->backlog.before = packet;
	queue->turn = turn;
}

void fair_queue_put(struct fair_queue *queue, struct packet *packet)
{
	struct packet **link = flow_link(queue, packet->flow_key), *first = *link;
	packet->next = NULL;
	queue->packets++;
	if (!first) {
		flow_begin(queue, link, packet);
		return;
	}
	first->backlog.last->next = packet;
	first->backlog.last = packet;
	first->backlog.packets++;
}

/* Take the first packet of a flow; the next one inherits its place. */
static void flow_shift(struct fair_queue *queue, struct packet *first)
{
	struct packet **link = flow_link(queue, first->flow_key), *next = first->next;
	struct backlog place = first->backlog;
	queue->packets--;
	if (next) {
		next->backlog = place;
		next->backlog.packets = place.packets - 1;
		if (place.after == first)
			next->backlog.after = next->backlog.before = next;
	}
	*link = next ? next : place.chain;
	if (!next)
		queue->flow_count--;
	if (place.after != first) {
		place.after->backlog.before = next ? next : place.before;
		place.before->backlog.after = next ? next : place.after;
	}
	if (queue->turn == first)
		queue->turn = next ? next : place.after == first ? NULL : place.after;
	first->next = NULL;
}

struct packet *fair_queue_take(struct fair_queue *queue, u32 quantum)
{
	struct packet *first = queue->turn;
	if (!first)
		return NULL;
	while (first->backlog.deficit < (i32)first->size) {
		first->backlog.deficit += (i32)quantum;
		first = first->backlog.after;
	}
	queue->turn = first;
	first->backlog.deficit -= (i32)first->size;
	flow_shift(queue, first);
	return first;
}

struct packet *fair_queue_take_longest(struct fair_queue *queue)
{
	struct packet *longest = queue->turn;
	for (struct packet *at = longest->backlog.after; at != queue->turn; at = at->backlog.after)
		if (at->backlog.packets > longest->backlog.packets)
			longest = at;
	flow_shift(queue, longest);
	return longest;
}

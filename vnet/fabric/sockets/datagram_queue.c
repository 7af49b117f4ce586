#include "vnet/fabric/sockets/datagram_queue.h"

static u32 object_size(const struct packet *packet)
{
	return (u32)sizeof(*packet) + packet->payload_size;
}

/* Let the receiver's pod pay. */
static bool change_payer(struct packet *packet, struct account *account)
{
	struct account *before = packet->account;
	if (before == account)
		return true;
	if (!memory_transfer(before, account, object_size(packet)))
		return false;
	packet->account = account_hold(account);
	account_release(before);
	return true;
}

/* Under the queue's lock. */
static void append(struct datagram_queue *queue, struct packet *packet)
{
	packet->next = NULL;
	if (queue->last)
		queue->last->next = packet;
	else
		queue->first = packet;
	queue->last = packet;
	queue->bytes += memory_occupied(object_size(packet));
	queue->count++;
}

bool datagram_enqueue(struct socket *socket, struct packet *packet)
{
	struct datagram_queue *queue = &socket->incoming;
	lock_acquire(&queue->lock);
	bool room = queue->bytes <= socket->receive_buffer && change_payer(packet, socket->pod->account);
	if (room)
		append(queue, packet);
	else
		queue->drops++;
	lock_release(&queue->lock);
	if (room)
		waitq_wake(&socket->changes);
	else
		packet_free(packet);
	return room;
}

/* Under the queue's lock. */
static void remove_first(struct datagram_queue *queue)
{
	struct packet *packet = queue->first;
	queue->first = packet->next;
	if (!queue->first)
		queue->last = NULL;
	queue->bytes -= memory_occupied(object_size(packet));
	queue->count--;
}

struct packet *datagram_dequeue(struct socket *socket)
{
	struct datagram_queue *queue = &socket->incoming;
	lock_acquire(&queue->lock);
	struct packet *packet = queue->first;
	if (packet)
		remove_first(queue);
	lock_release(&queue->lock);
	return packet;
}

bool datagram_peek(struct socket *socket, void (*look)(const struct packet *packet, void *argument), void *argument)
{
	struct datagram_queue *queue = &socket->incoming;
	lock_acquire(&queue->lock);
	const struct packet *packet = queue->first;
	if (packet)
		look(packet, argument);
	lock_release(&queue->lock);
	return packet;
}

void datagram_discard_all(struct socket *socket)
{
	for (struct packet *packet; (packet = datagram_dequeue(socket));)
		packet_free(packet);
}

u32 datagram_next_size(struct socket *socket)
{
	struct datagram_queue *queue = &socket->incoming;
	lock_acquire(&queue->lock);
	u32 size = queue->first ? queue->first->payload_size : 0;
	lock_release(&queue->lock);
	return size;
}

u64 datagram_drops(struct socket *socket)
{
	lock_acquire(&socket->incoming.lock);
	u64 drops = socket->incoming.drops;
	lock_release(&socket->incoming.lock);
	return drops;
}

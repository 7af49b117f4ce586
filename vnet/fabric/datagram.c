#include "vnet/fabric/datagram.h"

static u32 object_size(u32 payload)
{
	return (u32)sizeof(struct datagram) + payload;
}

struct datagram *datagram_create(struct account *account, struct endpoint source, u32 size)
{
	struct datagram *datagram = memory_allocate(account, object_size(size));
	if (!datagram)
		return NULL;
	datagram->references = 1;
	datagram->size = size;
	datagram->next = NULL;
	datagram->account = account_hold(account);
	datagram->source = source;
	return datagram;
}

void datagram_release(struct datagram *datagram)
{
	if (atomic_fetch_sub(&datagram->references, 1) != 1)
		return;
	struct account *account = datagram->account;
	memory_free(account, datagram, object_size(datagram->size));
	account_release(account);
}

/* Let the receiver's pod pay. */
static bool change_payer(struct datagram *datagram, struct account *account)
{
	struct account *before = datagram->account;
	if (before == account)
		return true;
	if (!memory_transfer(before, account, object_size(datagram->size)))
		return false;
	datagram->account = account_hold(account);
	account_release(before);
	return true;
}

/* Under the queue's lock. */
static void append(struct datagram_queue *queue, struct datagram *datagram)
{
	if (queue->last)
		queue->last->next = datagram;
	else
		queue->first = datagram;
	queue->last = datagram;
	queue->bytes += memory_occupied(object_size(datagram->size));
	queue->count++;
}

bool datagram_enqueue(struct socket *socket, struct datagram *datagram)
{
	struct datagram_queue *queue = &socket->incoming;
	lock_acquire(&queue->lock);
	bool room = queue->bytes <= socket->receive_buffer && change_payer(datagram, socket->pod->account);
	if (room)
		append(queue, datagram);
	else
		queue->drops++;
	lock_release(&queue->lock);
	if (room)
		waitq_wake(&socket->changes);
	else
		datagram_release(datagram);
	return room;
}

/* Under the queue's lock. */
static void remove_first(struct datagram_queue *queue)
{
	struct datagram *datagram = queue->first;
	queue->first = datagram->next;
	if (!queue->first)
		queue->last = NULL;
	queue->bytes -= memory_occupied(object_size(datagram->size));
	queue->count--;
}

struct datagram *datagram_dequeue(struct socket *socket, bool peek)
{
	struct datagram_queue *queue = &socket->incoming;
	lock_acquire(&queue->lock);
	struct datagram *datagram = queue->first;
	if (datagram && peek)
		atomic_fetch_add(&datagram->references, 1);
	else if (datagram)
		remove_first(queue);
	lock_release(&queue->lock);
	return datagram;
}

void datagram_discard_all(struct socket *socket)
{
	for (struct datagram *datagram; (datagram = datagram_dequeue(socket, false));)
		datagram_release(datagram);
}

u32 datagram_next_size(struct socket *socket)
{
	struct datagram_queue *queue = &socket->incoming;
	lock_acquire(&queue->lock);
	u32 size = queue->first ? queue->first->size : 0;
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

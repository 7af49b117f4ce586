#include "vnet/fabric/paths/pacer.h"

#include "vnet/fabric/sockets/datagram.h"
#include "vnet/fabric/sockets/echo.h"
#include "vnet/fabric/flows/flow.h"
#include "vnet/fabric/paths/path.h"
#include "vnet/fabric/captures/tap.h"

#define BATCH 64u /* events between two chances for others to take the locks */

static struct {
	struct lock lock;
	struct event *root; /* of the heap; under lock, as all up to `wakeup` */
	u64 order;          /* of the next event */
	u64 now;            /* the latest time that was handled */
	u64 wakeup;         /* when the thread will look by itself; 0 while it is at work or there is none */
	struct thread *thread;
	_Atomic u32 stopped;
} pacer;

void pacer_acquire(void)
{
	lock_acquire(&pacer.lock);
}

void pacer_release(void)
{
	struct thread *sleeper = NULL;
	if (pacer.root && pacer.root->due < pacer.wakeup) {
		pacer.wakeup = pacer.root->due;
		sleeper = pacer.thread;
	}
	lock_release(&pacer.lock);
	if (sleeper)
		thread_unpark(sleeper);
}

u64 pacer_time(void)
{
	return MAX(clock_now(CLOCK_ID_MONOTONIC), pacer.now);
}

static bool sooner(const struct event *a, const struct event *b)
{
	return a->due < b->due || (a->due == b->due && a->order < b->order);
}

/* Of two heaps make one; either may be empty. Roots have no siblings. */
static struct event *heap_meld(struct event *a, struct event *b)
{
	if (!a || !b)
		return a ? a : b;
	if (sooner(b, a)) {
		struct event *other = a;
		a = b;
		b = other;
	}
	b->previous = a;
	b->next = a->child;
	if (a->child)
		a->child->previous = b;
	a->child = b;
	return a;
}

/* Of a root's children make one heap, in two passes: pairs from the left, then all from the right. */
static struct event *heap_meld_children(struct event *first)
{
	struct event *pairs = NULL, *root = NULL;
	while (first) {
		struct event *a = first, *b = a->next;
		first = b ? b->next : NULL;
		a->next = a->previous = NULL;
		if (b)
			b->next = b->previous = NULL;
		a = heap_meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct event *heap = pairs;
		pairs = heap->next;
		heap->next = NULL;
		root = heap_meld(root, heap);
	}
	return root;
}

void event_cancel(struct event *event)
{
	if (!event->scheduled)
		return;
	struct event *children = heap_meld_children(event->child);
	if (event == pacer.root) {
		pacer.root = children;
	} else {
		if (event->previous->child == event)
			event->previous->child = event->next;
		else
			event->previous->next = event->next;
		if (event->next)
			event->next->previous = event->previous;
		pacer.root = heap_meld(pacer.root, children);
	}
	event->child = event->next = event->previous = NULL;
	event->scheduled = false;
}

void event_schedule(struct event *event, u64 due)
{
	event_cancel(event);
	event->due = due;
	event->order = pacer.order++;
	event->scheduled = true;
	pacer.root = heap_meld(pacer.root, event);
}

u64 pacer_next(void)
{
	return pacer.root ? pacer.root->due : NEVER;
}

/* Whether the packet is at the end of its path: it is the caller's then. */
static bool packet_proceed(struct packet *packet, u64 now)
{
	struct path *path = packet->path;
	if (path->source_captures && !(packet->flags & PACKET_SHOWN)) {
		tap_packet(path->source_captures, packet, now, CAPTURE_OUT, CAPTURE_PASSED);
		packet->flags |= PACKET_SHOWN;
	}
	if (packet->hop == 0 && !path_admit(path, packet))
		return false;
	while (packet->hop < path->hop_count)
		if (!link_enter(path->hops[packet->hop++], packet, now))
			return false;
	return true;
}

static void packet_arrive(struct packet *packet, u64 now)
{
	if (!path_admit(packet->path, packet))
		return;
	if (packet->path->target_captures)
		tap_packet(packet->path->target_captures, packet, now, CAPTURE_IN, CAPTURE_PASSED);
	path_release(packet->path);
	packet->path = NULL;
	if (packet->flags & PACKET_CORRUPT && packet->protocol != PACKET_UDP) {
		packet_free(packet);
		return;
	}
	switch (packet->protocol) {
	case PACKET_TCP: flow_receive(packet, now); break;
	case PACKET_UDP: datagram_receive(packet, now); break;
	default: echo_receive(packet, now);
	}
}

void packet_send(struct packet *packet, struct path *path, u64 now)
{
	packet->path = path_hold(path);
	packet->source = path->source;
	packet->target = path->target;
	packet->event.kind = EVENT_PACKET;
	packet->hop = 0;
	packet->sent = now;
	/* What is due before this packet comes before it on the links too. */
	if (pacer_next() < now || packet_proceed(packet, now))
		event_schedule(&packet->event, now);
}

static void event_handle(struct event *event, u64 now)
{
	struct packet *packet = (struct packet *)event;
	switch (event->kind) {
	case EVENT_LINK: packet = link_sent((struct link *)((u8 *)event - offsetof(struct link, sent)), now); break;
	case EVENT_FLOW: flow_timer(event, now); return;
	case EVENT_FLOW_ENTRY: flow_enter(event, now); return;
	default: break;
	}
	if (packet && packet_proceed(packet, now))
		packet_arrive(packet, now);
}

bool pacer_handle(u64 now, u32 most)
{
	for (; pacer_next() <= now; most--) {
		if (!most)
			return true;
		struct event *event = pacer.root;
		event_cancel(event);
		pacer.now = MAX(pacer.now, event->due);
		event_handle(event, pacer.now);
	}
	return false;
}

void pacer_run(void)
{
	struct thread *thread = current();
	while (!atomic_load(&pacer.stopped)) {
		lock_acquire(&network_lock);
		pacer_acquire();
		pacer.thread = thread;
		bool more = pacer_handle(clock_now(CLOCK_ID_MONOTONIC), BATCH);
		u64 due = more ? 0 : pacer_next();
		pacer.wakeup = due;
		bool wanted = lock_release_wanted(&pacer.lock);
		wanted |= lock_release_wanted(&network_lock);
		if (!more)
			thread_park(thread, due);
		else if (wanted)
			lock_rest();
	}
}

void pacer_stop(void)
{
	pacer_acquire();
	atomic_store(&pacer.stopped, 1);
	struct thread *thread = pacer.thread;
	pacer_release();
	if (thread)
		thread_unpark(thread);
}

#include "vnet/fabric/paths/link.h"

#include "vnet/fabric/paths/pacer.h"
#include "vnet/fabric/captures/tap.h"

#define FRAGMENT_ALIGNMENT 8u /* RFC 791: fragments carry multiples of it */

static u64 seed; /* under the pacer's lock */

void link_set_seed(u64 value)
{
	seed = value;
}

struct link *link_create(u32 number, u32 direction, const struct link_parameters *parameters)
{
	struct link *link = memory_allocate(NULL, sizeof(*link));
	if (!link)
		return NULL;
	link->references = 1;
	link->number = number;
	link->direction = direction;
	link->sent.kind = EVENT_LINK;
	link->share = LINK_WHOLE;
	link->idled = true;
	link->parameters = *parameters;
	return link;
}

struct link *link_hold(struct link *link)
{
	link->references++;
	return link;
}

void link_release(struct link *link)
{
	if (--link->references)
		return;
	link_remove(link);
	memory_free(NULL, link, sizeof(*link));
}

bool link_parameters_valid(const struct link_parameters *parameters)
{
	return parameters->delay <= LINK_MOST_DELAY && parameters->jitter <= LINK_MOST_DELAY &&
	       parameters->rate <= LINK_MOST_RATE && parameters->distribution < DISTRIBUTIONS &&
	       parameters->mtu >= LINK_LEAST_MTU && parameters->mtu <= LINK_MOST_MTU &&
	       (!parameters->rate || parameters->queue_packets > 0);
}

bool link_transparent(const struct link *link)
{
	const struct link_parameters *is = &link->parameters;
	bool loses = is->loss || (is->bursty && (is->loss_in_good || (is->good_to_bad && is->loss_in_bad)));
	return !link->removed && !is->delay && !is->jitter && !is->rate && !loses && !is->duplicate && !is->reorder &&
	       !is->corrupt && is->mtu >= LINK_DEFAULT_MTU;
}

void link_add_statistics(const struct link *link, struct link_statistics *sum)
{
	const struct link_statistics *own = &link->statistics;
	sum->packets += own->packets;
	sum->bytes += own->bytes;
	sum->lost += own->lost;
	sum->overflowed += own->overflowed;
	sum->cut += own->cut;
	sum->corrupted += own->corrupted;
	sum->oversized += own->oversized;
	sum->unpaid += own->unpaid;
	sum->duplicated += own->duplicated;
	sum->reordered += own->reordered;
	sum->queued += link->queue.packets;
	sum->queued_most = MAX(sum->queued_most, own->queued_most);
}

static u64 draw(const struct link *link, u64 index, u32 purpose)
{
	return random_draw(seed, link->number, link->direction, index, purpose);
}

static bool chance(const struct link *link, u64 index, u32 purpose, u32 probability)
{
	return probability && random_chance(draw(link, index, purpose), probability);
}

static bool lose_one(struct link *link, u64 index, u32 fragment)
{
	const struct link_parameters *is = &link->parameters;
	u32 probability = is->loss, purpose = RANDOM_LOSS + fragment * RANDOM_PURPOSES;
	if (is->bursty) {
		/* As netem: the state changes for the next packet. */
		probability = link->bad ? is->loss_in_bad : is->loss_in_good;
		if (chance(link, index, RANDOM_STATE + fragment * RANDOM_PURPOSES,
			   link->bad ? is->bad_to_good : is->good_to_bad))
			link->bad = !link->bad;
	}
	return chance(link, index, purpose, probability);
}

/* All fragments must arrive, and each has luck of its own. */
static bool lose(struct link *link, u64 index, u32 fragments)
{
	bool lost = false;
	for (u32 fragment = 0; fragment < fragments; fragment++)
		lost |= lose_one(link, index, fragment);
	return lost;
}

/* How many packets go over the wire for this one; 0 when it is too large and may not be fragmented. */
static u32 fragments_of(const struct link *link, const struct packet *packet)
{
	u32 mtu = link->parameters.mtu;
	if (packet->size <= mtu)
		return 1;
	if (packet->protocol == PACKET_TCP) /* it does not fragment: RFC 1191 */
		return 0;
	u32 piece = (mtu - IPV4_HEADER_SIZE) & ~(FRAGMENT_ALIGNMENT - 1);
	return (packet->size - IPV4_HEADER_SIZE + piece - 1) / piece;
}

static void corrupt(struct link *link, struct packet *packet, u64 luck)
{
	link->statistics.corrupted++;
	packet->flags |= PACKET_CORRUPT;
	if (packet->payload_size) {
		u64 bit = luck % ((u64)packet->payload_size * 8);
		packet->payload[bit / 8] ^= (u8)(1u << bit % 8);
	}
}

static void show(const struct link *link, const struct packet *packet, u64 now, enum capture_outcome outcome)
{
	if (link->captures)
		tap_packet(link->captures, packet, now, link->direction ? CAPTURE_IN : CAPTURE_OUT, outcome);
}

static void drop(const struct link *link, struct packet *packet, u64 now, enum capture_outcome outcome)
{
	show(link, packet, now, outcome);
	packet_free(packet);
}

/* The packet has left the sender: it arrives after the delay. True when at once. */
static bool link_delay(struct link *link, struct packet *packet, u64 now)
{
	const struct link_parameters *is = &link->parameters;
	show(link, packet, now, packet->flags & PACKET_CORRUPT ? CAPTURE_CORRUPTED : CAPTURE_PASSED);
	if (packet->flags & PACKET_REORDERED) {
		packet->flags &= (u8)~PACKET_REORDERED;
		return true;
	}
	i64 delay = (i64)is->delay;
	if (is->jitter) {
		u32 purpose = packet->flags & PACKET_COPY ? RANDOM_COPY_DELAY : RANDOM_DELAY;
		i64 variate = random_variate(is->distribution, draw(link, packet->index, purpose)),
		    jitter = (i64)is->jitter;
		delay += jitter * (variate >> 16) + (jitter * (variate & 0xffff) >> 16);
	}
	if (delay <= 0)
		return true;
	event_schedule(&packet->event, now + (u64)delay);
	return false;
}

/* A share leaves something, however small. */
static u64 part_of(const struct link *link, u64 whole)
{
	return MAX(whole * link->share / LINK_WHOLE, 1ull);
}

static void transmit(struct link *link, struct packet *packet, u64 now)
{
	u32 pieces = MAX(fragments_of(link, packet), 1u);
	u64 bytes = packet->size + (u64)(pieces - 1) * IPV4_HEADER_SIZE;
	u64 rate = part_of(link, link->parameters.rate);
	u32 mark = packet->flow_key * 2654435761u >> 24;
	link->sent_bytes += bytes;
	link->flow_marks[mark / 64] |= 1ull << mark % 64;
	u64 time = bytes * 8 * NSEC_PER_SEC + link->remainder;
	link->remainder = time % rate;
	link->sending = packet;
	event_schedule(&link->sent, now + time / rate);
}

static void queue_drop(struct link *link, struct packet *packet, u64 now)
{
	link->statistics.overflowed++;
	drop(link, packet, now, CAPTURE_QUEUE_FULL);
}

/* A queue that is too long since the share of it became smaller does not grow; it is not cut. */
static bool link_queue(struct link *link, struct packet *packet, u64 now)
{
	if (link->sending) {
		fair_queue_put(&link->queue, packet);
		if (link->queue.packets > part_of(link, link->parameters.queue_packets))
			queue_drop(link, fair_queue_take_longest(&link->queue), now);
		link->statistics.queued_most = MAX(link->statistics.queued_most, link->queue.packets);
		return false;
	}
	if (!link->parameters.rate)
		return link_delay(link, packet, now);
	link->remainder = 0;
	transmit(link, packet, now);
	return false;
}

struct packet *link_sent(struct link *link, u64 now)
{
	struct packet *packet = link->sending, *next = fair_queue_take(&link->queue, link->parameters.mtu);
	link->sending = NULL;
	if (next)
		transmit(link, next, now);
	else
		link->idled = true;
	return link_delay(link, packet, now) ? packet : NULL;
}

void link_limit(struct link *link, u32 share)
{
	if (link->share != share)
		link->remainder = 0;
	link->share = MIN(MAX(share, 1u), LINK_WHOLE);
}

bool link_take_use(struct link *link, struct link_use *use)
{
	bool busy = link->sending && !link->idled;
	u32 marks = 0;
	for (u32 i = 0; i < COUNT_OF(link->flow_marks); i++) {
		marks += (u32)__builtin_popcountll(link->flow_marks[i]);
		link->flow_marks[i] = 0;
	}
	*use = (struct link_use){
		.bytes = link->sent_bytes - link->taken_bytes,
		.rate = link->parameters.rate,
		.direction = link->direction,
		.flows = link->queue.flow_count,
		.marks = marks,
		.busy = busy,
	};
	link->taken_bytes = link->sent_bytes;
	link->idled = !link->sending;
	return use->rate && (use->bytes || link->sending);
}

static void duplicate(struct link *link, const struct packet *packet, u64 now)
{
	struct packet *copy = packet_copy(packet);
	if (!copy) {
		link->statistics.unpaid++;
		return;
	}
	link->statistics.duplicated++;
	copy->flags |= PACKET_COPY;
	if (link_queue(link, copy, now))
		event_schedule(&copy->event, now);
}

bool link_enter(struct link *link, struct packet *packet, u64 now)
{
	const struct link_parameters *is = &link->parameters;
	u64 index = packet->index = link->index++;
	u32 fragments = fragments_of(link, packet);
	link->statistics.packets++;
	link->statistics.bytes += packet->size;
	if (link->removed || !fragments) {
		*(link->removed ? &link->statistics.cut : &link->statistics.oversized) += 1;
		drop(link, packet, now, link->removed ? CAPTURE_CUT : CAPTURE_TOO_LARGE);
		return false;
	}
	packet->flags &= (u8)~PACKET_COPY; /* of another link */
	bool twice = chance(link, index, RANDOM_DUPLICATE, is->duplicate);
	bool lost = lose(link, index, fragments);
	link->statistics.lost += lost;
	if (lost && !twice) { /* netem: of two, one is left */
		drop(link, packet, now, CAPTURE_LOST);
		return false;
	}
	if (chance(link, index, RANDOM_CORRUPT, is->corrupt))
		corrupt(link, packet, draw(link, index, RANDOM_CORRUPT_BIT));
	if (lost)
		link->statistics.duplicated++;
	else if (twice)
		duplicate(link, packet, now);
	if (chance(link, index, RANDOM_REORDER, is->reorder)) {
		link->statistics.reordered++;
		packet->flags |= PACKET_REORDERED;
	}
	return link_queue(link, packet, now);
}

/* Packets that waited for a rate that is no more go on at once, in their order. */
static void queue_flush(struct link *link, u64 now)
{
	struct packet *packet = link->sending;
	event_cancel(&link->sent);
	link->sending = NULL;
	for (; packet; packet = fair_queue_take(&link->queue, link->parameters.mtu))
		if (link_delay(link, packet, now))
			event_schedule(&packet->event, now);
}

void link_configure(struct link *link, const struct link_parameters *parameters, u64 now)
{
	if (link->parameters.rate != parameters->rate)
		link->remainder = 0;
	link->parameters = *parameters;
	if (!parameters->bursty)
		link->bad = false;
	if (link->sending && !parameters->rate)
		queue_flush(link, now);
	while (link->queue.packets > parameters->queue_packets)
		queue_drop(link, fair_queue_take_longest(&link->queue), now);
}

void link_remove(struct link *link)
{
	struct packet *packet = link->sending;
	event_cancel(&link->sent);
	link->sending = NULL;
	link->removed = true;
	for (; packet; packet = fair_queue_take(&link->queue, LINK_DEFAULT_MTU)) {
		link->statistics.cut++;
		packet_free(packet);
	}
}

/* Calls for the node itself: links with rates that several nodes use, of which each has a share.
 *
 * A link is named by the number of its wire and its direction, an interface's own link by its address and LINK_ACCESS.
 */
#include "vnet/fabric/paths/path.h"

/* Precedes the records. */
struct use_batch {
	u32 next;  /* the cursor for the next call; 0 at the end */
	u32 count; /* of struct link_use that follow */
};

struct link_share {
	u32 id, direction;
	u32 share; /* parts of LINK_WHOLE */
};

static void tables_acquire(void)
{
	lock_acquire(&network_lock);
	pacer_acquire();
}

static void tables_release(void)
{
	pacer_release();
	lock_release(&network_lock);
}

static void take_use(struct use_batch *batch, struct link *link, u32 id)
{
	struct link_use *use = (struct link_use *)(batch + 1) + batch->count;
	if (!link || !link_take_use(link, use))
		return;
	use->id = id;
	batch->count++;
}

/* Wires come first, then interfaces; how many records a bucket may need. */
static u32 bucket_length(u32 bucket)
{
	u32 length = 0;
	if (bucket < WIRE_BUCKETS) {
		for (const struct wire *wire = wire_first(bucket); wire; wire = wire->next)
			length += 2;
		return length;
	}
	for (const struct interface *interface = interface_first(bucket - WIRE_BUCKETS); interface;
	     interface = interface->next)
		length += interface->access != NULL;
	return length;
}

static void take_bucket(struct use_batch *batch, u32 bucket)
{
	if (bucket < WIRE_BUCKETS) {
		for (const struct wire *wire = wire_first(bucket); wire; wire = wire->next)
			for (u32 direction = 0; direction < 2; direction++)
				take_use(batch, wire->link[direction], wire->id);
		return;
	}
	for (const struct interface *interface = interface_first(bucket - WIRE_BUCKETS); interface;
	     interface = interface->next)
		take_use(batch, interface->access, address_to_ipv4(interface->address));
}

/* Links that have been used since they were last asked for, from `cursor` on, 0 at first: a struct use_batch and what
 * follows it, at most `size` bytes at `at`. */
EXPORT(host_link_uses) void host_link_uses(u32 cursor, uaddr at, u32 size);
void host_link_uses(u32 cursor, uaddr at, u32 size)
{
	struct use_batch *batch = (struct use_batch *)(uintptr_t)at;
	u32 capacity = (size - (u32)sizeof(*batch)) / (u32)sizeof(struct link_use), bucket = cursor;
	batch->count = 0;
	tables_acquire();
	while (bucket < WIRE_BUCKETS + INTERFACE_BUCKETS && batch->count + bucket_length(bucket) <= capacity)
		take_bucket(batch, bucket++);
	tables_release();
	batch->next = bucket < WIRE_BUCKETS + INTERFACE_BUCKETS ? bucket : 0;
}

static struct link *find(const struct link_share *share)
{
	if (share->direction == LINK_ACCESS) {
		const struct interface *interface = interface_find(address_from_ipv4(share->id));
		return interface ? interface->access : NULL;
	}
	const struct wire *wire = wire_find(share->id);
	return wire && share->direction < 2 ? wire->link[share->direction] : NULL;
}

/* `shares`: `count` times struct link_share. Links that are not there do not count. */
EXPORT(host_link_shares) void host_link_shares(uaddr shares, u32 count);
void host_link_shares(uaddr shares, u32 count)
{
	const struct link_share *all = (const struct link_share *)(uintptr_t)shares;
	tables_acquire();
	for (u32 i = 0; i < count; i++) {
		struct link *link = find(&all[i]);
		if (link)
			link_limit(link, all[i].share);
	}
	tables_release();
}

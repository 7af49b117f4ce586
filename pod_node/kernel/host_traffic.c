/* How much went from one address to another, read out: one record a pair, found by a cursor. What open connections have
 * done is in it as of the last time that interfaces were read out. */
#include "vnet/fabric/pods/traffic.h"

/* Precedes the records, which are struct traffic_pair. */
struct traffic_batch {
	u32 next; /* the cursor for the next call; 0 at the end */
	u32 count; /* records that follow */
};

/* Pairs from `cursor` on, 0 at first: a struct traffic_batch and what follows it, at most `size` bytes at `at`. */
EXPORT(host_traffic) i32 host_traffic(u32 cursor, uaddr at, u32 size);
i32 host_traffic(u32 cursor, uaddr at, u32 size)
{
	struct traffic_batch *batch = (struct traffic_batch *)(uintptr_t)at;
	struct traffic_pair *records = (struct traffic_pair *)(batch + 1);
	u32 capacity = (size - (u32)sizeof(*batch)) / (u32)sizeof(*records), place = cursor;
	batch->count = 0;
	lock_acquire(&network_lock);
	for (; place < TRAFFIC_PAIRS && batch->count < capacity; place++) {
		const struct traffic_pair *pair = traffic_at(place);
		if (pair)
			records[batch->count++] = *pair;
	}
	lock_release(&network_lock);
	batch->next = place < TRAFFIC_PAIRS ? place : 0;
	return 0;
}

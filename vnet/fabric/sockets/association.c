#include "vnet/fabric/sockets/association.h"

#define BUCKETS 1024u
#define WAYS 4u

struct association {
	struct endpoint lower, higher; /* in an order of their own, so that both directions are one */
	u64 last;                      /* CLOCK_ID_MONOTONIC; 0 when unused */
};

static struct association table[BUCKETS][WAYS];

static bool precedes(struct endpoint a, struct endpoint b)
{
	if (a.address.high != b.address.high)
		return a.address.high < b.address.high;
	if (a.address.low != b.address.low)
		return a.address.low < b.address.low;
	return a.port < b.port;
}

static struct association ordered(struct endpoint a, struct endpoint b, u64 now)
{
	return precedes(a, b) ? (struct association){a, b, now} : (struct association){b, a, now};
}

static u64 mix(u64 hash, struct endpoint end)
{
	hash = (hash ^ end.address.high) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ end.address.low ^ hash >> 29) * 0xbf58476d1ce4e5b9ull;
	return (hash ^ end.port ^ hash >> 32) * 0x94d049bb133111ebull;
}

static struct association *bucket_of(const struct association *wanted)
{
	return table[mix(mix(0, wanted->lower), wanted->higher) >> 40 & (BUCKETS - 1)];
}

bool association_renew(struct endpoint a, struct endpoint b, u64 now)
{
	struct association wanted = ordered(a, b, now), *bucket = bucket_of(&wanted);
	for (u32 i = 0; i < WAYS; i++) {
		if (!endpoint_equal(bucket[i].lower, wanted.lower) || !endpoint_equal(bucket[i].higher, wanted.higher))
			continue;
		if (!bucket[i].last || now - bucket[i].last > ASSOCIATION_TIMEOUT_NS)
			return false;
		bucket[i].last = now;
		return true;
	}
	return false;
}

void association_begin(struct endpoint a, struct endpoint b, u64 now)
{
	struct association made = ordered(a, b, now), *bucket = bucket_of(&made), *oldest = bucket;
	for (u32 i = 1; i < WAYS; i++)
		if (bucket[i].last < oldest->last)
			oldest = &bucket[i];
	*oldest = made;
}

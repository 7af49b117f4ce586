#include "vnet/fabric/pods/traffic.h"

#define PROBES 16u /* places that a pair may have; a full table costs no more than that */

static struct traffic_pair pairs[TRAFFIC_PAIRS];

static u32 first_place(u32 source, u32 target)
{
	u64 mixed = ((u64)source << 32 | target) * 0x9e3779b97f4a7c15u; /* Fibonacci hashing */
	return (u32)(mixed >> 51) % TRAFFIC_PAIRS;
}

void traffic_count(struct address source, struct address target, u64 bytes)
{
	if (!bytes || !address_is_ipv4(source) || !address_is_ipv4(target))
		return;
	u32 from = address_to_ipv4(source), to = address_to_ipv4(target), place = first_place(from, to);
	for (u32 probe = 0; probe < PROBES; probe++) {
		struct traffic_pair *pair = &pairs[(place + probe) % TRAFFIC_PAIRS];
		if (!pair->bytes)
			*pair = (struct traffic_pair){.source = from, .target = to};
		if (pair->source == from && pair->target == to) {
			pair->bytes += bytes;
			return;
		}
	}
}

const struct traffic_pair *traffic_at(u32 place)
{
	return pairs[place].bytes ? &pairs[place] : NULL;
}

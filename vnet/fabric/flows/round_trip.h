/* How long a flow's round trips take, and what follows for its time-outs: RFC 6298 with Linux's bounds. Pure. */
#ifndef PODNET_FABRIC_ROUND_TRIP_H
#define PODNET_FABRIC_ROUND_TRIP_H

#include "vnet/fabric/platform.h"

#define TIMEOUT_INITIAL_NS NSEC_PER_SEC
#define TIMEOUT_LEAST_NS (200 * 1000 * NSEC_PER_USEC) /* beyond the smoothed round trip, as in Linux */
#define TIMEOUT_MOST_NS (120 * NSEC_PER_SEC)
#define LEAST_ROUND_TRIP_AGE_NS (300 * NSEC_PER_SEC) /* Linux's tcp_min_rtt_wlen */

struct round_trip {
	bool measured;
	u64 smoothed, variation; /* ns; srtt and rttvar */
	u64 least, least_at;     /* ns; the least lately, and when it was seen */
};

void round_trip_sample(struct round_trip *trip, u64 sample, u64 now);
/* The retransmission time-out after `backoff` time-outs in a row. */
u64 round_trip_timeout(const struct round_trip *trip, u32 backoff);

#endif

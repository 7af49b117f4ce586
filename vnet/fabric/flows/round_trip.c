#include "vnet/fabric/flows/round_trip.h"

static u64 distance(u64 a, u64 b)
{
	return a > b ? a - b : b - a;
}

void round_trip_sample(struct round_trip *trip, u64 sample, u64 now)
{
	if (!trip->measured || sample <= trip->least || now - trip->least_at > LEAST_ROUND_TRIP_AGE_NS) {
		trip->least = sample;
		trip->least_at = now;
	}
	if (!trip->measured) {
		trip->measured = true;
		trip->smoothed = sample;
		trip->variation = sample / 2;
		return;
	}
	trip->variation += distance(trip->smoothed, sample) / 4 - trip->variation / 4;
	trip->smoothed += sample / 8 - trip->smoothed / 8;
}

u64 round_trip_timeout(const struct round_trip *trip, u32 backoff)
{
	u64 timeout = TIMEOUT_INITIAL_NS;
	if (trip->measured)
		timeout = trip->smoothed + MAX(4 * trip->variation, TIMEOUT_LEAST_NS);
	for (; backoff && timeout < TIMEOUT_MOST_NS; backoff--)
		timeout *= 2;
	return MIN(timeout, TIMEOUT_MOST_NS);
}

#include "vnet/fabric/flows/congestion.h"

void congestion_open(struct congestion *congestion)
{
	*congestion = (struct congestion){
		.window = CONGESTION_INITIAL_WINDOW,
		.threshold = CONGESTION_MOST_WINDOW,
	};
}

void congestion_receive_window(struct congestion *congestion, u32 receive_window)
{
	congestion->small = receive_window < CONGESTION_SMALL_WINDOW;
}

/* A window that was not used says nothing about the path, so it does not grow (RFC 7661). */
void congestion_grow(struct congestion *congestion, u32 delivered, u32 flight)
{
	if (congestion->window < congestion->threshold) {
		if (congestion->window >= 2 * flight)
			return;
		u32 growth = MIN(delivered, congestion->threshold - congestion->window);
		congestion->window += growth;
		delivered -= growth;
	} else if (flight < congestion->window) {
		return;
	}
	congestion->credit += delivered;
	if (congestion->credit >= congestion->window) {
		congestion->credit -= congestion->window;
		congestion->window++;
	}
	congestion->window = MIN(congestion->window, CONGESTION_MOST_WINDOW);
}

static void halve(struct congestion *congestion)
{
	congestion->prior_window = congestion->window;
	congestion->prior_threshold = congestion->threshold;
	u32 half = congestion->window / 2, least = CONGESTION_LEAST_THRESHOLD;
	if (congestion->small) /* but nothing grows by a loss */
		least = MAX(MIN(congestion->window, CONGESTION_SMALL_LEAST_THRESHOLD), least);
	congestion->threshold = MAX(half, least);
	/* Half a segment matters to windows of a few: it is kept as credit. */
	congestion->credit = congestion->window % 2 && half == congestion->threshold ? half / 2 : 0;
}

void congestion_enter_recovery(struct congestion *congestion, u32 point)
{
	if (congestion->state != CONGESTION_OPEN)
		return;
	halve(congestion);
	congestion->state = CONGESTION_RECOVERY;
	congestion->recovery_point = point;
	congestion->reduction_delivered = congestion->reduction_sent = 0;
}

void congestion_reduce(struct congestion *congestion, u32 delivered, u32 flight, bool progress)
{
	congestion->reduction_delivered += delivered;
	u32 total = congestion->reduction_delivered, sent = congestion->reduction_sent, allowance;
	if (flight > congestion->threshold) {
		u32 share = (u32)(((u64)congestion->threshold * total + congestion->prior_window - 1) /
				  congestion->prior_window);
		allowance = share > sent ? share - sent : 0;
	} else {
		allowance = MAX(total > sent ? total - sent : 0, delivered) + progress;
		allowance = MIN(allowance, congestion->threshold - flight);
	}
	if (!sent)
		allowance = MAX(allowance, 1u); /* the first retransmission goes out at once */
	congestion->window = flight + allowance;
}

void congestion_timeout(struct congestion *congestion, u32 point, u32 flight)
{
	if (congestion->state == CONGESTION_OPEN)
		halve(congestion);
	congestion->state = CONGESTION_LOSS;
	congestion->recovery_point = point;
	congestion->window = flight + 1;
	congestion->credit = 0;
}

void congestion_recovered(struct congestion *congestion)
{
	if (congestion->state == CONGESTION_RECOVERY)
		congestion->window = congestion->threshold;
	congestion->state = CONGESTION_OPEN;
}

void congestion_undo(struct congestion *congestion)
{
	if (congestion->state == CONGESTION_OPEN)
		return;
	congestion->window = MAX(congestion->window, congestion->prior_window);
	congestion->threshold = MAX(congestion->threshold, congestion->prior_threshold);
	congestion->state = CONGESTION_OPEN;
}

void congestion_probe_repaired(struct congestion *congestion)
{
	if (congestion->state != CONGESTION_OPEN)
		return;
	halve(congestion);
	congestion->window = MIN(congestion->window, congestion->threshold);
}

void congestion_idle(struct congestion *congestion, u64 idle, u64 timeout)
{
	if (congestion->state != CONGESTION_OPEN || idle < timeout)
		return;
	congestion->threshold = MAX(congestion->threshold, congestion->window / 4 * 3);
	for (; idle >= timeout && congestion->window > CONGESTION_INITIAL_WINDOW; idle -= timeout)
		congestion->window = MAX(congestion->window / 2, CONGESTION_INITIAL_WINDOW);
}

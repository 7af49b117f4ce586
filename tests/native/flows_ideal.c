/* What congestion control leaves to a sender that does all else without a fault: to compare the real one with.
 *
 * One round trip after a segment is sent, its sender knows whether it arrived; no acknowledgement is lost or delayed,
 * nothing is sent in vain, no time-out is needed, and the path has any rate. What is left is Reno (RFC 5681, RFC 6582: one
 * reduction a window), and a receiver that keeps no more than a window from the first byte that is missing.
 */
#include "tests/native/flows.h"

#define SEGMENT 1460u
#define SENT_MOST 20000u
#define RECENT 4096u /* a power of two, and more than there are on the way */

struct ideal {
	double window, threshold;    /* cwnd and ssthresh, in segments */
	u32 point;                   /* what was sent before has been paid for by the last reduction */
	u32 una, next, receive_window;
	u32 numbers, first;          /* of segments, in order of sequence */
	u32 sizes[RECENT];
	bool arrived[RECENT];
	u32 flight[RECENT];          /* numbers, in order of sending */
	double known[RECENT];        /* when their fates are */
	u32 sent, learned;
	u32 lost[RECENT], lost_first, lost_end;
	u64 luck;
};

static void send(struct ideal *ideal, u32 number, double known)
{
	ideal->flight[ideal->sent % RECENT] = number;
	ideal->known[ideal->sent++ % RECENT] = known;
}

static bool may_send(const struct ideal *ideal)
{
	return ideal->sent - ideal->learned < (u32)ideal->window;
}

static void send_all(struct ideal *ideal, double known)
{
	while (may_send(ideal) && ideal->lost_first != ideal->lost_end)
		send(ideal, ideal->lost[ideal->lost_first++ % RECENT], known);
	while (may_send(ideal)) {
		u32 size = MIN(ideal->una + ideal->receive_window - ideal->next, SEGMENT);
		if (!size)
			return;
		ideal->sizes[ideal->numbers % RECENT] = size;
		ideal->arrived[ideal->numbers % RECENT] = false;
		ideal->next += size;
		send(ideal, ideal->numbers++, known);
	}
}

static void lose(struct ideal *ideal, u32 number)
{
	ideal->lost[ideal->lost_end++ % RECENT] = number;
	if (number < ideal->point)
		return;
	ideal->threshold = ideal->window = MAX(ideal->window / 2, 2.0);
	ideal->point = ideal->numbers;
}

static void arrive(struct ideal *ideal, u32 number, bool used)
{
	ideal->arrived[number % RECENT] = true;
	for (; ideal->first < ideal->numbers && ideal->arrived[ideal->first % RECENT]; ideal->first++)
		ideal->una += ideal->sizes[ideal->first % RECENT];
	if (used && ideal->first >= ideal->point)
		ideal->window += ideal->window < ideal->threshold ? 1 : 1 / ideal->window;
}

double ideal_rate(double round_trip, double loss, u32 window)
{
	static struct ideal ideal;
	double now = 0;
	ideal = (struct ideal){.window = 10, .threshold = RECENT / 2, .receive_window = window, .luck = 1};
	send_all(&ideal, round_trip);
	while (ideal.sent < SENT_MOST) {
		bool used = !may_send(&ideal);
		u32 number = ideal.flight[ideal.learned % RECENT];
		now = ideal.known[ideal.learned++ % RECENT];
		if ((double)(random_next(&ideal.luck) >> 11) / (double)(1ull << 53) < loss)
			lose(&ideal, number);
		else
			arrive(&ideal, number, used);
		send_all(&ideal, now + round_trip);
	}
	return ideal.una / now;
}

/* Known ways in which TCPs fail to use a path: each has a path that shows it. */
#include "tests/native/flows.h"

#include <stdio.h>

#include "vnet/fabric/flows/flow.h"

#define DELAY (25 * MSEC)
#define RATE 10000000u
#define GOODPUT (RATE / 8.0 * 1460 / 1500)
#define FLOWS 8u

static u8 buffer[1 << 18];

static const struct flow *flow_from_left(const struct ends *ends)
{
	return ends->client->connection->stream[1].flow;
}

/* Bytes that go through in a time, while the writer always has more and the reader always waits. */
static u64 transfer(struct ends *ends, u64 duration)
{
	struct patience patience;
	u64 end = simulation_now() + duration, received = 0;
	wait_for_bytes(&patience, ends->server);
	while (simulation_now() < end) {
		i32 moved;
		while (tcp_write(ends->client, (uaddr)buffer, sizeof(buffer), false) > 0)
			;
		simulate(MIN(20 * MSEC, end - simulation_now()));
		while ((moved = tcp_read(ends->server, (uaddr)buffer, sizeof(buffer), false, false)) > 0)
			received += (u32)moved;
	}
	wait_no_more(&patience);
	return received;
}

/* What is written already arrives and is read. */
static void drain(struct ends *ends)
{
	do
		simulate(NSEC_PER_SEC);
	while (tcp_read(ends->server, (uaddr)buffer, sizeof(buffer), false, false) > 0);
}

static void finish(struct ends *ends)
{
	ends->client->linger = 0;
	close_ends(ends);
}

static double use_of(const struct link_parameters *link, u32 window, u64 duration)
{
	link_pods(*link);
	struct ends ends = open_ends(window);
	u64 received = transfer(&ends, duration);
	finish(&ends);
	return (double)received / ((double)duration / 1e9) / GOODPUT;
}

/* A window of 17 times what the path and the queue hold: drops, but no collapse. */
static void test_a_window_larger_than_the_queue_does_not_collapse(void)
{
	static const u32 queues[] = {10, 43, 100, 1000};
	static const double least[] = {0.75, 0.95, 0.97, 0.93};
	for (u32 i = 0; i < COUNT_OF(queues); i++) {
		struct link_parameters link = {.queue_packets = queues[i], .mtu = 1500, .delay = DELAY, .rate = RATE};
		double use = use_of(&link, 1 << 20, 60 * NSEC_PER_SEC);
		printf("queue %u: %.3f of the rate\n", queues[i], use);
		CHECK(use >= least[i] && use <= 1.001);
	}
}

static void test_a_queue_of_one_packet_is_no_wedge(void)
{
	struct link_parameters link = {.queue_packets = 1, .mtu = 1500, .delay = MSEC, .rate = RATE};
	CHECK(use_of(&link, 1 << 20, 60 * NSEC_PER_SEC) >= 0.5);
}

/* A slow path without loss: acknowledgements restart the timer, so that nothing is sent twice, though all of it takes
 * many times the time-out. */
static void test_nothing_is_sent_twice_without_a_loss(void)
{
	link_pods((struct link_parameters){PERFECT, .delay = DELAY, .rate = 1000000});
	struct ends ends = open_ends(65536);
	CHECK(transfer(&ends, 120 * NSEC_PER_SEC) > 14 * 1000 * 1000);
	const struct sender *sender = &flow_from_left(&ends)->sender;
	CHECK(sender->statistics.retransmissions == 0 && sender->statistics.timeouts == 0);
	finish(&ends);
}

/* After a minute of silence the rate is what it was, and not less each time. */
static void test_silence_costs_little(void)
{
	link_pods((struct link_parameters){PERFECT, .delay = DELAY, .rate = RATE});
	struct ends ends = open_ends(1 << 17);
	u64 first = transfer(&ends, 10 * NSEC_PER_SEC);
	for (u32 i = 0; i < 5; i++) {
		simulate(60 * NSEC_PER_SEC);
		while (tcp_read(ends.server, (uaddr)buffer, sizeof(buffer), false, false) > 0)
			;
		u64 again = transfer(&ends, 10 * NSEC_PER_SEC);
		CHECK(again > first / 10 * 9);
	}
	CHECK(flow_from_left(&ends)->sender.statistics.retransmissions == 0);
	finish(&ends);
}

/* A path that becomes much longer: the time-outs are groundless, and taken back. */
static void test_a_sudden_delay_is_not_taken_for_a_loss(void)
{
	link_pods((struct link_parameters){PERFECT, .delay = 5 * MSEC, .rate = RATE});
	struct ends ends = open_ends(1 << 16);
	transfer(&ends, 5 * NSEC_PER_SEC);
	const struct sender *sender = &flow_from_left(&ends)->sender;
	link_pods((struct link_parameters){PERFECT, .delay = 600 * MSEC, .rate = RATE});
	transfer(&ends, 20 * NSEC_PER_SEC);
	CHECK(sender->statistics.undone > 0 && sender->statistics.retransmissions <= 20);
	CHECK(sender->congestion.window * 1460 >= 1 << 16);
	finish(&ends);
}

/* RFC 8985 7.2: on a long path a lost tail costs a probe, where the time-out would come no later, and no window. */
static void test_a_probe_goes_out_before_any_time_out(void)
{
	struct link_parameters link = {PERFECT, .delay = 150 * MSEC};
	link_pods(link);
	struct ends ends = open_ends(1 << 16);
	transfer(&ends, 5 * NSEC_PER_SEC);
	drain(&ends);
	link.loss = UINT32_MAX;
	link_pods(link);
	tcp_write(ends.client, (uaddr)buffer, 10000, false);
	simulate(MSEC);
	link.loss = 0;
	link_pods(link);
	simulate(NSEC_PER_SEC);
	const struct sender_statistics *statistics = &flow_from_left(&ends)->sender.statistics;
	CHECK(statistics->retransmissions > 0 && statistics->timeouts == 0);
	finish(&ends);
}

/* When acknowledgements are lost, what timers then send in vain is no sign of reordering. */
static void test_lost_acknowledgements_are_not_taken_for_reordering(void)
{
	struct link_parameters link = {PERFECT, .delay = DELAY}, lossy = link;
	lossy.loss = UINT32_MAX;
	link_pods(link);
	struct ends ends = open_ends(1 << 16);
	transfer(&ends, NSEC_PER_SEC);
	drain(&ends);
	const struct sender *sender = &flow_from_left(&ends)->sender;
	for (u32 i = 0; i < 10; i++) {
		connect_pods(link, lossy);
		tcp_write(ends.client, (uaddr)buffer, 1000, false);
		simulate(i % 2 ? 10 * DELAY : 4 * DELAY);
		link_pods(link);
		drain(&ends);
		CHECK(sender->acknowledged == sender->available);
	}
	CHECK(sender->statistics.retransmissions >= 10 && sender->rack.steps == 1 && !sender->rack.reordering);
	finish(&ends);
}

/* Packets that overtake one another: at first taken for lost, then no more. */
static void test_reordering_is_learned(void)
{
	struct link_parameters link = {PERFECT, .delay = DELAY, .jitter = 5 * MSEC, .rate = RATE};
	double use = use_of(&link, 1 << 17, 60 * NSEC_PER_SEC);
	printf("jitter: %.3f of the rate\n", use);
	CHECK(use >= 0.9);
	link = (struct link_parameters){PERFECT, .delay = DELAY, .reorder = PERCENT(5), .rate = RATE};
	use = use_of(&link, 1 << 17, 60 * NSEC_PER_SEC);
	printf("reordering: %.3f of the rate\n", use);
	CHECK(use >= 0.9);
}

/* One later arrival is proof enough for a small window, until it is seen to prove nothing. */
static void test_a_small_window_learns_reordering(void)
{
	link_pods((struct link_parameters){PERFECT, .delay = DELAY, .jitter = 5 * MSEC});
	struct ends ends = open_ends(8192);
	u64 received = transfer(&ends, 60 * NSEC_PER_SEC);
	const struct sender *sender = &flow_from_left(&ends)->sender;
	double share = (double)received / 60 / (8192 / (2.0 * DELAY / NSEC_PER_SEC));
	printf("jitter, small window: %.3f, %llu retransmissions\n", share,
	       (unsigned long long)sender->statistics.retransmissions);
	CHECK(share >= 0.8 && sender->rack.reordering);
	CHECK(sender->statistics.undone > 0 && sender->statistics.undone <= 3);
	finish(&ends);
}

/* A loss leaves four segments of a small receive window, two of others. */
static void test_small_windows_are_not_halved_to_nothing(void)
{
	static const u32 windows[] = {8192, 16384}, least[] = {4, 2};
	for (u32 i = 0; i < COUNT_OF(windows); i++) {
		u32 lowest = UINT32_MAX;
		link_pods(slow(DELAY));
		struct ends ends = open_ends(windows[i]);
		link_pods((struct link_parameters){PERFECT, .delay = DELAY, .loss = PERCENT(5)});
		for (u32 step = 0; step < 500; step++) {
			transfer(&ends, 200 * MSEC);
			lowest = MIN(lowest, flow_from_left(&ends)->sender.congestion.threshold);
		}
		CHECK(lowest == least[i]);
		finish(&ends);
	}
}

static void test_duplicates_and_lost_acknowledgements_cost_little(void)
{
	struct link_parameters forward = {PERFECT, .delay = DELAY, .duplicate = PERCENT(20)};
	struct link_parameters backward = {PERFECT, .delay = DELAY, .loss = PERCENT(20)};
	connect_pods(forward, backward);
	struct ends ends = open_ends(1 << 16);
	double rate = (double)transfer(&ends, 60 * NSEC_PER_SEC) / 60;
	printf("duplicates: %.0f bytes/s\n", rate);
	CHECK(rate >= 0.9 * 65536 / (2.0 * 25 / 1000) && rate <= 65536 / (2.0 * 25 / 1000));
	finish(&ends);
}

/* Corrupt segments are as good as lost. */
static void test_corruption_is_loss(void)
{
	link_pods(slow(DELAY));
	struct ends ends = open_ends(1 << 16);
	u64 sent = 0, received = 0;
	link_pods((struct link_parameters){PERFECT, .delay = DELAY, .corrupt = PERCENT(20)});
	for (u32 i = 0; i < 100000 && received < 300000; i++) {
		if (sent < 300000)
			send_pattern(ends.client, 4, &sent, (u32)MIN(300000 - sent, 20000ull));
		simulate(10 * MSEC);
		receive_pattern(ends.server, 4, &received, 1 << 20);
	}
	CHECK(received == 300000 && flow_from_left(&ends)->sender.statistics.retransmissions > 30);
	finish(&ends);
}

/* Small writes without TCP_NODELAY wait for what is under way; with it they do not. */
static void test_small_writes_follow_nagle(void)
{
	for (u32 no_delay = 0; no_delay < 2; no_delay++) {
		link_pods(slow(DELAY));
		struct ends ends = open_ends(1 << 16);
		ends.client->no_delay = no_delay;
		for (u32 i = 0; i < 5; i++)
			CHECK(tcp_write(ends.client, (uaddr)buffer, 10, false) == 10), simulate(MSEC);
		simulate(DELAY);
		CHECK(tcp_available(ends.server) == (no_delay ? 50u : 10u));
		simulate(2 * DELAY);
		CHECK(tcp_available(ends.server) == 50);
		finish(&ends);
	}
}

/* Eight greedy flows on one link: Jain's index, and what they get together. */
static void share_a_link(const struct link_parameters *link, u32 window, double *index, double *use)
{
	struct ends ends[FLOWS];
	struct patience patience[FLOWS];
	double sum = 0, squares = 0;
	u64 received[FLOWS] = {0};
	link_pods(*link);
	for (u32 i = 0; i < FLOWS; i++) {
		ends[i] = open_ends(window);
		tcp_close(ends[i].listener), ends[i].listener = NULL;
		wait_for_bytes(&patience[i], ends[i].server);
	}
	for (u32 step = 0; step < 1500; step++) {
		for (u32 i = 0; i < FLOWS; i++) {
			i32 moved;
			tcp_write(ends[i].client, (uaddr)buffer, sizeof(buffer), false);
			while ((moved = tcp_read(ends[i].server, (uaddr)buffer, sizeof(buffer), false, false)) > 0)
				received[i] += (u32)moved;
		}
		simulate(20 * MSEC);
	}
	for (u32 i = 0; i < FLOWS; i++) {
		sum += (double)received[i], squares += (double)received[i] * (double)received[i];
		wait_no_more(&patience[i]);
		finish(&ends[i]);
	}
	*index = sum * sum / (FLOWS * squares);
	*use = sum / 30 / GOODPUT;
	printf("Jain: %.4f, %.3f of the rate\n", *index, *use);
}

static void test_flows_share_a_link(void)
{
	struct link_parameters link = {PERFECT, .delay = DELAY, .rate = RATE};
	double index, use;
	share_a_link(&link, 1 << 17, &index, &use);
	CHECK(index >= 0.99 && use >= 0.98);
	share_a_link(&link, 8192, &index, &use);
	CHECK(index >= 0.99 && use >= 0.98);
	link.loss = PERCENT(2);
	share_a_link(&link, 8192, &index, &use);
	CHECK(index >= 0.99);
	link.loss = 0;
	link.queue_packets = 10; /* and nobody may go below four segments */
	share_a_link(&link, 8192, &index, &use);
	CHECK(index >= 0.95 && use >= 0.95);
}

void test_losses(void)
{
	static const struct test tests[] = {
#define TEST(name) {#name, name}
		TEST(test_a_window_larger_than_the_queue_does_not_collapse),
		TEST(test_a_queue_of_one_packet_is_no_wedge),
		TEST(test_nothing_is_sent_twice_without_a_loss),
		TEST(test_silence_costs_little),
		TEST(test_a_sudden_delay_is_not_taken_for_a_loss),
		TEST(test_a_probe_goes_out_before_any_time_out),
		TEST(test_lost_acknowledgements_are_not_taken_for_reordering),
		TEST(test_reordering_is_learned),
		TEST(test_a_small_window_learns_reordering),
		TEST(test_small_windows_are_not_halved_to_nothing),
		TEST(test_duplicates_and_lost_acknowledgements_cost_little),
		TEST(test_corruption_is_loss),
		TEST(test_small_writes_follow_nagle),
		TEST(test_flows_share_a_link),
#undef TEST
	};
	run_tests(tests, COUNT_OF(tests));
}

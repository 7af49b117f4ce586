/* The truth table: what a TCP stream makes of delay, loss, rate and window, against what theory says of it.
 *
 * The expectation is the least of the rate, window / RTT, and Mathis et al. (1997): 1.22 MSS / (RTT sqrt(p)), in bytes of
 * the stream. RTT includes the time that a segment and its acknowledgement take on the wire.
 */
#include "tests/native/flows.h"

#include <stdio.h>

#define RATE 10000000u /* bit/s */
#define MSS 1460.0
#define SEGMENTS 4000u /* of a cell at least; more where losses are rare, so that there are about as many */
#define LONGEST (900 * NSEC_PER_SEC)
#define STEP (20 * MSEC)
#define SEEDS 20u

static const u32 delays[] = {0, 10, 50, 100}; /* ms, one way */
static const double losses[] = {0, 0.1, 1, 2, 5, 10, 20, 30}; /* percent */
static const u32 windows[] = {8192, 32768, 131072};

static double square_root(double x)
{
	double root = x > 1 ? x : 1;
	for (u32 i = 0; i < 60; i++)
		root = (root + x / root) / 2;
	return root;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double round_trip(u32 delay)
{
	return 2 * delay / 1e3 + (1500 + 40) * 8.0 / RATE;
}

static double mathis(u32 delay, double loss)
{
	return 1.22 * MSS / (round_trip(delay) * square_root(loss / 100));
}

static double expected(u32 delay, double loss, u32 window)
{
	double limit = least(RATE / 8.0 * MSS / 1500, window / round_trip(delay));
	return loss > 0 ? least(limit, mathis(delay, loss)) : limit;
}

static u64 enough(double loss)
{
	u32 factor = loss <= 0 || loss > 5 ? 1 : loss < 1 ? 15 : 5;
	return factor * SEGMENTS * 1460;
}

/* Bytes a second, while the writer always has more and the reader always waits. */
static double measure(u32 delay, double loss, u32 window)
{
	struct link_parameters link = {PERFECT, .delay = delay * MSEC, .rate = RATE, .loss = PERCENT(loss)};
	static u8 buffer[1 << 18];
	u64 received = 0;
	link_pods(slow(delay * MSEC + 1));
	struct ends ends = open_ends(window);
	struct patience patience;
	wait_for_bytes(&patience, ends.server);
	link_pods(link);
	simulate(NSEC_PER_SEC);
	u64 start = simulation_now();
	while (received < enough(loss) && simulation_now() < start + LONGEST) {
		i32 moved;
		while (tcp_write(ends.client, (uaddr)buffer, sizeof(buffer), false) > 0)
			;
		simulate(STEP);
		while ((moved = tcp_read(ends.server, (uaddr)buffer, sizeof(buffer), false, false)) > 0)
			received += (u32)moved;
	}
	double seconds = (double)(simulation_now() - start) / 1e9;
	wait_no_more(&patience);
	ends.client->linger = 0;
	close_ends(&ends);
	return (double)received / seconds;
}

static double table[COUNT_OF(delays)][COUNT_OF(losses)][COUNT_OF(windows)];

static void fill_table(void)
{
	for (u32 d = 0; d < COUNT_OF(delays); d++)
		for (u32 w = 0; w < COUNT_OF(windows); w++) {
			printf("%4u ms %6u:", delays[d], windows[w]);
			for (u32 l = 0; l < COUNT_OF(losses); l++) {
				table[d][l][w] = measure(delays[d], losses[l], windows[w]);
				printf(" %8.0f (%.2f)", table[d][l][w],
				       table[d][l][w] / expected(delays[d], losses[l], windows[w]));
			}
			printf("\n");
			fflush(stdout);
		}
}

static void test_without_loss_the_window_or_the_rate_decides(void)
{
	for (u32 d = 0; d < COUNT_OF(delays); d++)
		for (u32 w = 0; w < COUNT_OF(windows); w++) {
			double share = table[d][0][w] / expected(delays[d], 0, windows[w]);
			CHECK(share >= 0.9 && share <= 1.01);
		}
}

static void test_little_loss_costs_what_theory_says(void)
{
	for (u32 d = 0; d < COUNT_OF(delays); d++)
		for (u32 l = 1; losses[l] <= 5; l++)
			for (u32 w = 0; w < COUNT_OF(windows); w++) {
				double share = table[d][l][w] / expected(delays[d], losses[l], windows[w]);
				CHECK(share >= 0.7 && share <= 1.3);
			}
}

/* The cells nearest to the bound: a window of a few segments and loss limit a flow alike. */
static void test_small_windows_do_so_with_any_luck(void)
{
	for (u32 d = 1; d < COUNT_OF(delays); d++) {
		double sum = 0, squares = 0, lowest = 1;
		for (u64 seed = 1; seed <= SEEDS; seed++) {
			host_network_seed(seed);
			double share = measure(delays[d], 5, 8192) / expected(delays[d], 5, 8192);
			sum += share, squares += share * share;
			lowest = least(lowest, share);
		}
		double mean = sum / SEEDS, deviation = square_root(squares / SEEDS - mean * mean);
		printf("%u ms: %.3f, deviation %.3f, least %.3f\n", delays[d], mean, deviation, lowest);
		fflush(stdout);
		CHECK(lowest >= 0.7 && mean - 2 * deviation >= 0.7);
	}
}

/* Another implementation's published figures: smoltcp's netsim, 10 MiB, a round trip of 100 ms. It has no RACK, and waits
 * for a time-out for each retransmission that is lost: at 20 % that is most of its time. */
static void test_much_loss_costs_what_it_costs_others(void)
{
	CHECK(losses[5] == 10 && delays[2] == 50 && windows[1] == 32768);
	CHECK(table[2][5][1] > 0.7 * 37775 && table[2][5][1] < 1.3 * 37775);
	CHECK(losses[6] == 20 && table[2][6][1] > 6100 && table[2][6][1] < 4 * 6100);
}

static void test_more_loss_or_delay_is_never_faster(void)
{
	for (u32 d = 0; d < COUNT_OF(delays); d++)
		for (u32 l = 0; l < COUNT_OF(losses); l++)
			for (u32 w = 0; w < COUNT_OF(windows); w++) {
				CHECK(table[d][l][w] > 0 && table[d][l][w] <= RATE / 8.0);
				CHECK(!l || table[d][l][w] <= 1.02 * table[d][l - 1][w]);
				/* At 20 % and more it is time-outs that decide, not round trips. */
				CHECK(!d || losses[l] > 10 || table[d][l][w] <= 1.02 * table[d - 1][l][w]);
			}
}

void test_table(void)
{
	static const struct test tests[] = {
#define TEST(name) {#name, name}
		TEST(fill_table),
		TEST(test_without_loss_the_window_or_the_rate_decides),
		TEST(test_little_loss_costs_what_theory_says),
		TEST(test_much_loss_costs_what_it_costs_others),
		TEST(test_more_loss_or_delay_is_never_faster),
		TEST(test_small_windows_do_so_with_any_luck),
#undef TEST
	};
	run_tests(tests, COUNT_OF(tests));
}

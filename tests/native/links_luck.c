/* What a link does to packets one by one: delay, loss, duplicates, order, corruption, size. */
#include "tests/native/links.h"

#define MANY 40000u

static struct {
	u64 arrived_at[MANY];
	u8 seen[MANY];
	u32 order[2 * MANY];
	u32 count, corrupt;
} record;

static void note(const struct packet *packet, u64 now)
{
	u32 number = number_of(packet);
	if (packet->flags & PACKET_CORRUPT)
		record.corrupt++;
	if (number >= MANY)
		return;
	record.arrived_at[number] = now - packet->sent;
	record.seen[number]++;
	if (record.count < COUNT_OF(record.order))
		record.order[record.count++] = number;
}

static void begin(struct link_parameters parameters)
{
	memset(&record, 0, sizeof(record));
	host_network_seed(1);
	link_pods(parameters);
	on_arrival(note);
}

static void send_many(u32 count, u64 interval)
{
	for (u32 i = 0; i < count; i++) {
		CHECK(send_datagram(1, i, 100));
		simulate(interval);
	}
	simulate_all();
}

static void test_a_delay_is_exact(void)
{
	begin((struct link_parameters){PERFECT, .delay = 12345678});
	send_many(100, MSEC);
	CHECK(record.count == 100);
	for (u32 i = 0; i < 100; i++)
		CHECK(record.arrived_at[i] == 12345678 && record.order[i] == i);
}

/* Mean and deviation of the delays, in thousandths of the jitter beside the delay. */
static void check_jitter(enum distribution distribution, double deviation, double tolerance)
{
	begin((struct link_parameters){PERFECT, .delay = 1000 * MSEC, .jitter = 10 * MSEC,
				       .distribution = distribution});
	send_many(MANY, MSEC);
	double sum = 0, squares = 0;
	for (u32 i = 0; i < MANY; i++) {
		double away = ((double)record.arrived_at[i] - 1e9) / 1e7;
		sum += away;
		squares += away * away;
	}
	double mean = sum / MANY, variance = squares / MANY - mean * mean;
	CHECK(mean > -0.03 && mean < 0.03);
	CHECK(variance > deviation * deviation * (1 - tolerance) && variance < deviation * deviation * (1 + tolerance));
}

static void test_jitter_has_the_mean_and_deviation_of_its_law(void)
{
	check_jitter(DISTRIBUTION_UNIFORM, 0.57735, 0.03);
	check_jitter(DISTRIBUTION_NORMAL, 1, 0.03);
	check_jitter(DISTRIBUTION_PARETO, 1, 0.5); /* its fourth moment is infinite */
	check_jitter(DISTRIBUTION_PARETONORMAL, 1, 0.5);
}

static void test_laws_have_their_shapes(void)
{
	static const struct {
		enum distribution distribution;
		double within, share; /* of variates at most so many deviations away */
	} laws[] =
		{
			{DISTRIBUTION_UNIFORM, 0.5, 0.5},    {DISTRIBUTION_NORMAL, 1, 0.6827},
			{DISTRIBUTION_NORMAL, 2, 0.9545},    {DISTRIBUTION_NORMAL, 3, 0.9973},
			{DISTRIBUTION_PARETO, 0.577, 0.875}, /* from 1 to 2, where the cube of its reciprocal is an eighth */
	};
	for (u32 i = 0; i < COUNT_OF(laws); i++) {
		u64 inside = 0;
		for (u64 k = 0; k < 200000; k++) {
			double variate =
				random_variate(laws[i].distribution, random_draw(7, 1, 0, k, RANDOM_DELAY)) / 65536.0;
			inside += variate <= laws[i].within &&
				  (variate >= -laws[i].within || laws[i].distribution == DISTRIBUTION_PARETO);
		}
		double away = (double)inside / 200000 - laws[i].share;
		CHECK(away > -0.005 && away < 0.005);
	}
}

static void test_jitter_alone_reorders_and_a_delay_never_does(void)
{
	u32 backwards = 0;
	begin((struct link_parameters){PERFECT, .delay = 10 * MSEC, .jitter = 5 * MSEC});
	send_many(1000, MSEC);
	for (u32 i = 1; i < record.count; i++)
		backwards += record.order[i] < record.order[i - 1];
	CHECK(record.count == 1000 && backwards > 100);
	begin((struct link_parameters){PERFECT, .delay = 10 * MSEC});
	send_many(1000, 0);
	for (u32 i = 1; i < record.count; i++)
		CHECK(record.order[i] == i);
}

static void test_no_delay_is_below_zero(void)
{
	begin((struct link_parameters){PERFECT, .jitter = 10 * MSEC, .distribution = DISTRIBUTION_NORMAL});
	send_many(1000, 0);
	u32 at_once = 0;
	for (u32 i = 0; i < 1000; i++)
		at_once += record.arrived_at[i] == 0;
	CHECK(plausible(at_once, 1000, 0.5));
}

static void test_losses_are_binomial(void)
{
	static const double percents[] = {0.1, 1, 10, 50};
	for (u32 i = 0; i < COUNT_OF(percents); i++) {
		u64 before = i ? statistics_of(0).lost : 0;
		begin((struct link_parameters){PERFECT, .loss = PERCENT(percents[i])});
		send_many(MANY, 0);
		CHECK(plausible(MANY - record.count, MANY, percents[i] / 100));
		CHECK(statistics_of(0).lost - before == MANY - record.count);
	}
	begin((struct link_parameters){PERFECT, .loss = UINT32_MAX});
	send_many(1000, 0);
	CHECK(record.count == 0);
}

static void test_bursts_have_the_lengths_of_gilbert_and_elliott(void)
{
	u32 bursts = 0, lost = 0;
	begin((struct link_parameters){PERFECT, .bursty = 1, .good_to_bad = PERCENT(1), .bad_to_good = PERCENT(20),
				       .loss_in_bad = UINT32_MAX});
	send_many(MANY, 0);
	for (u32 i = 0; i < MANY; i++) {
		lost += !record.seen[i];
		bursts += !record.seen[i] && (i == 0 || record.seen[i - 1]);
	}
	double length = (double)lost / bursts, share = (double)lost / MANY;
	CHECK(length > 4.2 && length < 5.8); /* 1 / r; consecutive bursts count as one now and then */
	CHECK(share > 0.037 && share < 0.059); /* p / (p + r) */
}

static void test_duplicates_come_twice(void)
{
	begin((struct link_parameters){PERFECT, .delay = MSEC, .duplicate = PERCENT(5)});
	send_many(MANY, 0);
	CHECK(plausible(record.count - MANY, MANY, 0.05));
	CHECK(statistics_of(0).duplicated == record.count - MANY);
	for (u32 i = 0; i < MANY; i++)
		CHECK(record.seen[i] == 1 || record.seen[i] == 2);
}

static void test_of_a_lost_duplicate_one_is_left(void)
{
	begin((struct link_parameters){PERFECT, .loss = UINT32_MAX, .duplicate = UINT32_MAX});
	send_many(100, 0);
	CHECK(record.count == 100);
}

static void test_reordered_packets_skip_the_delay(void)
{
	u32 early = 0;
	begin((struct link_parameters){PERFECT, .delay = 10 * MSEC, .reorder = PERCENT(25)});
	send_many(MANY, MSEC);
	for (u32 i = 0; i < MANY; i++) {
		CHECK(record.arrived_at[i] == 0 || record.arrived_at[i] == 10 * MSEC);
		early += record.arrived_at[i] == 0;
	}
	CHECK(plausible(early, MANY, 0.25) && statistics_of(0).reordered == early);
}

static void check_flipped_bit(const struct packet *packet, u64 now)
{
	u32 flipped = 0;
	(void)now;
	CHECK(packet->flags & PACKET_CORRUPT);
	for (u32 i = 4; i < packet->payload_size; i++)
		flipped += (u32)__builtin_popcount(packet->payload[i] ^ pattern(42, i));
	for (u32 i = 0; i < 4; i++)
		flipped += (u32)__builtin_popcount(packet->payload[i] ^ (u8)(42 >> 8 * i));
	CHECK(flipped == 1);
}

static void test_corruption_flips_one_bit_and_stops_segments(void)
{
	begin((struct link_parameters){PERFECT, .corrupt = PERCENT(10)});
	send_many(MANY, 0);
	CHECK(plausible(record.corrupt, MANY, 0.1) && statistics_of(0).corrupted == record.corrupt);
	begin((struct link_parameters){PERFECT, .corrupt = UINT32_MAX});
	on_arrival(check_flipped_bit);
	for (u32 i = 0; i < 100; i++)
		CHECK(send_datagram(1, 42, 600));
	simulate_all();
	CHECK(arrivals() == 100);
	CHECK(send_packet(LEFT, PACKET_TCP, 1, 42, 600) && send_packet(LEFT, PACKET_ICMP, 1, 42, 600));
	simulate_all();
	CHECK(arrivals() == 100);
}

static void test_fragments_share_the_fate_of_their_datagram(void)
{
	begin((struct link_parameters){MTU(1000), .loss = PERCENT(10)});
	for (u32 i = 0; i < MANY; i++) /* 976 bytes of payload in each fragment: three */
		CHECK(send_datagram(1, i, 20 + 2 * 976 + 500));
	simulate_all();
	CHECK(plausible(record.count, MANY, 0.9 * 0.9 * 0.9));
}

static void test_segments_above_the_mtu_are_dropped(void)
{
	begin((struct link_parameters){MTU(1000)});
	CHECK(send_packet(LEFT, PACKET_TCP, 1, 1, 1000) && send_packet(LEFT, PACKET_TCP, 1, 2, 1001));
	simulate_all();
	CHECK(record.seen[1] && !record.seen[2] && statistics_of(0).oversized == 1);
}

/* A fingerprint of which packets were lost or came twice, and when all came. */
static u64 outcome(u64 seed, u32 disturbances)
{
	u64 print = 0;
	link_pods((struct link_parameters){PERFECT, .delay = MSEC});
	disconnect_pods(); /* so that the link starts anew */
	begin((struct link_parameters){PERFECT, .delay = 10 * MSEC, .jitter = MSEC, .distribution = DISTRIBUTION_NORMAL,
				       .loss = PERCENT(10), .duplicate = PERCENT(10), .reorder = PERCENT(10)});
	host_network_seed(seed);
	for (u32 i = 0; i < 1000; i++) {
		CHECK(send_datagram(1, i, 100));
		for (u32 k = 0; k < disturbances; k++)
			CHECK(send_packet(RIGHT, PACKET_UDP, 1, MANY, 100));
		simulate(MSEC);
	}
	simulate_all();
	for (u32 i = 0; i < 1000; i++)
		print = print * 31 + record.seen[i] + record.arrived_at[i];
	return print;
}

static void test_the_same_seed_decides_the_same_whatever_else_happens(void)
{
	u64 first = outcome(1, 0);
	CHECK(outcome(1, 0) == first);
	CHECK(outcome(1, 3) == first);
	CHECK(outcome(2, 0) != first);
}

static void test_purposes_links_and_directions_draw_apart(void)
{
	u64 first = random_draw(1, 2, 0, 3, RANDOM_LOSS);
	CHECK(first == random_draw(1, 2, 0, 3, RANDOM_LOSS));
	CHECK(first != random_draw(2, 2, 0, 3, RANDOM_LOSS) && first != random_draw(1, 3, 0, 3, RANDOM_LOSS));
	CHECK(first != random_draw(1, 2, 1, 3, RANDOM_LOSS) && first != random_draw(1, 2, 0, 4, RANDOM_LOSS));
	CHECK(first != random_draw(1, 2, 0, 3, RANDOM_STATE));
	u64 hits = 0;
	for (u64 i = 0; i < 100000; i++) /* neighbours are not alike */
		hits += (random_draw(1, 2, 0, i, RANDOM_LOSS) ^ random_draw(1, 2, 1, i, RANDOM_LOSS)) >> 63;
	CHECK(plausible(hits, 100000, 0.5));
}

void test_luck(void)
{
	static const struct test tests[] = {
#define TEST(name) {#name, name}
		TEST(test_a_delay_is_exact),
		TEST(test_jitter_has_the_mean_and_deviation_of_its_law),
		TEST(test_laws_have_their_shapes),
		TEST(test_jitter_alone_reorders_and_a_delay_never_does),
		TEST(test_no_delay_is_below_zero),
		TEST(test_losses_are_binomial),
		TEST(test_bursts_have_the_lengths_of_gilbert_and_elliott),
		TEST(test_duplicates_come_twice),
		TEST(test_of_a_lost_duplicate_one_is_left),
		TEST(test_reordered_packets_skip_the_delay),
		TEST(test_corruption_flips_one_bit_and_stops_segments),
		TEST(test_fragments_share_the_fate_of_their_datagram),
		TEST(test_segments_above_the_mtu_are_dropped),
		TEST(test_the_same_seed_decides_the_same_whatever_else_happens),
		TEST(test_purposes_links_and_directions_draw_apart),
#undef TEST
	};
	run_tests(tests, COUNT_OF(tests));
}

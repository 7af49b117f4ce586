/* What a rate does: how long packets take, who waits for whom, and who is dropped. */
#include "tests/native/links.h"

#define FLOWS 8u

static struct {
	u64 bytes[FLOWS + 1], last;
	u32 count, order[4096];
} record;
static u32 greedy; /* flows that keep their queue full */

static void note(const struct packet *packet, u64 now)
{
	record.bytes[flow_of(packet)] += packet->size;
	if (record.count < COUNT_OF(record.order))
		record.order[record.count] = number_of(packet);
	record.count++;
	record.last = now;
}

static void begin(struct link_parameters parameters)
{
	memset(&record, 0, sizeof(record));
	link_pods(parameters);
	on_arrival(note);
}

static void test_a_rate_is_kept_to_a_thousandth(void)
{
	static const u64 rates[] = {56000, 10000000, 999999937, 25000000000};
	for (u32 i = 0; i < COUNT_OF(rates); i++) {
		begin((struct link_parameters){.queue_packets = 4096, .mtu = 1500, .rate = rates[i]});
		u64 start = simulation_now();
		for (u32 k = 0; k < 4000; k++)
			CHECK(send_datagram(1, k, 1500));
		simulate_all();
		double wanted = 4000 * 1500 * 8.0 * 1e9 / (double)rates[i], took = (double)(record.last - start);
		CHECK(record.count == 4000 && took > wanted * 0.999 && took < wanted * 1.001);
	}
}

static void test_a_packet_waits_for_those_before_it_then_for_the_delay(void)
{
	begin((struct link_parameters){PERFECT, .rate = 1000000, .delay = 50 * MSEC});
	u64 start = simulation_now();
	CHECK(send_datagram(1, 0, 1000) && send_datagram(1, 1, 1000));
	simulate(8 * MSEC + 50 * MSEC);
	CHECK(record.count == 1 && record.last == start + 58 * MSEC);
	simulate_all();
	CHECK(record.count == 2 && record.last == start + 66 * MSEC);
}

static void test_fragments_pay_for_their_headers(void)
{
	begin((struct link_parameters){.queue_packets = 10, .mtu = 1500, .rate = 8000000});
	u64 start = simulation_now();
	CHECK(send_datagram(1, 0, 20 + 1480 + 1480));
	simulate_all();
	CHECK(record.last == start + (20 + 1480 + 20 + 1480) * 1000);
}

/* Every flow has `greedy` of them: a fresh packet for each that arrives. */
static void note_and_send(const struct packet *packet, u64 now)
{
	note(packet, now);
	if (flow_of(packet) <= greedy) {
		struct packet *next = packet_create(packet->account, PACKET_UDP, packet->payload_size);
		struct path *path;
		CHECK(next &&
		      path_find(packet->account, interface_find(packet->source), interface_find(packet->target),
				&path) == 0 &&
		      path);
		next->flow_key = packet->flow_key;
		next->datagram = packet->datagram;
		packet_send(next, path, now);
		path_release(path);
	}
}

static double jain(const u64 *bytes, u32 count)
{
	double sum = 0, squares = 0;
	for (u32 i = 0; i < count; i++) {
		sum += (double)bytes[i];
		squares += (double)bytes[i] * (double)bytes[i];
	}
	return sum * sum / (count * squares);
}

static void stop_and_drain(void)
{
	greedy = 0;
	simulate_all();
}

static void test_greedy_flows_share_a_rate_fairly(void)
{
	begin((struct link_parameters){PERFECT, .rate = 10000000, .delay = MSEC});
	on_arrival(note_and_send);
	greedy = FLOWS;
	for (u32 flow = 1; flow <= FLOWS; flow++)
		for (u32 i = 0; i < 10 * flow; i++) /* however many packets and of whatever size they have waiting */
			CHECK(send_datagram(flow, i, 300 * (1 + flow % 5)));
	simulate(20 * NSEC_PER_SEC);
	CHECK(jain(record.bytes + 1, FLOWS) >= 0.99);
	stop_and_drain();
}

static void test_modest_flows_do_not_feel_a_greedy_one(void)
{
	begin((struct link_parameters){PERFECT, .rate = 8000000});
	on_arrival(note_and_send);
	greedy = 1;
	for (u32 i = 0; i < 500; i++)
		CHECK(send_datagram(1, i, 1500));
	for (u32 tick = 0; tick < 1000; tick++) { /* each of seven sends 500 bytes every 10 ms */
		for (u32 flow = 2; flow <= FLOWS; flow++)
			CHECK(send_datagram(flow, tick, 500));
		simulate(10 * MSEC);
	}
	CHECK(jain(record.bytes + 2, FLOWS - 1) >= 0.999);
	CHECK(record.bytes[2] >= 998 * 500); /* none waits longer than a round */
	CHECK(record.bytes[1] > 6000000);    /* and the rest is the greedy one's */
	stop_and_drain();
}

static void test_a_full_queue_drops_from_the_longest_flow(void)
{
	begin((struct link_parameters){.queue_packets = 100, .mtu = 1500, .rate = 1000000});
	for (u32 i = 0; i < 300; i++)
		CHECK(send_datagram(1, i, 1500));
	for (u32 i = 0; i < 10; i++)
		CHECK(send_datagram(2, i, 1500));
	struct link_statistics statistics = statistics_of(0);
	CHECK(statistics.queued == 100 && statistics.queued_most == 100);
	CHECK(statistics.overflowed == 300 + 10 - 100 - 1); /* one is being sent */
	simulate_all();
	CHECK(record.bytes[2] == 10 * 1500 && record.bytes[1] == 91 * 1500);
	CHECK(statistics_of(0).queued == 0 && statistics_of(0).packets == 310);
}

static void test_a_new_rate_holds_for_what_waits(void)
{
	begin((struct link_parameters){PERFECT, .rate = 8000});
	u64 start = simulation_now();
	for (u32 i = 0; i < 11; i++)
		CHECK(send_datagram(1, i, 1000));
	simulate(NSEC_PER_SEC / 2);
	link_pods((struct link_parameters){PERFECT, .rate = 8000000});
	simulate_all(); /* the first one is being sent at the old rate */
	CHECK(record.count == 11 && record.last == start + NSEC_PER_SEC + 10 * MSEC);
}

static void test_what_waits_goes_on_when_the_rate_is_lifted(void)
{
	begin((struct link_parameters){PERFECT, .rate = 8000});
	for (u32 i = 0; i < 11; i++)
		CHECK(send_datagram(1, i, 1000));
	simulate(NSEC_PER_SEC / 2);
	u64 lifted = simulation_now();
	link_pods((struct link_parameters){PERFECT, .delay = MSEC});
	simulate_all();
	CHECK(record.count == 11 && record.last == lifted + MSEC);
	for (u32 i = 0; i < 11; i++)
		CHECK(record.order[i] == i);
}

static void test_a_shorter_queue_drops_what_is_too_much(void)
{
	begin((struct link_parameters){PERFECT, .rate = 8000000});
	for (u32 i = 0; i < 101; i++)
		CHECK(send_datagram(1, i, 1000));
	link_pods((struct link_parameters){.queue_packets = 10, .mtu = 1500, .rate = 8000000});
	simulate_all();
	CHECK(record.count == 11 && statistics_of(0).overflowed == 90);
}

static void test_a_large_datagram_gets_its_turn(void)
{
	begin((struct link_parameters){PERFECT, .rate = 8000000});
	on_arrival(note_and_send);
	greedy = 2;
	for (u32 i = 0; i < 20; i++)
		CHECK(send_datagram(1, i, 60000) && send_datagram(2, i, 100));
	simulate(20 * NSEC_PER_SEC);
	CHECK(record.bytes[1] > 0 && record.bytes[2] > 0);
	CHECK(jain(record.bytes + 1, 2) > 0.98);
	stop_and_drain();
}

static void take_share(u32 share)
{
	const struct {
		u32 id, direction, share;
	} shares[] = {{WIRE, 0, share}, {WIRE, 7, 1}, {99, 0, 1}, {ADDRESS_OF(LEFT), LINK_ACCESS, share}};
	host_link_shares((uaddr)shares, COUNT_OF(shares));
}

/* Of the link that carries what goes from left to right; false when the node is told of none. */
static bool take_use(struct link_use *found)
{
	static struct {
		u32 next, count;
		struct link_use uses[8];
	} batch;
	bool any = false;
	u32 cursor = 0;
	do {
		host_link_uses(cursor, (uaddr)&batch, sizeof(batch));
		for (u32 i = 0; i < batch.count; i++)
			if (batch.uses[i].direction == 0 && batch.uses[i].id == WIRE)
				any = true, *found = batch.uses[i];
		cursor = batch.next;
	} while (cursor);
	return any;
}

static void test_a_share_of_a_rate_is_kept_to_a_thousandth(void)
{
	begin((struct link_parameters){.queue_packets = 4096, .mtu = 1500, .rate = 10000000});
	u64 start = simulation_now();
	take_share(LINK_WHOLE / 4);
	for (u32 k = 0; k < 1000; k++)
		CHECK(send_datagram(1, k, 1500));
	simulate_all();
	double wanted = 1000 * 1500 * 8.0 * 1e9 / 2500000, took = (double)(record.last - start);
	CHECK(record.count == 1000 && took > wanted * 0.999 && took < wanted * 1.001);
	start = simulation_now();
	take_share(LINK_WHOLE);
	CHECK(send_datagram(1, 0, 1500));
	simulate_all();
	CHECK(record.last == start + 1200000);
}

/* What waits already is not dropped when the share becomes smaller. */
static void test_a_share_of_a_rate_has_a_share_of_the_queue(void)
{
	begin((struct link_parameters){.queue_packets = 100, .mtu = 1500, .rate = 1000000});
	for (u32 i = 0; i < 61; i++)
		CHECK(send_datagram(1, i, 1500));
	take_share(LINK_WHOLE / 4);
	CHECK(statistics_of(0).queued == 60 && send_datagram(2, 0, 1500));
	CHECK(statistics_of(0).queued == 60 && statistics_of(0).overflowed == 1);
	simulate_all();
	for (u32 i = 0; i < 100; i++)
		CHECK(send_datagram(1, i, 1500));
	CHECK(statistics_of(0).queued == 25);
	take_share(0);
	simulate_all(); /* a share is never nothing */
	CHECK(record.count == 61 + 26);
}

static void test_the_node_is_told_how_a_link_is_used(void)
{
	struct link_use use;
	begin((struct link_parameters){PERFECT, .rate = 8000000});
	CHECK(!take_use(&use));
	CHECK(send_datagram(1, 0, 1000) && send_datagram(2, 0, 1000) && send_datagram(3, 0, 1000));
	CHECK(send_datagram(3, 1, 1000) && take_use(&use));
	CHECK(use.rate == 8000000 && use.bytes == 1000 && use.flows == 2 && use.marks == 1 && !use.busy);
	simulate(2 * MSEC + MSEC / 2);
	CHECK(take_use(&use) && use.bytes == 2000 && use.flows == 1 && use.marks == 2 && use.busy);
	simulate_all();
	CHECK(take_use(&use) && use.bytes == 1000 && use.flows == 0 && use.marks == 1 && !use.busy);
	CHECK(!take_use(&use));
	begin((struct link_parameters){PERFECT, .delay = MSEC});
	CHECK(send_datagram(1, 0, 1000) && !take_use(&use));
	simulate_all();
}

static void test_an_interface_s_own_link_is_shared_too(void)
{
	const struct link_parameters access = {PERFECT, .rate = 8000000};
	const u32 address = ADDRESS_OF(LEFT);
	struct {
		u32 next, count;
		struct link_use uses[8];
	} batch = {0};
	begin((struct link_parameters){PERFECT, .delay = MSEC});
	CHECK(host_group_set(LEFT, NETWORK, (uaddr)&access, (uaddr)&address, 1) == 0);
	host_network_commit();
	take_share(LINK_WHOLE / 2);
	u64 start = simulation_now();
	CHECK(send_datagram(1, 0, 1000));
	do
		host_link_uses(batch.next, (uaddr)&batch, sizeof(batch));
	while (batch.next && !batch.count);
	CHECK(batch.count == 1 && batch.uses[0].id == address && batch.uses[0].direction == LINK_ACCESS);
	simulate_all();
	CHECK(record.last == start + 3 * MSEC);
}

void test_rates(void)
{
	static const struct test tests[] = {
#define TEST(name) {#name, name}
		TEST(test_a_rate_is_kept_to_a_thousandth),
		TEST(test_a_packet_waits_for_those_before_it_then_for_the_delay),
		TEST(test_fragments_pay_for_their_headers),
		TEST(test_greedy_flows_share_a_rate_fairly),
		TEST(test_modest_flows_do_not_feel_a_greedy_one),
		TEST(test_a_full_queue_drops_from_the_longest_flow),
		TEST(test_a_new_rate_holds_for_what_waits),
		TEST(test_what_waits_goes_on_when_the_rate_is_lifted),
		TEST(test_a_shorter_queue_drops_what_is_too_much),
		TEST(test_a_large_datagram_gets_its_turn),
		TEST(test_a_share_of_a_rate_is_kept_to_a_thousandth),
		TEST(test_a_share_of_a_rate_has_a_share_of_the_queue),
		TEST(test_the_node_is_told_how_a_link_is_used),
		TEST(test_an_interface_s_own_link_is_shared_too),
#undef TEST
	};
	run_tests(tests, COUNT_OF(tests));
}

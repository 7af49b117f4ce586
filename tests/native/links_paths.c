/* Paths: who is concerned by what, faults, and configurations that change while packets are under way. */
#include "tests/native/links.h"
#include "vnet/fabric/errno.h"

static u32 order[1000], count;
static u64 last;

static void note(const struct packet *packet, u64 now)
{
	if (count < COUNT_OF(order))
		order[count] = number_of(packet);
	count++;
	last = now;
}

static void begin(struct link_parameters parameters)
{
	count = 0;
	link_pods(parameters);
	on_arrival(note);
}

static void test_a_perfect_link_leaves_pods_direct(void)
{
	begin((struct link_parameters){PERFECT});
	CHECK(!send_datagram(1, 0, 100));
	begin((struct link_parameters){PERFECT, .delay = 1});
	CHECK(send_datagram(1, 0, 100) && send_packet(RIGHT, PACKET_UDP, 1, 1, 100));
	begin((struct link_parameters){MTU(9000)});
	CHECK(!send_datagram(1, 0, 100));
	begin((struct link_parameters){MTU(1499)});
	CHECK(send_datagram(1, 0, 100));
}

static void test_directions_are_apart(void)
{
	connect_pods((struct link_parameters){PERFECT, .delay = MSEC}, (struct link_parameters){PERFECT});
	on_arrival(note);
	count = 0;
	u64 start = simulation_now();
	CHECK(send_datagram(1, 0, 100) && !send_packet(RIGHT, PACKET_UDP, 1, 1, 100));
	simulate_all();
	CHECK(count == 1 && last == start + MSEC);
}

static void test_a_cut_loses_what_is_sent_and_what_is_under_way(void)
{
	begin((struct link_parameters){PERFECT, .delay = 10 * MSEC});
	CHECK(send_datagram(1, 0, 100));
	simulate(5 * MSEC);
	set_fault(FAULT_CUT, LEFT, RIGHT);
	CHECK(send_datagram(1, 1, 100) && send_packet(RIGHT, PACKET_UDP, 1, 2, 100));
	simulate_all();
	CHECK(count == 1 && order[0] == 2); /* the other way is open */
	CHECK(statistics_of(0).cut == 2);
	set_fault(FAULT_NONE, LEFT, RIGHT);
	CHECK(send_datagram(1, 3, 100));
	simulate_all();
	CHECK(count == 2 && order[1] == 3);
}

static void test_a_cut_concerns_pods_without_links(void)
{
	begin((struct link_parameters){PERFECT});
	set_fault(FAULT_CUT, LEFT, RIGHT);
	set_fault(FAULT_CUT, RIGHT, LEFT);
	CHECK(send_datagram(1, 0, 100) && send_packet(RIGHT, PACKET_UDP, 1, 1, 100));
	simulate_all();
	CHECK(count == 0);
	set_fault(FAULT_NONE, LEFT, RIGHT);
	set_fault(FAULT_NONE, RIGHT, LEFT);
	CHECK(!send_datagram(1, 2, 100));
}

static void test_held_packets_come_in_order_when_they_are_released(void)
{
	begin((struct link_parameters){PERFECT, .delay = 10 * MSEC});
	CHECK(send_datagram(1, 0, 100));
	simulate(5 * MSEC);
	set_fault(FAULT_HOLD, LEFT, RIGHT);
	for (u32 i = 1; i < 100; i++) {
		CHECK(send_datagram(1, i, 100));
		simulate(MSEC);
	}
	simulate(NSEC_PER_SEC);
	CHECK(count == 0);
	u64 released = simulation_now();
	set_fault(FAULT_NONE, LEFT, RIGHT);
	simulate(0);
	CHECK(count == 1 && last == released); /* it had been on its way */
	simulate_all();
	CHECK(count == 100 && last == released + 10 * MSEC);
	for (u32 i = 0; i < 100; i++)
		CHECK(order[i] == i);
}

static void test_a_cut_takes_what_was_held(void)
{
	begin((struct link_parameters){PERFECT, .delay = MSEC});
	set_fault(FAULT_HOLD, LEFT, RIGHT);
	CHECK(send_datagram(1, 0, 100));
	simulate_all();
	set_fault(FAULT_CUT, LEFT, RIGHT);
	simulate_all();
	CHECK(count == 0 && statistics_of(0).cut == 1);
	set_fault(FAULT_NONE, LEFT, RIGHT);
}

static void test_a_new_delay_does_not_touch_what_is_under_way(void)
{
	begin((struct link_parameters){PERFECT, .delay = 100 * MSEC});
	u64 start = simulation_now();
	CHECK(send_datagram(1, 0, 100));
	link_pods((struct link_parameters){PERFECT, .delay = 10 * MSEC});
	CHECK(send_datagram(1, 1, 100));
	simulate_all();
	CHECK(count == 2 && order[0] == 1 && last == start + 100 * MSEC);
}

static void test_a_removed_link_loses_what_waits_for_it(void)
{
	begin((struct link_parameters){PERFECT, .rate = 8000});
	for (u32 i = 0; i < 10; i++)
		CHECK(send_datagram(1, i, 1000));
	CHECK(host_link_remove(WIRE) == 0);
	host_network_commit();
	CHECK(send_datagram(1, 10, 1000)); /* the route leads over a link that is not there */
	simulate_all();
	CHECK(count == 0);
	link_pods((struct link_parameters){PERFECT, .delay = MSEC});
	CHECK(send_datagram(1, 11, 1000));
	simulate_all();
	CHECK(count == 1 && order[0] == 11);
}

static void test_routes_of_several_links_add_up(void)
{
	const struct link_parameters more[] = {{MTU(1200), .delay = 3 * MSEC}, {PERFECT, .delay = 5 * MSEC}};
	const struct hop there[] = {{WIRE, 0}, {8, 0}, {8, 1}};
	begin((struct link_parameters){PERFECT, .delay = MSEC});
	CHECK(host_link_set(8, 1, (uaddr)more) == 0 && host_route_set(LEFT, RIGHT, (uaddr)there, 3) == 0);
	host_network_commit();
	u64 start = simulation_now();
	CHECK(send_datagram(1, 0, 100) && send_packet(LEFT, PACKET_TCP, 1, 1, 1201));
	simulate_all();
	CHECK(count == 1 && last == start + 9 * MSEC);
	CHECK(host_link_remove(8) == 0);
}

static void test_an_access_link_is_crossed_by_what_its_interface_sends(void)
{
	const struct link_parameters access = {PERFECT, .delay = 2 * MSEC};
	const u32 address = ADDRESS_OF(LEFT);
	struct link_statistics statistics;
	begin((struct link_parameters){PERFECT, .delay = MSEC});
	CHECK(host_group_set(LEFT, NETWORK, (uaddr)&access, (uaddr)&address, 1) == 0);
	host_network_commit();
	u64 start = simulation_now();
	CHECK(send_datagram(1, 0, 100));
	simulate_all();
	CHECK(last == start + 3 * MSEC);
	start = simulation_now();
	CHECK(send_packet(RIGHT, PACKET_UDP, 1, 1, 100));
	simulate_all();
	CHECK(last == start + MSEC);
	CHECK(host_access_statistics(LEFT, (uaddr)&statistics) == 0 && statistics.packets == 1);
	CHECK(host_access_statistics(99, (uaddr)&statistics) == -E_NOENT);
}

static void test_routes_lead_to_other_networks_and_end_with_their_pods(void)
{
	const u32 far_address = 0x0a140007, near_address = ADDRESS_OF(LEFT);
	const struct hop hop = {WIRE, 0};
	struct route route;
	begin((struct link_parameters){PERFECT});
	struct pod *far = pod_create("far", NEVER, 10);
	CHECK(far && host_group_set(99, 2, 0, (uaddr)&far_address, 1) == 0);
	CHECK(route_find(left, address_from_ipv4(far_address), &route) == -E_NETUNREACH);
	CHECK(host_route_set(LEFT, 99, (uaddr)&hop, 1) == 0);
	CHECK(route_find(left, address_from_ipv4(far_address), &route) == -E_HOSTUNREACH); /* nobody is up there */
	CHECK(pod_attach(far, 1, address_from_ipv4(far_address), 24) == -E_ADDRINUSE);
	CHECK(pod_attach(far, 2, address_from_ipv4(far_address), 24) == 0);
	CHECK(route_find(left, address_from_ipv4(far_address), &route) == 0 && route.pod == far);
	CHECK(address_to_ipv4(route.source) == near_address && route.from && route.to->group->id == 99);
	pod_detach_all(far);
	CHECK(route_find(left, address_from_ipv4(far_address), &route) == -E_HOSTUNREACH);
	CHECK(host_group_remove(99) == 0 && host_route_remove(LEFT, 99) == 0);
	host_network_commit();
	CHECK(route_find(left, address_from_ipv4(far_address), &route) == -E_HOSTUNREACH);
	pod_release(far);
}

static void test_wrong_configurations_are_refused(void)
{
	const u32 addresses[] = {ADDRESS_OF(LEFT)};
	struct link_parameters wrong[] = {
		{.queue_packets = 10, .mtu = 575}, {.queue_packets = 10, .mtu = 65536},     {.mtu = 1500, .rate = 1},
		{PERFECT, .distribution = 4},      {PERFECT, .delay = LINK_MOST_DELAY + 1}, {PERFECT, .rate = NEVER},
	};
	const struct hop hop = {WIRE, 2};
	begin((struct link_parameters){PERFECT});
	for (u32 i = 0; i < COUNT_OF(wrong); i++) {
		const struct link_parameters both[] = {{PERFECT}, wrong[i]};
		CHECK(host_link_set(3, 3, (uaddr)both) == -E_INVAL);
		CHECK(host_group_set(LEFT, NETWORK, (uaddr)&wrong[i], (uaddr)addresses, 1) == -E_INVAL);
	}
	CHECK(host_route_set(LEFT, RIGHT, (uaddr)&hop, 1) == -E_INVAL);
	CHECK(host_route_set(LEFT, RIGHT, (uaddr)&hop, HOPS_MOST + 1) == -E_INVAL);
	CHECK(host_fault_set(FAULTS_MOST, FAULT_CUT, (uaddr)addresses, 1, 0) == -E_INVAL);
	CHECK(host_group_set(LEFT, NETWORK + 1, 0, (uaddr)addresses, 1) == -E_INVAL);
	CHECK(host_group_set(98, NETWORK, 0, (uaddr)addresses, 1) == -E_ADDRINUSE && host_group_remove(98) == 0);
	CHECK(host_link_remove(3) == -E_NOENT && host_group_remove(98) == -E_NOENT);
	CHECK(host_route_remove(98, LEFT) == -E_NOENT);
}

void test_paths(void)
{
	static const struct test tests[] = {
#define TEST(name) {#name, name}
		TEST(test_a_perfect_link_leaves_pods_direct),
		TEST(test_directions_are_apart),
		TEST(test_a_cut_loses_what_is_sent_and_what_is_under_way),
		TEST(test_a_cut_concerns_pods_without_links),
		TEST(test_held_packets_come_in_order_when_they_are_released),
		TEST(test_a_cut_takes_what_was_held),
		TEST(test_a_new_delay_does_not_touch_what_is_under_way),
		TEST(test_a_removed_link_loses_what_waits_for_it),
		TEST(test_routes_of_several_links_add_up),
		TEST(test_an_access_link_is_crossed_by_what_its_interface_sends),
		TEST(test_routes_lead_to_other_networks_and_end_with_their_pods),
		TEST(test_wrong_configurations_are_refused),
#undef TEST
	};
	run_tests(tests, COUNT_OF(tests));
}

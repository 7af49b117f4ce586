#include "tests/native/simulation.h"

#include <stdio.h>

#include "vnet/fabric/sockets/datagram.h"
#include "vnet/fabric/sockets/echo.h"
#include "vnet/fabric/flows/flow.h"

struct pod *left, *right;
static _Atomic u64 clock_value = 1000 * NSEC_PER_SEC;
static u64 real_start; /* of the machine's clock, once it drives this one */
static arrival handler;
static _Atomic u32 arrived;

void __wrap_flow_receive(struct packet *packet, u64 now);
void __wrap_datagram_receive(struct packet *packet, u64 now);
void __wrap_echo_receive(struct packet *packet, u64 now);
u64 __wrap_clock_now(u32 clock_id);
u64 __real_clock_now(u32 clock_id);

u64 __wrap_clock_now(u32 clock_id)
{
	return atomic_load(&clock_value) + (real_start ? __real_clock_now(clock_id) - real_start : 0);
}

void simulation_real_time(void)
{
	real_start = __real_clock_now(CLOCK_ID_MONOTONIC);
}

static void receive(struct packet *packet, u64 now)
{
	arrived++;
	if (handler)
		handler(packet, now);
	packet_free(packet);
}

void __wrap_flow_receive(struct packet *packet, u64 now)
{
	receive(packet, now);
}

void __wrap_datagram_receive(struct packet *packet, u64 now)
{
	receive(packet, now);
}

void __wrap_echo_receive(struct packet *packet, u64 now)
{
	receive(packet, now);
}

void on_arrival(arrival next)
{
	handler = next;
	arrived = 0;
}

u32 arrivals(void)
{
	return arrived;
}

u64 simulation_now(void)
{
	return atomic_load(&clock_value);
}

static void handle_until(u64 end)
{
	lock_acquire(&network_lock);
	pacer_acquire();
	while (pacer_next() <= end) {
		atomic_store(&clock_value, MAX(simulation_now(), pacer_next()));
		CHECK(!pacer_handle(simulation_now(), UINT32_MAX));
	}
	pacer_release();
	lock_release(&network_lock);
}

void simulate(u64 duration)
{
	u64 end = simulation_now() + duration;
	handle_until(end);
	atomic_store(&clock_value, end);
}

void simulate_all(void)
{
	handle_until(NEVER - 1);
}

static struct pod *make_pod(u32 host)
{
	struct pod *pod = pod_create("simulated", NEVER, 100);
	CHECK(pod && pod_attach(pod, NETWORK, address_from_ipv4(ADDRESS_OF(host)), 16) == 0);
	return pod;
}

void connect_pods(struct link_parameters forward, struct link_parameters backward)
{
	const struct link_parameters both[] = {forward, backward};
	const struct hop there = {WIRE, 0}, back = {WIRE, 1};
	const u32 addresses[] = {ADDRESS_OF(LEFT), ADDRESS_OF(RIGHT)};
	if (!left) {
		left = make_pod(LEFT);
		right = make_pod(RIGHT);
		CHECK(host_group_set(LEFT, NETWORK, 0, (uaddr)&addresses[0], 1) == 0);
		CHECK(host_group_set(RIGHT, NETWORK, 0, (uaddr)&addresses[1], 1) == 0);
		CHECK(host_route_set(LEFT, RIGHT, (uaddr)&there, 1) == 0);
		CHECK(host_route_set(RIGHT, LEFT, (uaddr)&back, 1) == 0);
	}
	CHECK(host_link_set(WIRE, 4711, (uaddr)both) == 0);
	host_network_commit();
}

void link_pods(struct link_parameters parameters)
{
	connect_pods(parameters, parameters);
}

void disconnect_pods(void)
{
	simulate_all();
	CHECK(host_route_remove(LEFT, RIGHT) == 0 && host_route_remove(RIGHT, LEFT) == 0);
	CHECK(host_group_remove(LEFT) == 0 && host_group_remove(RIGHT) == 0 && host_link_remove(WIRE) == 0);
	host_network_commit();
	struct pod **pods[] = {&left, &right};
	for (u32 i = 0; i < 2; i++) {
		pod_detach_all(*pods[i]);
		pod_release(*pods[i]);
		*pods[i] = NULL;
	}
}

void set_fault(u32 kind, u32 from, u32 to)
{
	const u32 addresses[] = {ADDRESS_OF(from), ADDRESS_OF(to)};
	CHECK(host_fault_set(from == LEFT ? 0 : 63, kind, (uaddr)addresses, 1, 1) == 0);
	host_network_commit();
}

struct link_statistics statistics_of(u32 direction)
{
	struct link_statistics statistics;
	CHECK(host_link_statistics(WIRE, direction, (uaddr)&statistics) == 0);
	return statistics;
}

static void fill(struct packet *packet, u32 flow, u32 number)
{
	for (u32 i = 0; i < packet->payload_size; i++)
		packet->payload[i] = i < 4 ? (u8)(number >> 8 * i) : pattern(number, i);
	packet->flow_key = flow;
	if (packet->protocol != PACKET_TCP) /* a segment without a flow is nobody's */
		packet->datagram.source_port = (u16)flow;
}

/* Under both locks. */
static bool send_locked(u32 from, u32 protocol, u32 flow, u32 number, u32 size)
{
	struct interface *source = interface_find(address_from_ipv4(ADDRESS_OF(from)));
	struct interface *target = interface_find(address_from_ipv4(ADDRESS_OF(LEFT + RIGHT - from)));
	struct path *path;
	CHECK(path_find(source->pod->account, source, target, &path) == 0);
	if (!path)
		return false;
	u32 overhead = protocol == PACKET_TCP ? TCP_OVERHEAD : UDP_OVERHEAD;
	struct packet *packet = packet_create(source->pod->account, protocol, size - overhead);
	CHECK(packet && packet->size == size);
	fill(packet, flow, number);
	packet_send(packet, path, pacer_time());
	path_release(path);
	return true;
}

bool send_packet(u32 from, u32 protocol, u32 flow, u32 number, u32 size)
{
	lock_acquire(&network_lock);
	pacer_acquire();
	bool paced = send_locked(from, protocol, flow, number, size);
	pacer_release();
	lock_release(&network_lock);
	return paced;
}

u32 number_of(const struct packet *packet)
{
	u32 number = 0;
	for (u32 i = 0; i < 4; i++)
		number |= (u32)packet->payload[i] << 8 * i;
	return number;
}

u32 flow_of(const struct packet *packet)
{
	return packet->datagram.source_port;
}

bool plausible(u64 seen, u64 trials, double probability)
{
	double mean = (double)trials * probability, distance = (double)seen - mean;
	return distance * distance <= 25 * mean * (1 - probability) + 1;
}

void run_tests(const struct test *tests, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct usage before = node_usage();
		printf("%s\n", tests[i].name);
		fflush(stdout);
		on_arrival(NULL);
		tests[i].run();
		if (left)
			disconnect_pods();
		node_expect(before);
	}
}

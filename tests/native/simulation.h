/* Two pods with a link in between, under a clock that moves from event to event: minutes in milliseconds.
 *
 * What arrives is not given to the sockets above but to the test (the driver is linked with --wrap). Packets are
 * told apart by their flow's key, and numbered by the first bytes of their payload.
 */
#ifndef PODNET_TESTS_NATIVE_SIMULATION_H
#define PODNET_TESTS_NATIVE_SIMULATION_H

#include "tests/native/guest.h"
#include "vnet/fabric/paths/path.h"

#define LEFT 21u  /* the pods' hosts, and their groups' numbers */
#define RIGHT 22u
#define WIRE 7u
#define MTU(bytes) .queue_packets = 1000, .mtu = (bytes)
#define PERFECT MTU(1500)
#define MSEC (1000 * NSEC_PER_USEC)
#define PERCENT(percent) ((u32)((percent) / 100.0 * 4294967296.0))

struct test {
	const char *name;
	void (*run)(void);
};
/* Run each with a fresh configuration of nothing, and insist that it leaves nothing. */
void run_tests(const struct test *tests, u32 count);

extern struct pod *left, *right;

/* The virtual clock; `simulate` moves it, and handles all events on the way. */
u64 simulation_now(void);
void simulate(u64 duration);
/* Until no event is left. */
void simulate_all(void);

/* From now on the clock goes on by itself, and somebody else handles events. */
void simulation_real_time(void);

/* Who is told of arrivals; the packet is freed afterwards. NULL: nobody. */
typedef void (*arrival)(const struct packet *packet, u64 now);
void on_arrival(arrival handler);
u32 arrivals(void);

/* Pods, groups, and a link with these parameters; again, to change them. */
void connect_pods(struct link_parameters forward, struct link_parameters backward);
void disconnect_pods(void);
/* Both directions alike. */
void link_pods(struct link_parameters parameters);
void set_fault(u32 kind, u32 from, u32 to);
struct link_statistics statistics_of(u32 direction);

/* A datagram of `size` bytes at layer 3 from one pod to the other, now. False when the pair is direct. */
bool send_packet(u32 from, u32 protocol, u32 flow, u32 number, u32 size);
static inline bool send_datagram(u32 flow, u32 number, u32 size)
{
	return send_packet(LEFT, PACKET_UDP, flow, number, size);
}
u32 number_of(const struct packet *packet);
u32 flow_of(const struct packet *packet);

/* Whether `seen` of `trials` is what a probability explains: within five standard deviations. */
bool plausible(u64 seen, u64 trials, double probability);

#endif

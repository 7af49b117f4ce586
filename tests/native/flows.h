/* The parts of the `flows` driver: TCP between the two pods of a simulation, by the kernel's own calls.
 *
 * Calls never wait; the tests move the clock.
 */
#ifndef PODNET_TESTS_NATIVE_FLOWS_H
#define PODNET_TESTS_NATIVE_FLOWS_H

#include "tests/native/simulation.h"
#include "vnet/fabric/sockets/connection.h"

#define PORT 80u

void test_table(void);
void test_lives(void);
void test_losses(void);
/* Arbitrary links, faults, writes and closes: whatever arrives is what was sent. */
void test_chaos(u64 seed, u32 rounds);
/* The same with threads and a pacer in real time, while connections are converted. */
void test_conversions(u64 seed, u32 rounds);

/* A socket of the right pod that listens, and one of the left pod that is connecting to it. */
struct socket *listen_right(u32 backlog);
struct socket *dial_right(int expected);
/* Both ends of a connection, whose accepting one has a SO_RCVBUF of `window`; a round trip passes. */
struct ends {
	struct socket *listener, *client, *server;
};
struct ends open_ends(u32 window);
/* Close what is still open, and let everything end. */
void close_ends(struct ends *ends);
struct socket *accept_now(struct socket *listener);

/* A reader that waits all the time, for whom bytes count as read when they come. */
struct patience {
	struct waiter waiter;
};
void wait_for_bytes(struct patience *patience, struct socket *socket);
void wait_no_more(struct patience *patience);

/* Bytes of the pattern `key` from `*at` on, as many as go: how many, or a negative errno. */
i32 send_pattern(struct socket *socket, u64 key, u64 *at, u32 size);
/* Take what is there and compare it. */
i32 receive_pattern(struct socket *socket, u64 key, u64 *at, u32 size);

static inline struct link_parameters slow(u64 delay)
{
	return (struct link_parameters){PERFECT, .delay = delay};
}

#endif

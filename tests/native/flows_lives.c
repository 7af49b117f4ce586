/* How connections over a path begin and end, and what programs see of it and when. */
#include "tests/native/flows.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow.h"

#define DELAY (20 * MSEC)

static u8 byte;

static bool established(const struct socket *socket)
{
	return atomic_load(&socket->state) == TCP_ESTABLISHED;
}

static i32 read_byte(struct socket *socket)
{
	return tcp_read(socket, (uaddr)&byte, 1, false, false);
}

static i32 write_byte(struct socket *socket)
{
	return tcp_write(socket, (uaddr)&byte, 1, false);
}

static void test_a_connect_takes_a_round_trip_and_an_accept_half_a_one_more(void)
{
	link_pods(slow(DELAY));
	struct ends ends = {.listener = listen_right(1)};
	ends.client = dial_right(-E_INPROGRESS);
	CHECK(tcp_connect(ends.client, ends.client->remote, PORT, false) == -E_ALREADY);
	simulate(2 * DELAY - 1);
	CHECK(ends.client->state == TCP_SYN_SENT && tcp_poll(ends.client) == 0 && write_byte(ends.client) == -E_AGAIN);
	simulate(1);
	CHECK(established(ends.client) && tcp_poll(ends.client) == POLL_WRITE && tcp_take_error(ends.client) == 0);
	simulate(DELAY - 1);
	CHECK(tcp_poll(ends.listener) == 0);
	simulate(1);
	CHECK(tcp_poll(ends.listener) == POLL_READ);
	ends.server = accept_now(ends.listener);
	CHECK(address_equal(ends.server->remote, ends.client->local) &&
	      ends.server->remote_port == ends.client->local_port);
	CHECK(address_equal(ends.server->local, ends.client->remote) && ends.server->local_port == PORT);
	close_ends(&ends);
}

static void test_a_refusal_takes_a_round_trip(void)
{
	link_pods(slow(DELAY));
	struct socket *client = dial_right(-E_INPROGRESS);
	simulate(2 * DELAY - 1);
	CHECK(client->state == TCP_SYN_SENT);
	simulate(1);
	CHECK(client->state == TCP_CLOSED && tcp_poll(client) & POLL_HANGUP);
	CHECK(tcp_take_error(client) == E_CONNREFUSED && tcp_take_error(client) == 0);
	tcp_close(client);
}

static void test_a_syn_is_sent_again_until_somebody_answers(void)
{
	link_pods(slow(DELAY));
	struct ends ends = {.listener = listen_right(1)};
	set_fault(FAULT_CUT, RIGHT, LEFT);
	ends.client = dial_right(-E_INPROGRESS);
	simulate(6 * NSEC_PER_SEC); /* sent at 0, 1, 3, and 7 */
	set_fault(FAULT_NONE, RIGHT, LEFT);
	simulate(NSEC_PER_SEC / 2);
	CHECK(ends.client->state == TCP_SYN_SENT);
	simulate(NSEC_PER_SEC);
	CHECK(established(ends.client));
	ends.server = accept_now(ends.listener);
	close_ends(&ends);
}

static void test_a_connect_without_an_answer_times_out_as_in_linux(void)
{
	link_pods(slow(DELAY));
	set_fault(FAULT_CUT, LEFT, RIGHT);
	struct socket *client = dial_right(-E_INPROGRESS);
	simulate(TCP_CONNECT_TIMEOUT_NS - 1);
	CHECK(client->state == TCP_SYN_SENT);
	simulate(1);
	CHECK(client->state == TCP_CLOSED && tcp_take_error(client) == E_TIMEDOUT);
	set_fault(FAULT_NONE, LEFT, RIGHT);
	CHECK(tcp_connect(client, client->remote, PORT, false) == -E_INPROGRESS); /* it may try again */
	simulate(2 * DELAY);
	CHECK(tcp_take_error(client) == E_CONNREFUSED);
	tcp_close(client);
}

static void test_a_full_backlog_keeps_connects_waiting_in_order(void)
{
	link_pods(slow(DELAY));
	struct socket *listener = listen_right(1), *clients[3], *servers[3];
	for (u32 i = 0; i < 3; i++)
		clients[i] = dial_right(-E_INPROGRESS), simulate(1);
	simulate(10 * DELAY);
	CHECK(listener->queued == 1);
	for (u32 i = 0; i < 3; i++) {
		servers[i] = accept_now(listener);
		CHECK(servers[i]->remote_port == clients[i]->local_port);
		CHECK(listener->queued == 0);
		simulate(10 * NSEC_PER_SEC); /* the answer to the next one's SYN comes again */
	}
	for (u32 i = 0; i < 3; i++)
		tcp_close(clients[i]), tcp_close(servers[i]);
	tcp_close(listener);
}

static void test_a_listener_that_closes_resets_who_waits(void)
{
	link_pods(slow(DELAY));
	struct socket *listener = listen_right(1), *queued = dial_right(-E_INPROGRESS);
	simulate(1);
	struct socket *beyond = dial_right(-E_INPROGRESS);
	simulate(4 * DELAY);
	CHECK(established(queued) && established(beyond));
	tcp_close(listener);
	simulate(DELAY);
	CHECK(read_byte(queued) == -E_CONNRESET);
	simulate(2 * NSEC_PER_SEC);
	CHECK(read_byte(beyond) == -E_CONNRESET);
	tcp_close(queued), tcp_close(beyond);
}

static void test_bytes_and_the_end_come_after_the_delay(void)
{
	link_pods(slow(DELAY));
	struct ends ends = open_ends(65536);
	u64 sent = 0, received = 0;
	CHECK(send_pattern(ends.client, 1, &sent, 5000) == 5000);
	CHECK(tcp_shutdown(ends.client, TCP_SHUT_WRITE) == 0 && write_byte(ends.client) == -E_PIPE);
	simulate(DELAY - 1);
	CHECK(read_byte(ends.server) == -E_AGAIN && tcp_available(ends.server) == 0);
	simulate(1);
	CHECK(tcp_available(ends.server) == 5000 && receive_pattern(ends.server, 1, &received, 10000) == 5000);
	CHECK(read_byte(ends.server) == 0 && tcp_poll(ends.server) == (POLL_READ | POLL_WRITE));
	sent = received = 0;
	CHECK(send_pattern(ends.server, 2, &sent, 3000) == 3000); /* the other half is open */
	simulate(DELAY);
	CHECK(receive_pattern(ends.client, 2, &received, 10000) == 3000);
	close_ends(&ends);
}

static void test_closing_leaves_the_rest_to_the_flow(void)
{
	struct link_parameters link = {PERFECT, .delay = DELAY, .rate = 1000000, .loss = PERCENT(5)};
	link_pods(slow(DELAY));
	struct ends ends = open_ends(65536);
	u64 sent = 0, received = 0;
	link_pods(link);
	CHECK(send_pattern(ends.client, 3, &sent, 200000) == 200000);
	tcp_close(ends.client);
	ends.client = NULL;
	i32 moved = 0;
	for (u32 i = 0; i < 100000 && (moved = receive_pattern(ends.server, 3, &received, 7000)) != 0; i++) {
		CHECK(moved > 0 || moved == -E_AGAIN);
		simulate(MSEC);
	}
	CHECK(moved == 0 && received == sent);
	close_ends(&ends);
}

static void test_unread_bytes_or_no_lingering_make_a_reset_of_a_close(void)
{
	for (u32 way = 0; way < 2; way++) {
		link_pods(slow(DELAY));
		struct ends ends = open_ends(65536);
		CHECK(write_byte(ends.client) == 1);
		simulate(2 * DELAY);
		if (way)
			CHECK(read_byte(ends.server) == 1), ends.server->linger = 0;
		tcp_close(ends.server);
		ends.server = NULL;
		simulate(DELAY - 1);
		CHECK(read_byte(ends.client) == -E_AGAIN && write_byte(ends.client) == 1);
		simulate(1);
		CHECK(tcp_poll(ends.client) == (POLL_READ | POLL_WRITE | POLL_HANGUP));
		CHECK(read_byte(ends.client) == -E_CONNRESET && read_byte(ends.client) == 0);
		CHECK(write_byte(ends.client) == -E_PIPE);
		close_ends(&ends);
	}
}

static void test_what_nobody_will_read_is_answered_with_a_reset(void)
{
	link_pods(slow(DELAY));
	struct ends ends = open_ends(65536);
	tcp_close(ends.server);
	ends.server = NULL;
	simulate(DELAY);
	CHECK(read_byte(ends.client) == 0 && write_byte(ends.client) == 1);
	simulate(2 * DELAY - 1);
	CHECK(write_byte(ends.client) == 1);
	simulate(1);
	CHECK(read_byte(ends.client) == 0 && write_byte(ends.client) == -E_PIPE); /* after a FIN: a broken pipe */
	CHECK(write_byte(ends.client) == -E_PIPE);
	close_ends(&ends);
}

static void test_a_cut_is_survived_or_times_out(void)
{
	link_pods(slow(DELAY));
	struct ends ends = open_ends(65536);
	u64 sent = 0, received = 0;
	set_fault(FAULT_CUT, LEFT, RIGHT);
	CHECK(send_pattern(ends.client, 5, &sent, 30000) == 30000);
	simulate(30 * NSEC_PER_SEC);
	CHECK(read_byte(ends.server) == -E_AGAIN);
	set_fault(FAULT_NONE, LEFT, RIGHT);
	simulate(30 * NSEC_PER_SEC);
	CHECK(receive_pattern(ends.server, 5, &received, 30000) == 30000);
	set_fault(FAULT_CUT, RIGHT, LEFT);
	CHECK(write_byte(ends.client) == 1);
	simulate(700 * NSEC_PER_SEC);
	CHECK(read_byte(ends.client) == -E_AGAIN);
	simulate(500 * NSEC_PER_SEC); /* Linux: 924.6 s at the least */
	CHECK(write_byte(ends.client) == -E_TIMEDOUT && write_byte(ends.client) == -E_PIPE &&
	      read_byte(ends.client) == 0);
	CHECK(read_byte(ends.server) == 1 &&
	      read_byte(ends.server) == -E_AGAIN); /* it came, and its sender never knew */
	set_fault(FAULT_NONE, RIGHT, LEFT);
	close_ends(&ends);
}

static void test_a_reader_that_stops_stops_the_writer_and_goes_on(void)
{
	link_pods(slow(DELAY));
	struct ends ends = open_ends(20000);
	u64 sent = 0, received = 0;
	ends.client->send_buffer = 30000;
	while (send_pattern(ends.client, 6, &sent, 9000) > 0)
		simulate(10 * DELAY);
	CHECK(sent >= 20000 && sent <= 20000 + STREAM_DEFAULT_LIMIT && tcp_poll(ends.client) == 0);
	simulate(1000 * NSEC_PER_SEC); /* window probes are answered, so it does not give up */
	CHECK(write_byte(ends.client) == -E_AGAIN && tcp_available(ends.server) == 20000);
	while (received < sent) {
		i32 moved = receive_pattern(ends.server, 6, &received, 4000);
		CHECK(moved > 0 || moved == -E_AGAIN);
		simulate(DELAY);
	}
	CHECK(tcp_poll(ends.client) == POLL_WRITE);
	close_ends(&ends);
}

/* A lost window update: only a probe can find out. */
static void test_a_lost_window_update_does_not_stop_a_flow(void)
{
	link_pods(slow(DELAY));
	struct ends ends = open_ends(20000);
	u64 sent = 0, received = 0;
	CHECK(send_pattern(ends.client, 6, &sent, 40000) == 40000);
	simulate(50 * DELAY);
	set_fault(FAULT_CUT, RIGHT, LEFT);
	CHECK(receive_pattern(ends.server, 6, &received, 40000) == 20000);
	simulate(DELAY);
	set_fault(FAULT_NONE, RIGHT, LEFT);
	simulate(150 * NSEC_PER_SEC);
	CHECK(receive_pattern(ends.server, 6, &received, 40000) == 20000);
	close_ends(&ends);
}

static void test_held_packets_go_on_in_order(void)
{
	link_pods(slow(DELAY));
	struct ends ends = open_ends(65536);
	u64 sent = 0, received = 0;
	set_fault(FAULT_HOLD, LEFT, RIGHT);
	for (u32 i = 0; i < 5; i++)
		CHECK(send_pattern(ends.client, 7, &sent, 1000) == 1000), simulate(DELAY);
	tcp_close(ends.client);
	ends.client = NULL;
	simulate(NSEC_PER_SEC);
	CHECK(read_byte(ends.server) == -E_AGAIN);
	set_fault(FAULT_NONE, LEFT, RIGHT);
	simulate(2 * NSEC_PER_SEC);
	CHECK(receive_pattern(ends.server, 7, &received, 9000) == 5000 && read_byte(ends.server) == 0);
	close_ends(&ends);
}

static void test_a_smaller_mtu_applies_to_what_is_under_way(void)
{
	link_pods((struct link_parameters){MTU(9000), .delay = DELAY});
	struct ends ends = open_ends(1 << 18);
	u64 sent = 0, received = 0;
	for (u32 mtu = 9000; mtu > 600; mtu -= 1200) {
		u64 target = sent + 100000;
		while (sent < target)
			CHECK(send_pattern(ends.client, 8, &sent, 50000) == 50000);
		simulate(DELAY / 2);
		link_pods((struct link_parameters){MTU(mtu - 1200), .delay = DELAY, .loss = PERCENT(1)});
		simulate(20 * NSEC_PER_SEC);
		CHECK(receive_pattern(ends.server, 8, &received, 1 << 20) == 100000);
	}
	close_ends(&ends);
}

/* Whatever is closed when: nothing stays. `run_tests` looks. */
static void test_nothing_stays_of_connections_closed_at_any_moment(void)
{
	link_pods((struct link_parameters){PERFECT, .delay = DELAY, .rate = 3000000});
	for (u32 moment = 0; moment < 16; moment++) {
		for (u32 order = 0; order < 2; order++) {
			struct socket *listener = listen_right(1), *server = NULL, *client = dial_right(-E_INPROGRESS);
			static u8 much[100000];
			simulate(moment * DELAY / 2 + 1);
			if (established(client))
				tcp_write(client, (uaddr)much, sizeof(much), false);
			simulate(moment % 3 * DELAY);
			tcp_accept(listener, false, &server);
			if (server)
				tcp_write(server, (uaddr)much, sizeof(much), false);
			struct socket *all[] = {client, server, listener};
			for (u32 i = 0; i < 3; i++)
				if (all[order ? i : 2 - i])
					tcp_close(all[order ? i : 2 - i]);
		}
	}
}

static void test_half_open_connections_are_bounded_by_who_opens_them(void)
{
	static struct socket *clients[10000];
	u32 count = 0;
	link_pods(slow(DELAY));
	set_fault(FAULT_CUT, LEFT, RIGHT);
	struct pod *poor = pod_create("poor", 4 << 20, 20000);
	struct address here = address_from_ipv4(ADDRESS_OF(LEFT));
	pod_detach_all(left);
	CHECK(poor && pod_attach(poor, NETWORK, here, 16) == 0);
	for (int result = -E_INPROGRESS; count < COUNT_OF(clients) && result == -E_INPROGRESS; count++) {
		clients[count] = tcp_open(poor);
		if (!clients[count])
			break;
		result = tcp_connect(clients[count], address_from_ipv4(ADDRESS_OF(RIGHT)), PORT, false);
		CHECK(result == -E_INPROGRESS || result == -E_NOBUFS);
	}
	CHECK(count > 500 && count < 5000 && poor->account->bytes <= 4 << 20);
	simulate(10 * NSEC_PER_SEC);
	for (u32 i = 0; i < count; i++)
		tcp_close(clients[i]);
	simulate_all();
	CHECK(poor->account->bytes == 0);
	pod_detach_all(poor);
	pod_release(poor);
	CHECK(pod_attach(left, NETWORK, here, 16) == 0);
	set_fault(FAULT_NONE, LEFT, RIGHT);
}

/* Live connections follow the configuration: paced while something concerns them, direct otherwise. */
static void test_conversions_keep_every_byte(void)
{
	link_pods((struct link_parameters){PERFECT});
	struct socket *listener = listen_right(1), *client = dial_right(0);
	struct ends ends = {listener, client, accept_now(listener)};
	const struct connection *connection = client->connection;
	u64 sent = 0, received = 0;
	for (u32 i = 0; i < 40; i++) {
		CHECK(send_pattern(client, 9, &sent, 10000) == 10000);
		link_pods(i % 2 ? (struct link_parameters){PERFECT} : slow(DELAY));
		CHECK((connection->stream[1].flow != NULL) == (i % 2 == 0));
		CHECK(send_pattern(client, 9, &sent, 777) == 777);
		if (i % 3)
			CHECK(receive_pattern(ends.server, 9, &received, 6000) == 6000);
		simulate(i % 4 * DELAY / 2);
	}
	CHECK(tcp_shutdown(client, TCP_SHUT_WRITE) == 0);
	link_pods(slow(DELAY));
	simulate(DELAY);
	while (received < sent)
		CHECK(receive_pattern(ends.server, 9, &received, 100000) > 0);
	CHECK(read_byte(ends.server) == 0);
	link_pods((struct link_parameters){PERFECT});
	CHECK(!connection->stream[0].flow && read_byte(ends.server) == 0 && write_byte(ends.server) == 1);
	CHECK(read_byte(client) == 1);
	close_ends(&ends);
}

/* Nothing concerns it any more when it is accepted. */
static void test_a_link_that_goes_during_a_handshake_leaves_a_direct_connection(void)
{
	link_pods(slow(DELAY));
	struct ends ends = {.listener = listen_right(1)};
	ends.client = dial_right(-E_INPROGRESS);
	simulate(DELAY);
	link_pods((struct link_parameters){PERFECT});
	simulate(2 * DELAY);
	CHECK(ends.client->connection->stream[0].flow);
	ends.server = accept_now(ends.listener);
	CHECK(!ends.client->connection->stream[0].flow);
	CHECK(write_byte(ends.client) == 1 && read_byte(ends.server) == 1);
	close_ends(&ends);
}

void test_lives(void)
{
	static const struct test tests[] = {
#define TEST(name) {#name, name}
		TEST(test_a_connect_takes_a_round_trip_and_an_accept_half_a_one_more),
		TEST(test_a_refusal_takes_a_round_trip),
		TEST(test_a_syn_is_sent_again_until_somebody_answers),
		TEST(test_a_connect_without_an_answer_times_out_as_in_linux),
		TEST(test_a_full_backlog_keeps_connects_waiting_in_order),
		TEST(test_a_listener_that_closes_resets_who_waits),
		TEST(test_bytes_and_the_end_come_after_the_delay),
		TEST(test_closing_leaves_the_rest_to_the_flow),
		TEST(test_unread_bytes_or_no_lingering_make_a_reset_of_a_close),
		TEST(test_what_nobody_will_read_is_answered_with_a_reset),
		TEST(test_a_cut_is_survived_or_times_out),
		TEST(test_a_reader_that_stops_stops_the_writer_and_goes_on),
		TEST(test_a_lost_window_update_does_not_stop_a_flow),
		TEST(test_held_packets_go_on_in_order),
		TEST(test_a_smaller_mtu_applies_to_what_is_under_way),
		TEST(test_nothing_stays_of_connections_closed_at_any_moment),
		TEST(test_half_open_connections_are_bounded_by_who_opens_them),
		TEST(test_conversions_keep_every_byte),
		TEST(test_a_link_that_goes_during_a_handshake_leaves_a_direct_connection),
#undef TEST
	};
	run_tests(tests, COUNT_OF(tests));
}

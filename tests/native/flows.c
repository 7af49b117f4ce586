/* flows PART SEED ROUNDS: run one part of the tests of TCP over paths. */
#include "tests/native/flows.h"

#include <stdio.h>

#include "vnet/fabric/errno.h"

struct socket *listen_right(u32 backlog)
{
	struct socket *listener = tcp_open(right);
	CHECK(listener && tcp_bind(listener, ADDRESS_ANY, PORT) == 0 && tcp_listen(listener, backlog) == 0);
	return listener;
}

struct socket *dial_right(int expected)
{
	struct socket *client = tcp_open(left);
	CHECK(client && tcp_connect(client, address_from_ipv4(ADDRESS_OF(RIGHT)), PORT, false) == expected);
	return client;
}

struct socket *accept_now(struct socket *listener)
{
	struct socket *server;
	CHECK(tcp_accept(listener, false, &server) == 0);
	return server;
}

struct ends open_ends(u32 window)
{
	struct ends ends = {.listener = listen_right(8)};
	ends.listener->receive_buffer = window;
	ends.client = dial_right(-E_INPROGRESS);
	while (ends.client->state == TCP_SYN_SENT || !ends.listener->queued)
		simulate(MSEC);
	ends.server = accept_now(ends.listener);
	return ends;
}

void close_ends(struct ends *ends)
{
	struct socket *all[] = {ends->client, ends->server, ends->listener};
	for (u32 i = 0; i < COUNT_OF(all); i++)
		if (all[i])
			tcp_close(all[i]);
	simulate_all();
}

void wait_for_bytes(struct patience *patience, struct socket *socket)
{
	patience->waiter = (struct waiter){.thread = current()};
	waitq_join(tcp_queue(socket, POLL_READ), &patience->waiter);
}

void wait_no_more(struct patience *patience)
{
	waitq_leave(&patience->waiter);
}

static u8 bytes[1 << 20];

i32 send_pattern(struct socket *socket, u64 key, u64 *at, u32 size)
{
	for (u32 i = 0; i < size; i++)
		bytes[i] = pattern(key, *at + i);
	i32 moved = tcp_write(socket, (uaddr)bytes, size, false);
	*at += moved > 0 ? (u32)moved : 0;
	return moved;
}

i32 receive_pattern(struct socket *socket, u64 key, u64 *at, u32 size)
{
	i32 moved = tcp_read(socket, (uaddr)bytes, size, false, false);
	for (i32 i = 0; i < moved; i++)
		CHECK(bytes[i] == pattern(key, *at + (u32)i));
	*at += moved > 0 ? (u32)moved : 0;
	return moved;
}

int main(int count, char **words)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"table", test_table}, {"lives", test_lives}, {"losses", test_losses}};
	u64 seed = count > 2 ? strtoull(words[2], NULL, 0) : 0;
	u32 rounds = count > 3 ? (u32)strtoul(words[3], NULL, 0) : 1;
	node_boot(count > 1 ? words[1] : "", seed);
	struct usage before = node_usage();
	identity_set((struct identity){.thread = current()}); /* undisturbed: there are no other threads */
	for (u32 i = 0; count > 1 && i < COUNT_OF(parts); i++) {
		if (strcmp(words[1], parts[i].name))
			continue;
		parts[i].run();
		node_expect(before);
		return 0;
	}
	if (count > 1 && strcmp(words[1], "chaos") == 0)
		test_chaos(seed, rounds);
	else if (count > 1 && strcmp(words[1], "conversions") == 0)
		test_conversions(seed, rounds);
	else
		return 2;
	node_expect(before);
	return 0;
}

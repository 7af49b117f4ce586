/* What needs no second thread: text, ports and routes, streams whose counters wrap, and outcomes of sockets. */
#include <stdio.h>

#include "tests/native/guest.h"
#include "pod_node/kernel/hidden.h"
#include "vnet/fabric/sockets/ports.h"
#include "vnet/fabric/text.h"

static void test_ipv4_is_read_strictly(void)
{
	static const char *const wrong[] = {"",          ".",         "1",          "1.2.3",    "1.2.3.", "1.2.3.4.",
					    "1.2.3.4.5", "1.2.3.256", "1.2.3.0004", "1..2.3",   ".1.2.3", "-1.2.3.4",
					    "1.2.3.4 ",  " 1.2.3.4",  "1.2.3.x",    "0x1.2.3.4"};
	struct address address;
	CHECK(read_ipv4("10.20.30.40", &address) && address_to_ipv4(address) == 0x0a141e28);
	CHECK(read_ipv4("255.255.255.255", &address) && address_to_ipv4(address) == 0xffffffff);
	CHECK(read_ipv4("0.0.0.0", &address) && address_is_any(address));
	for (u32 i = 0; i < COUNT_OF(wrong); i++)
		CHECK(!read_ipv4(wrong[i], &address));
}

static void test_an_address_that_was_written_is_read_back(void)
{
	u64 random = 1;
	for (u32 i = 0; i < 20000; i++) {
		u32 ipv4 = (u32)random_next(&random);
		char text[16];
		struct writer writer = {text, text + sizeof(text) - 1};
		struct address address;
		write_address(&writer, address_from_ipv4(ipv4));
		*writer.at = 0;
		CHECK(read_ipv4(text, &address) && address_to_ipv4(address) == ipv4);
	}
}

static void test_numbers_stop_at_their_limits(void)
{
	u32 number;
	i32 value;
	CHECK(read_number("4294967295", UINT32_MAX, &number) && number == UINT32_MAX);
	CHECK(!read_number("4294967296", UINT32_MAX, &number));
	CHECK(!read_number("99999999999999999999999", UINT32_MAX, &number));
	CHECK(read_number("65535", 65535, &number) && !read_number("65536", 65535, &number));
	CHECK(!read_number("", 9, &number) && !read_number("1x", 9, &number) && !read_number("-1", 9, &number));
	CHECK(read_signed("-2147483647", &value) && value == -2147483647);
	CHECK(read_signed("2147483647", &value) && value == 2147483647);
	CHECK(!read_signed("2147483648", &value) && !read_signed("-", &value) && !read_signed("--1", &value));
}

static void test_what_does_not_fit_is_dropped(void)
{
	char text[9] = "........";
	struct writer writer = {text, text + 4};
	write_number(&writer, INT64_MIN);
	write_text(&writer, "tail");
	CHECK(writer.at == text + 4 && memcmp(text, "-922....", 8) == 0);
	text_copy(text, "too long for it", 4);
	CHECK(text_equal(text, "too") && text[4] == '.');
}

static void test_words_end_at_separators_and_never_overflow(void)
{
	static const char path[] = "tcp/connect//x";
	struct reader reader = {path, path + sizeof(path) - 1};
	char word[8];
	CHECK(read_word(&reader, '/', word, sizeof(word)) && text_equal(word, "tcp"));
	CHECK(read_word(&reader, '/', word, sizeof(word)) && text_equal(word, "connect"));
	CHECK(!read_word(&reader, '/', word, sizeof(word))); /* empty */
	CHECK(read_word(&reader, '/', word, sizeof(word)) && text_equal(word, "x"));
	CHECK(!read_word(&reader, '/', word, sizeof(word)));
	reader = (struct reader){path, path + sizeof(path) - 1};
	CHECK(!read_word(&reader, 'z', word, sizeof(word)));
	static const char zero[] = {'a', 0, 'b'};
	reader = (struct reader){zero, zero + sizeof(zero)};
	CHECK(!read_word(&reader, '/', word, sizeof(word)));
}

static struct pod *make_pod(u32 host)
{
	struct pod *pod = pod_create("unit", NEVER, UINT32_MAX);
	CHECK(pod && pod_attach(pod, NETWORK, address_from_ipv4(ADDRESS_OF(host)), 16) == 0);
	return pod;
}

static void drop_pod(struct pod *pod)
{
	pod_detach_all(pod);
	pod_release(pod);
}

static void test_bound_ports_follow_linux_rules_of_sharing(void)
{
	struct pod *pod = make_pod(40);
	struct address own = address_from_ipv4(ADDRESS_OF(40)), loopback = address_from_ipv4(0x7f000001);
	struct socket *a = tcp_open(pod), *b = tcp_open(pod), *c = tcp_open(pod), *d = tcp_open(pod);
	CHECK(a && b && c && d);
	CHECK(tcp_bind(a, address_from_ipv4(ADDRESS_OF(41)), 80) == -E_ADDRNOTAVAIL);
	CHECK(tcp_bind(a, own, 65536) == -E_INVAL && tcp_bind(a, own, 80) == 0 && tcp_bind(a, own, 81) == -E_INVAL);
	CHECK(tcp_bind(b, ADDRESS_ANY, 80) == -E_ADDRINUSE && tcp_bind(b, loopback, 80) == 0);
	a->reuse_address = c->reuse_address = true;
	CHECK(tcp_bind(c, own, 80) == 0 && tcp_listen(a, 1) == 0 && tcp_listen(c, 1) == -E_ADDRINUSE);
	d->reuse_address = true;
	CHECK(tcp_bind(d, own, 80) == -E_ADDRINUSE); /* somebody listens now */
	lock_acquire(&network_lock);
	CHECK(port_listener(pod, own, 80) == a && !port_listener(pod, loopback, 80) && !port_listener(pod, own, 81));
	lock_release(&network_lock);
	tcp_close(a), tcp_close(b), tcp_close(c), tcp_close(d);
	drop_pod(pod);
}

static void test_every_ephemeral_port_is_given_once(void)
{
	enum { FIRST = 32768, LAST = 60999, PORTS = LAST - FIRST + 1 };
	static struct socket *sockets[PORTS];
	static bool seen[65536];
	struct pod *pod = make_pod(42);
	for (u32 i = 0; i < PORTS; i++) {
		CHECK((sockets[i] = tcp_open(pod)) && tcp_bind(sockets[i], ADDRESS_ANY, 0) == 0);
		u32 port = sockets[i]->local_port;
		CHECK(port >= FIRST && port <= LAST && !seen[port]);
		seen[port] = true;
	}
	struct socket *more = tcp_open(pod);
	CHECK(more && tcp_bind(more, ADDRESS_ANY, 0) == -E_ADDRINUSE && tcp_bind(more, ADDRESS_ANY, 80) == 0);
	u32 freed = sockets[777]->local_port;
	tcp_close(sockets[777]);
	sockets[777] = tcp_open(pod);
	CHECK(sockets[777] && tcp_bind(sockets[777], ADDRESS_ANY, 0) == 0 && sockets[777]->local_port == freed);
	for (u32 i = 0; i < PORTS; i++)
		tcp_close(sockets[i]);
	tcp_close(more);
	drop_pod(pod);
}

static void test_routes_need_a_network_in_common(void)
{
	struct pod *a = make_pod(43), *b = pod_create("b", NEVER, 8);
	struct address there = address_from_ipv4(0x0a140001);
	struct socket *socket = tcp_open(a);
	CHECK(socket && b && pod_attach(b, NETWORK + 1, there, 16) == 0);
	CHECK(pod_attach(a, NETWORK + 1, there, 16) == -E_ADDRINUSE);
	CHECK(tcp_connect(socket, there, 80, false) == -E_NETUNREACH);
	CHECK(tcp_connect(socket, address_from_ipv4(0x0a140002), 80, false) == -E_HOSTUNREACH);
	CHECK(tcp_connect(socket, ADDRESS_ANY, 80, false) == -E_CONNREFUSED);
	CHECK(!socket->bound && address_is_any(socket->local)); /* failures leave nothing behind */
	tcp_close(socket);
	drop_pod(a);
	drop_pod(b);
}

/* Bytes keep their order while the counters, which begin shortly before, pass 2^31 or 2^32, at every buffer size on the
 * way; what was written is known in 64 bits. */
static void pass_counters(u32 start)
{
	struct account *account = account_create(NEVER, 0);
	struct stream stream;
	u64 random = 7, put = 0, got = 0;
	static u8 bytes[70000];
	CHECK(account);
	stream_open(&stream, account, 65536);
	atomic_store(&stream.head, start);
	atomic_store(&stream.tail, start);
	while (got < 4u << 20) {
		u32 size = 1 + (u32)random_next(&random) % (1u << random_next(&random) % 17);
		for (u32 i = 0; i < size; i++)
			bytes[i] = pattern(3, put + i);
		i32 moved = stream_put(&stream, (uaddr)bytes, size);
		CHECK(moved >= 0 && (u32)moved <= size);
		put += (u64)moved;
		CHECK(put - got == stream_unread(&stream) && put - got <= 65536);
		CHECK(stream_written(&stream) == start + put && stream_delivered(&stream) == start + put);
		moved = stream_get(&stream, (uaddr)bytes, 1 + (u32)random_next(&random) % 40000, false);
		for (i32 i = 0; i < moved; i++)
			CHECK(bytes[i] == pattern(3, got + (u32)i));
		got += (u64)moved;
		if (random_next(&random) % 4 == 0)
			stream_trim(&stream);
	}
	stream_release(&stream);
	CHECK(account->bytes == 0);
	account_release(account);
}

static void test_a_stream_survives_the_wrap_of_its_counters(void)
{
	pass_counters(0x7fff0000u);
	pass_counters(0xffff0000u);
}

/* A connect whose own pod cannot pay fails at once and holds nobody up. */
static void test_a_poor_client_does_not_hold_up_the_backlog(void)
{
	struct pod *server = make_pod(44), *rich = make_pod(45);
	struct pod *poor = pod_create("poor", 1024, 8);
	struct address to = address_from_ipv4(ADDRESS_OF(44));
	struct socket *listener = tcp_open(server), *first = tcp_open(rich), *second = tcp_open(poor),
		      *third = tcp_open(rich);
	struct socket *accepted;
	CHECK(poor && pod_attach(poor, NETWORK, address_from_ipv4(ADDRESS_OF(46)), 16) == 0);
	CHECK(listener && first && second && third && tcp_bind(listener, ADDRESS_ANY, 80) == 0 &&
	      tcp_listen(listener, 1) == 0);
	CHECK(tcp_connect(first, to, 80, false) == 0);
	CHECK(tcp_connect(second, to, 80, false) == -E_INPROGRESS);
	CHECK(tcp_connect(third, to, 80, false) == -E_INPROGRESS);
	void *rest = memory_allocate(poor->account, 300); /* now it has too little for a connection */
	CHECK(rest && tcp_accept(listener, false, &accepted) == 0);
	CHECK(tcp_take_error(second) == E_NOBUFS && atomic_load(&third->state) == TCP_ESTABLISHED);
	memory_free(poor->account, rest, 300);
	tcp_close(accepted), tcp_close(first), tcp_close(second), tcp_close(third), tcp_close(listener);
	drop_pod(poor);
	drop_pod(rich);
	drop_pod(server);
}

static void test_a_connection_waits_while_there_is_no_descriptor_for_it(void)
{
	struct guest *guest = guest_create(47, (struct limits){NEVER, 16, 9}, 0);
	CHECK(guest != NULL);
	struct identity node = identity_set(guest_identity(guest));
	int listener = sys_open(guest, OPEN_NONBLOCK, "tcp/listen/0.0.0.0/80");
	int client = sys_open(guest, OPEN_NONBLOCK, "tcp/connect/127.0.0.1/80");
	int last = sys_open(guest, 0, "hostname");
	CHECK(listener >= 0 && client >= 0 && last >= 0);
	CHECK(sys_accept(guest, (u32)listener) == -WASI_MFILE);
	CHECK(sys_open(guest, 0, "tcp/accept/%u", sys_socket_id(guest, (u32)listener)) == -WASI_MFILE);
	CHECK(sys_close(guest, (u32)last) == 0);
	CHECK(sys_accept(guest, (u32)listener) == last && sys_read(guest, (u32)client, GUEST_DATA, 1) == -WASI_AGAIN);
	identity_set(node);
	guest_reap(guest);
}

static void test_a_reset_after_a_part_is_reported_by_the_next_call(void)
{
	struct guest *guest = guest_create(48, NO_LIMITS, 0);
	CHECK(guest != NULL);
	struct identity node = identity_set(guest_identity(guest));
	int first = sys_open(guest, 0, "tcp/pair");
	int second = sys_open(guest, 0, "tcp/pair/%u", sys_socket_id(guest, (u32)first));
	CHECK(first >= 0 && second >= 0);
	CHECK(sys_write(guest, (u32)first, GUEST_DATA, 4) == 4);
	CHECK(sys_control(guest, (u32)first, "set", "linger 0") == 0 && sys_close(guest, (u32)first) == 0);
	CHECK(sys_receive(guest, (u32)second, GUEST_DATA, 8, 2) == 4);
	CHECK(sys_read(guest, (u32)second, GUEST_DATA, 8) == -WASI_CONNRESET);
	CHECK(sys_read(guest, (u32)second, GUEST_DATA, 8) == 0);
	CHECK(sys_write(guest, (u32)second, GUEST_DATA, 8) == -WASI_PIPE);
	identity_set(node);
	guest_reap(guest);
}

/* As Linux: the FIN ends reading, and the broken pipe is for writers. */
static void test_reading_after_the_end_stays_at_the_end(void)
{
	struct guest *guest = guest_create(49, NO_LIMITS, 0);
	CHECK(guest != NULL);
	struct identity node = identity_set(guest_identity(guest));
	int first = sys_open(guest, 0, "tcp/pair");
	int second = sys_open(guest, 0, "tcp/pair/%u", sys_socket_id(guest, (u32)first));
	CHECK(first >= 0 && second >= 0 && sys_close(guest, (u32)first) == 0);
	CHECK(sys_write(guest, (u32)second, GUEST_DATA, 1) == 1);
	CHECK(sys_read(guest, (u32)second, GUEST_DATA, 1) == 0);
	CHECK(sys_socket_error(guest, (u32)second) == WASI_PIPE);
	CHECK(sys_write(guest, (u32)second, GUEST_DATA, 1) == -WASI_PIPE);
	CHECK(sys_read(guest, (u32)second, GUEST_DATA, 1) == 0);
	identity_set(node);
	guest_reap(guest);
}

static bool hides(struct hidden *hidden, const char *path)
{
	return hidden_has(hidden, path, text_length(path));
}

static void hide(struct hidden *hidden, const char *path, bool directory)
{
	struct hidden_path *made = hidden_make(hidden, path, text_length(path));
	CHECK(made != NULL);
	hidden_put(hidden, made, directory);
}

static void test_a_hidden_path_takes_along_what_is_below_it(void)
{
	struct account *account = account_create(1 << 20, 1);
	struct hidden hidden = {.account = account};
	char texts[64];
	CHECK(!hides(&hidden, "/a") && !hides(&hidden, ""));
	hide(&hidden, "/a/b", false);
	hide(&hidden, "/a/bc/d", false);
	CHECK(hides(&hidden, "/a/b") && hides(&hidden, "/a/b/c/d") && hides(&hidden, "/a/bc/d"));
	CHECK(!hides(&hidden, "/a") && !hides(&hidden, "/a/bc") && !hides(&hidden, "/a/bcd") && !hides(&hidden, "/b"));
	CHECK(hidden_list(&hidden, 0, texts, sizeof(texts)) == 2);
	CHECK(hidden_list(&hidden, 1, texts, sizeof(texts)) == 1 && hidden_list(&hidden, 2, texts, sizeof(texts)) == 0);
	CHECK(hidden_list(&hidden, 0, texts, 4) == 0);
	hide(&hidden, "/a", true);
	CHECK(hidden_list(&hidden, 0, texts, sizeof(texts)) == 1 && text_equal(texts, "/a"));
	CHECK(hides(&hidden, "/a/bc") && hides(&hidden, "/a") && !hides(&hidden, "/ab"));
	hidden_drop(&hidden, hidden_make(&hidden, "/dropped", 8));
	hidden_clear(&hidden);
	CHECK(!hides(&hidden, "/a") && account->bytes == 0);
	account_release(account);
}

static void test_what_cannot_be_paid_for_is_not_hidden(void)
{
	struct account *account = account_create(4096, 1);
	struct hidden hidden = {.account = account};
	char path[] = "/a/0000";
	u32 put = 0;
	for (;; put++) {
		struct hidden_path *made = hidden_make(&hidden, path, sizeof(path) - 1);
		if (!made)
			break;
		hidden_put(&hidden, made, false);
		for (u32 at = sizeof(path) - 2; ++path[at] > '9'; at--)
			path[at] = '0';
	}
	CHECK(put > 10 && !hides(&hidden, path) && hides(&hidden, "/a/0000") && hidden.count == put);
	hidden_clear(&hidden);
	account_release(account);
}

static void test_an_awaited_port_is_ready_once_somebody_listens(void)
{
	struct pod *pod = make_pod(47);
	struct socket *other = tcp_open(pod), *wanted = tcp_open(pod);
	u32 tokens[2];
	i32 fd = host_await_port(ADDRESS_OF(47), 80);
	CHECK(other && wanted && fd >= 0 && host_await_port(ADDRESS_OF(48), 80) == -E_HOSTUNREACH);
	CHECK(tcp_bind(other, ADDRESS_ANY, 81) == 0 && tcp_bind(wanted, ADDRESS_ANY, 80) == 0);
	CHECK(host_watch((u32)fd, POLL_READ) == 0 && ready_take(tokens, 2) == 0);
	CHECK(tcp_listen(other, 1) == 0); /* not there, but worth a look */
	CHECK(ready_take(tokens, 2) == 1 && tokens[0] == (u32)fd << 1 && host_watch((u32)fd, POLL_READ) == 0);
	CHECK(tcp_listen(wanted, 1) == 0 && ready_take(tokens, 2) == 1 && host_watch((u32)fd, POLL_READ) == 1);
	CHECK(tcp_listen(wanted, 2) == 0 && ready_take(tokens, 2) == 0); /* it listens already */
	tcp_close(wanted);
	CHECK(host_watch((u32)fd, POLL_READ) == 0);
	drop_pod(pod); /* and the one who waits still holds it */
	CHECK(host_close(fd) == 0);
	tcp_close(other);
}

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
#define TEST(name) {#name, name}
	TEST(test_ipv4_is_read_strictly),
	TEST(test_an_address_that_was_written_is_read_back),
	TEST(test_numbers_stop_at_their_limits),
	TEST(test_what_does_not_fit_is_dropped),
	TEST(test_words_end_at_separators_and_never_overflow),
	TEST(test_bound_ports_follow_linux_rules_of_sharing),
	TEST(test_every_ephemeral_port_is_given_once),
	TEST(test_routes_need_a_network_in_common),
	TEST(test_a_stream_survives_the_wrap_of_its_counters),
	TEST(test_a_poor_client_does_not_hold_up_the_backlog),
	TEST(test_a_connection_waits_while_there_is_no_descriptor_for_it),
	TEST(test_a_reset_after_a_part_is_reported_by_the_next_call),
	TEST(test_reading_after_the_end_stays_at_the_end),
	TEST(test_a_hidden_path_takes_along_what_is_below_it),
	TEST(test_what_cannot_be_paid_for_is_not_hidden),
	TEST(test_an_awaited_port_is_ready_once_somebody_listens),
#undef TEST
};

int main(void)
{
	node_boot("units", 0);
	for (u32 i = 0; i < COUNT_OF(tests); i++) {
		struct usage before = node_usage();
		printf("%s\n", tests[i].name);
		fflush(stdout);
		tests[i].run();
		node_expect(before);
	}
	return 0;
}

/* The host endpoint's part: an event loop on the node's thread, fed by a doorbell thread with tokens of one-shot
 * watches, echoes what guests send to it, and what they write to stdout to their stdin. */
#include "tests/native/stress.h"

#define CLIENTS 6u
#define FIRST 10u
#define PORT 7u
#define FDS 4096u
#define BATCH 64u
#define BUFFER 8192u
#define ROUND_TRIPS 6u
#define BYTES 60000u
#define AT_OUT GUEST_DATA
#define AT_IN (GUEST_DATA + 65536u)

/* Tokens on their way from the doorbell to the loop. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t arrived;
	u32 count;
	u32 tokens[READY_TOKENS];
} mailbox = {.mutex = PTHREAD_MUTEX_INITIALIZER, .arrived = PTHREAD_COND_INITIALIZER};

struct doorbell {
	struct thread *thread;
	u32 *buffer;
};

static void *doorbell_main(void *argument)
{
	const struct doorbell *doorbell = argument;
	identity_set((struct identity){.thread = doorbell->thread, .noise = 77});
	for (;;) {
		i32 count = host_wait((uaddr)doorbell->buffer, BATCH);
		if (count < 0)
			return NULL;
		pthread_mutex_lock(&mailbox.mutex);
		CHECK(mailbox.count + (u32)count <= READY_TOKENS);
		memcpy(mailbox.tokens + mailbox.count, doorbell->buffer, (u32)count * sizeof(u32));
		mailbox.count += (u32)count;
		pthread_cond_signal(&mailbox.arrived);
		pthread_mutex_unlock(&mailbox.mutex);
	}
}

/* What comes in at one descriptor goes out at another. */
struct echo {
	bool open;
	u32 to;
	u32 held, sent;
	u8 buffer[BUFFER];
};

static struct echo echoes[FDS];
static u32 listener, open_echoes;

static void step(u32 token);

static void watch(u32 fd, u32 event)
{
	i32 result = host_watch(fd, event);
	CHECK(result == 0 || result == 1);
	if (result == 1) {
		pthread_mutex_lock(&mailbox.mutex);
		mailbox.tokens[mailbox.count++] = fd << 1 | (event == POLL_WRITE);
		pthread_mutex_unlock(&mailbox.mutex);
	}
}

static void open_echo(u32 fd, u32 to)
{
	CHECK(fd < FDS);
	echoes[fd] = (struct echo){.open = true, .to = to};
	open_echoes++;
	watch(fd, POLL_READ);
}

static void close_echo(u32 fd)
{
	struct echo *echo = &echoes[fd];
	echo->open = false;
	open_echoes--;
	if (echo->to == fd)
		CHECK(host_close(fd) == 0);
}

static void accept_all(void)
{
	i32 fd;
	while ((fd = host_accept(listener)) >= 0)
		open_echo((u32)fd, (u32)fd);
	CHECK(fd == -E_AGAIN);
	watch(listener, POLL_READ);
}

static void flush(u32 fd)
{
	struct echo *echo = &echoes[fd];
	i32 sent = host_write(echo->to, (uaddr)echo->buffer + echo->sent, echo->held - echo->sent);
	if (sent < 0 && sent != -E_AGAIN) {
		close_echo(fd);
		return;
	}
	echo->sent += sent > 0 ? (u32)sent : 0;
	if (echo->sent == echo->held)
		watch(fd, POLL_READ);
	else
		watch(echo->to, POLL_WRITE);
}

static void fill(u32 fd)
{
	struct echo *echo = &echoes[fd];
	i32 got = host_read(fd, (uaddr)echo->buffer, BUFFER);
	if (got == -E_AGAIN) {
		watch(fd, POLL_READ);
	} else if (got <= 0) {
		close_echo(fd);
	} else {
		echo->held = (u32)got;
		echo->sent = 0;
		flush(fd);
	}
}

/* Which echo writes to this descriptor. */
static u32 source_of(u32 to)
{
	if (echoes[to].open && echoes[to].to == to)
		return to;
	for (u32 fd = 0; fd < FDS; fd++)
		if (echoes[fd].open && echoes[fd].to == to)
			return fd;
	return FDS;
}

/* Tokens may be stale, so they are only hints. */
static void step(u32 token)
{
	u32 fd = token >> 1;
	bool writing = token & 1;
	if (fd == listener) {
		accept_all();
		return;
	}
	if (writing)
		fd = source_of(fd);
	if (fd >= FDS || !echoes[fd].open)
		return;
	bool unsent = echoes[fd].sent < echoes[fd].held;
	if (writing && unsent)
		flush(fd);
	else if (!writing && !unsent)
		fill(fd);
}

static void deliver(void)
{
	static u32 batch[READY_TOKENS];
	pthread_mutex_lock(&mailbox.mutex);
	while (mailbox.count == 0)
		pthread_cond_wait(&mailbox.arrived, &mailbox.mutex);
	u32 count = mailbox.count;
	memcpy(batch, mailbox.tokens, count * sizeof(u32));
	mailbox.count = 0;
	pthread_mutex_unlock(&mailbox.mutex);
	for (u32 i = 0; i < count; i++)
		step(batch[i]);
}

/* Send through `out`, expect the same at `in`. */
static void round_trip(struct guest *self, u32 out, u32 in, u64 key)
{
	u32 size = 1 + random_below(&self->random, BYTES), got = 0, sent = 0;
	for (u32 i = 0; i < size; i++)
		self->memory[AT_OUT + i] = pattern(key, i);
	while (got < size) {
		if (sent < size) {
			u32 chunk = 1 + random_below(&self->random, 9000);
			int count = sys_write(self, out, AT_OUT + sent, MIN(size - sent, chunk));
			CHECK(count > 0);
			sent += (u32)count;
		}
		int count =
			sent < size && random_below(&self->random, 2) ? 0 : sys_read(self, in, AT_IN + got, sent - got);
		CHECK(count >= 0);
		got += (u32)count;
	}
	CHECK(memcmp(self->memory + AT_OUT, self->memory + AT_IN, size) == 0);
}

static void echo_client(struct guest *self)
{
	for (u32 i = 0; i < ROUND_TRIPS; i++) {
		int fd = sys_open(self, 0, "tcp/connect/10.10.0.1/%u", PORT);
		CHECK(fd >= 0);
		round_trip(self, (u32)fd, (u32)fd, self->random);
		if (random_below(&self->random, 3) == 0)
			sys_write(self, (u32)fd, AT_OUT, BYTES / 2); /* the answer to which resets the connection */
		CHECK(sys_close(self, (u32)fd) == 0);
		round_trip(self, 1, 0, self->random);
	}
	CHECK(sys_close(self, 1) == 0); /* the loop sees the end of stdout last */
}

static void watch_round(u64 seed)
{
	struct guest *guests[CLIENTS];
	for (u32 i = 0; i < CLIENTS; i++) {
		guests[i] = guest_boot(FIRST + i, echo_client, NULL, seed + i);
		open_echo(guests[i]->stdio[1], guests[i]->stdio[0]);
	}
	while (open_echoes)
		deliver();
	for (u32 i = 0; i < CLIENTS; i++)
		guest_end(guests[i]);
}

void stress_watch(u64 seed, u32 rounds)
{
	pthread_t thread;
	i32 buffer = host_token_buffer(BATCH);
	CHECK(buffer > 0);
	struct doorbell doorbell = {(struct thread *)(uintptr_t)host_thread(), (u32 *)(uintptr_t)(u32)buffer};
	CHECK(pthread_create(&thread, NULL, doorbell_main, &doorbell) == 0);
	i32 fd = host_listen(ADDRESS_OF(1), PORT, 2);
	CHECK(fd >= 0);
	listener = (u32)fd;
	watch(listener, POLL_READ);
	for (u32 round = 0; round < rounds; round++)
		watch_round(seed + round * 100);
	CHECK(host_close(listener) == 0);
	host_stop();
	CHECK(pthread_join(thread, NULL) == 0);
	memory_free(NULL, doorbell.buffer, BATCH * sizeof(u32));
}

/* Datagrams that tell what became of them: numbered, timed, and filled with what follows from their number.
 *
 *   datagrams receive CHECKED PORT                 until there are none for a while; CHECKED 0 takes damaged ones too
 *   datagrams send ADDRESS PORT COUNT LEAST MOST   of sizes in between, a few every millisecond
 *
 * The receiver prints {"arrived": numbers seen, "copies": seen again, "early": before one sent sooner, "damaged": of
 * another size or content, "overflowed": for want of room, "median_ns": of the delays, "quartiles_ns": their distance}. */
#include "program.h"

#define BUFFER 65536
#define DATAGRAMS_MOST 20000u
#define FIRST_MS 20000 /* boot of the sender */
#define QUIET_MS 1500
#define BURST 2 /* a millisecond: what waits in a full receive buffer took 150 ms to come */
#define UDP_DROPS 0x1001 /* podnet's own option: what found no room in the receive buffer */

struct header {
  uint32_t number, size;
  uint64_t sent_ns, check;
};

static unsigned char buffer[BUFFER];
static uint32_t order[DATAGRAMS_MOST]; /* numbers as they arrived, copies left out */
static uint64_t delay_ns[DATAGRAMS_MOST];
static unsigned char seen[DATAGRAMS_MOST];

static unsigned char content(uint32_t number, size_t at) { return (unsigned char)(number * 31 + at); }

static uint64_t check_of(const struct header *h) { return ~(h->sent_ns ^ ((uint64_t)h->number << 32 | h->size)); }

static void fill(uint32_t number, size_t size) {
  struct header header = {.number = number, .size = (uint32_t)size, .sent_ns = monotonic_ns()};
  header.check = check_of(&header);
  for (size_t i = sizeof header; i < size; i++) buffer[i] = content(number, i);
  memcpy(buffer, &header, sizeof header);
}

/* Whether the datagram in the buffer is as `fill` has made it. */
static int intact(size_t size, struct header *header) {
  if (size < sizeof *header) return 0;
  memcpy(header, buffer, sizeof *header);
  if (header->number >= DATAGRAMS_MOST || header->size != size || header->check != check_of(header)) return 0;
  for (size_t i = sizeof *header; i < size; i++)
    if (buffer[i] != content(header->number, i)) return 0;
  return 1;
}

static void set_patience(int fd, int ms) {
  struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) fail("SO_RCVTIMEO");
}

static int open_receiver(const char *port, int checked) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), unchecked = !checked;
  struct sockaddr_in e = endpoint("0.0.0.0", port);
  if (fd < 0 || bind(fd, (struct sockaddr *)&e, sizeof e) != 0) fail("bind");
  if (setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &unchecked, sizeof unchecked) != 0) fail("SO_NO_CHECK");
  printf("listening %s\n", port);
  fflush(stdout);
  return fd;
}

/* How many arrived before one that had been sent sooner. */
static uint32_t count_early(uint32_t arrived) {
  uint32_t early = 0, least = DATAGRAMS_MOST;
  for (uint32_t i = arrived; i-- > 0;) {
    early += least < order[i];
    if (order[i] < least) least = order[i];
  }
  return early;
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static unsigned long long quantile(uint32_t arrived, uint32_t quarters) {
  return delay_ns[(uint64_t)arrived * quarters / 4];
}

static void report_delays(uint32_t arrived) {
  qsort(delay_ns, arrived, sizeof *delay_ns, ascending);
  printf("\"median_ns\": %llu, \"quartiles_ns\": %llu}\n", quantile(arrived, 2),
         quantile(arrived, 3) - quantile(arrived, 1));
}

static int receive(const char *port, int checked) {
  int fd = open_receiver(port, checked), overflowed;
  uint32_t arrived = 0, copies = 0, damaged = 0;
  struct header header;
  socklen_t length = sizeof overflowed;
  ssize_t n;
  set_patience(fd, FIRST_MS);
  while ((n = recv(fd, buffer, sizeof buffer, 0)) >= 0) {
    uint64_t now = monotonic_ns();
    if (arrived + damaged == 0) set_patience(fd, QUIET_MS);
    if (!intact((size_t)n, &header)) {
      damaged++;
    } else if (seen[header.number]) {
      copies++;
    } else {
      seen[header.number] = 1;
      delay_ns[arrived] = now - header.sent_ns;
      order[arrived++] = header.number;
    }
  }
  if (errno != EAGAIN) fail("recv");
  if (getsockopt(fd, IPPROTO_UDP, UDP_DROPS, &overflowed, &length) != 0) fail("UDP_DROPS");
  printf("{\"arrived\": %u, \"copies\": %u, \"early\": %u, \"damaged\": %u, \"overflowed\": %d, ", arrived, copies,
         count_early(arrived), damaged, overflowed);
  report_delays(arrived);
  return 0;
}

static int send_all(const char *address, const char *port, uint32_t count, size_t least, size_t most) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = endpoint(address, port);
  if (fd < 0) fail("socket");
  for (uint32_t number = 0; number < count; number++) {
    size_t size = least + number * 7919u % (most - least + 1);
    fill(number, size);
    if (sendto(fd, buffer, size, 0, (struct sockaddr *)&to, sizeof to) != (ssize_t)size) fail("sendto");
    if (number % BURST == BURST - 1) sleep_ns(1000000);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "receive") == 0) return receive(argv[3], atoi(argv[2]));
  if (argc == 7 && strcmp(argv[1], "send") == 0) {
    uint32_t count = (uint32_t)strtoul(argv[4], NULL, 10);
    size_t least = strtoul(argv[5], NULL, 10), most = strtoul(argv[6], NULL, 10);
    if (count > DATAGRAMS_MOST || least < sizeof(struct header) || most > sizeof buffer || least > most) fail("sizes");
    return send_all(argv[2], argv[3], count, least, most);
  }
  fprintf(stderr, "usage: datagrams receive CHECKED PORT | datagrams send ADDRESS PORT COUNT LEAST MOST\n");
  return 2;
}

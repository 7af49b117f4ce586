/* What a network does, as the programs on both sides of it see it.
 *
 *   truth receive WINDOW SECONDS PORT    reads for so long from the first byte; prints {"bytes": N, "seconds": S}
 *   truth send ADDRESS PORT              writes until nobody reads
 *   truth echo PORT
 *   truth ping ADDRESS PORT COUNT        prints {"median_ns": M, "least_ns": L} of round trips of a byte */
#include "program.h"

#define BUFFER (64 * 1024)
#define MOST_PINGS 1000

static char buffer[BUFFER];

static void ignore_until_end(int fd) {
  while (recv(fd, buffer, sizeof buffer, 0) > 0) continue;
}

static int receive(const char *port, int window, double seconds) {
  int listener = announce_listener(port);
  if (setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &window, sizeof window) != 0) fail("setsockopt");
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) fail("accept");
  uint64_t total = 0, begin = 0, now = 0;
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    now = monotonic_ns();
    if (begin == 0) begin = now;
    total += (uint64_t)n;
    if ((double)(now - begin) >= seconds * 1e9) break;
  }
  printf("{\"bytes\": %llu, \"seconds\": %.9f}\n", (unsigned long long)total, (double)(now - begin) / 1e9);
  return 0;
}

static int send_on(int fd) {
  while (send(fd, buffer, sizeof buffer, 0) > 0) continue;
  return 0;
}

static int echo(const char *port) {
  int fd = accept_one(port);
  while (recv(fd, buffer, 1, 0) == 1)
    if (send(fd, buffer, 1, 0) != 1) fail("send");
  return 0;
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static int ping(int fd, int count) {
  static uint64_t sample[MOST_PINGS];
  if (count < 1 || count > MOST_PINGS) fail("count");
  for (int i = 0; i < count; i++) {
    uint64_t begin = monotonic_ns();
    if (send(fd, buffer, 1, 0) != 1) fail("send");
    if (recv(fd, buffer, 1, 0) != 1) fail("recv");
    sample[i] = monotonic_ns() - begin;
  }
  qsort(sample, (size_t)count, sizeof *sample, ascending);
  printf("{\"median_ns\": %llu, \"least_ns\": %llu}\n", (unsigned long long)sample[count / 2],
         (unsigned long long)sample[0]);
  shutdown(fd, SHUT_WR);
  ignore_until_end(fd);
  return 0;
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  if (argc == 5 && strcmp(verb, "receive") == 0) return receive(argv[4], atoi(argv[2]), atof(argv[3]));
  if (argc == 4 && strcmp(verb, "send") == 0) return send_on(dial(argv[2], argv[3]));
  if (argc == 3 && strcmp(verb, "echo") == 0) return echo(argv[2]);
  if (argc == 5 && strcmp(verb, "ping") == 0) return ping(dial(argv[2], argv[3]), atoi(argv[4]));
  fprintf(stderr,
          "usage: truth receive WINDOW SECONDS PORT | send ADDRESS PORT | echo PORT | ping ADDRESS PORT COUNT\n");
  return 2;
}

/* One byte there and one byte back.
 *
 *   round_trip answer PORT
 *   round_trip ask ADDRESS PORT SECONDS START_NS    prints {"rounds": N, "median_ns": M, "p99_ns": P, "seconds": S} */
#include "program.h"

#define WARM_UP_ROUNDS 500
#define SAMPLES 500000 /* past these, new rounds overwrite the oldest */

static uint32_t sample[SAMPLES];

static int answer(const char *port) {
  int fd = accept_one(port);
  char byte;
  ssize_t n;
  while ((n = recv(fd, &byte, 1, 0)) == 1)
    if (send(fd, &byte, 1, 0) != 1) fail("send");
  if (n < 0) fail("recv");
  return 0;
}

static void round_trip(int fd) {
  char byte = 'x';
  if (send(fd, &byte, 1, 0) != 1) fail("send");
  if (recv(fd, &byte, 1, 0) != 1) fail("recv");
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static int ask(int fd, double seconds, uint64_t start_ns) {
  uint64_t rounds = 0, begin, before, now;
  for (int i = 0; i < WARM_UP_ROUNDS; i++) round_trip(fd);
  wait_for_start(start_ns);
  begin = now = monotonic_ns();
  uint64_t deadline = begin + (uint64_t)(seconds * 1e9);
  while (now < deadline) {
    before = now;
    round_trip(fd);
    now = monotonic_ns();
    sample[rounds++ % SAMPLES] = (uint32_t)(now - before);
  }
  close(fd);
  size_t kept = rounds < SAMPLES ? (size_t)rounds : SAMPLES;
  qsort(sample, kept, sizeof sample[0], ascending);
  printf("{\"rounds\": %llu, \"median_ns\": %u, \"p99_ns\": %u, \"seconds\": %.9f}\n", (unsigned long long)rounds,
         sample[kept / 2], sample[kept - 1 - kept / 100], (double)(now - begin) / 1e9);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "answer") == 0) return answer(argv[2]);
  if (argc == 6 && strcmp(argv[1], "ask") == 0)
    return ask(dial(argv[2], argv[3]), atof(argv[4]), strtoull(argv[5], NULL, 10));
  fprintf(stderr, "usage: round_trip answer PORT | round_trip ask ADDRESS PORT SECONDS START_NS\n");
  return 2;
}

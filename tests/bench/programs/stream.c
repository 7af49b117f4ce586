/* One TCP stream, as fast as it goes.
 *
 *   stream receive PORT                                   prints {"bytes": N, "seconds": S}, from the first byte to the end
 *   stream send ADDRESS PORT SECONDS CHUNK START_NS       writes CHUNK bytes at a time from wall-clock START_NS (0: now) */
#include "program.h"

#define BUFFER (256 * 1024)

static char buffer[BUFFER];

static int receive(const char *port) {
  int fd = accept_one(port);
  uint64_t total = 0, first = 0;
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    if (total == 0) first = monotonic_ns();
    total += (uint64_t)n;
  }
  if (n < 0) fail("recv");
  printf("{\"bytes\": %llu, \"seconds\": %.9f}\n", (unsigned long long)total, (double)(monotonic_ns() - first) / 1e9);
  return 0;
}

static int send_for(int fd, double seconds, size_t chunk) {
  uint64_t deadline = monotonic_ns() + (uint64_t)(seconds * 1e9);
  while (monotonic_ns() < deadline) {
    for (size_t sent = 0; sent < chunk;) {
      ssize_t n = send(fd, buffer + sent, chunk - sent, 0);
      if (n < 0) fail("send");
      sent += (size_t)n;
    }
  }
  close(fd);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "receive") == 0) return receive(argv[2]);
  if (argc == 7 && strcmp(argv[1], "send") == 0) {
    size_t chunk = (size_t)atoi(argv[5]);
    if (chunk == 0 || chunk > sizeof buffer) fail("chunk");
    memset(buffer, 'x', sizeof buffer);
    int fd = dial(argv[2], argv[3]);
    wait_for_start(strtoull(argv[6], NULL, 10));
    return send_for(fd, atof(argv[4]), chunk);
  }
  fprintf(stderr, "usage: stream receive PORT | stream send ADDRESS PORT SECONDS CHUNK START_NS\n");
  return 2;
}

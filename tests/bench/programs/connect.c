/* Connections opened and closed again, one after the other.
 *
 *   connect accept PORT
 *   connect repeat ADDRESS PORT SECONDS START_NS   to one port
 *   connect scan ADDRESS SECONDS                   to one port after the other, where nobody listens
 *
 * The latter two print {"connections": N, "seconds": S}. */
#include "program.h"

#define FIRST_PORT 10000u
#define PORTS 40000u

static int accept_for_ever(const char *port) {
  int listener = announce_listener(port), fd;
  while ((fd = accept(listener, NULL, NULL)) >= 0) close(fd);
  fail("accept");
  return 1;
}

static void report(uint64_t connections, uint64_t begin, uint64_t end) {
  printf("{\"connections\": %llu, \"seconds\": %.9f}\n", (unsigned long long)connections, (double)(end - begin) / 1e9);
}

static int repeat(const char *address, const char *port, double seconds, uint64_t start_ns) {
  struct sockaddr_in to = endpoint(address, port);
  uint64_t connections = 0, now;
  close(dial(address, port));
  wait_for_start(start_ns);
  uint64_t begin = monotonic_ns(), end = begin + (uint64_t)(seconds * 1e9);
  do {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("connect");
    close(fd);
    connections++;
    now = monotonic_ns();
  } while (now < end);
  report(connections, begin, now);
  return 0;
}

static int scan(const char *address, double seconds) {
  struct sockaddr_in to = endpoint(address, "0");
  uint64_t connections = 0, now;
  uint64_t begin = monotonic_ns(), end = begin + (uint64_t)(seconds * 1e9);
  do {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = htons((uint16_t)(FIRST_PORT + connections % PORTS));
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno != ECONNREFUSED) fail("connect");
    close(fd);
    connections++;
    now = monotonic_ns();
  } while (now < end);
  report(connections, begin, now);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "accept") == 0) return accept_for_ever(argv[2]);
  if (argc == 6 && strcmp(argv[1], "repeat") == 0)
    return repeat(argv[2], argv[3], atof(argv[4]), strtoull(argv[5], NULL, 10));
  if (argc == 4 && strcmp(argv[1], "scan") == 0) return scan(argv[2], atof(argv[3]));
  fprintf(stderr, "usage: connect accept PORT | connect repeat ADDRESS PORT SECONDS START_NS | "
                  "connect scan ADDRESS SECONDS\n");
  return 2;
}

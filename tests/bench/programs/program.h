/* What the measured programs share: clocks, a dialled and an accepted connection, and loud failure.
 *
 * The programs are plain BSD sockets C. The same files are built natively and for pods, and neither build has a
 * line of its own. */
#ifndef TESTS_BENCH_PROGRAM_H
#define TESTS_BENCH_PROGRAM_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000ull
#define DIAL_ATTEMPTS 5000 /* with a 2 ms pause: ten seconds for the server to come up */

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

static inline uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) fail("clock_gettime");
  return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static inline uint64_t monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static inline void sleep_ns(uint64_t ns) {
  struct timespec t = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
  nanosleep(&t, NULL);
}

/* Wait until the wall clock reads `at_ns`, so that many programs start together; zero means at once. */
static inline void wait_for_start(uint64_t at_ns) {
  uint64_t now = clock_ns(CLOCK_REALTIME);
  if (at_ns > now) sleep_ns(at_ns - now);
}

static inline void set_nodelay(int fd) {
  int one = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) fail("setsockopt");
}

static inline struct sockaddr_in endpoint(const char *address, const char *port) {
  struct sockaddr_in e;
  memset(&e, 0, sizeof e);
  e.sin_family = AF_INET;
  e.sin_port = htons((uint16_t)atoi(port));
  if (inet_pton(AF_INET, address, &e.sin_addr) != 1) fail("inet_pton");
  return e;
}

/* Listen on every address at `port` (0 picks one) and print `listening PORT`. */
static inline int announce_listener(const char *port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in e = endpoint("0.0.0.0", port);
  socklen_t length = sizeof e;
  if (fd < 0) fail("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0) fail("setsockopt");
  if (bind(fd, (struct sockaddr *)&e, sizeof e) != 0) fail("bind");
  if (listen(fd, 128) != 0) fail("listen");
  if (getsockname(fd, (struct sockaddr *)&e, &length) != 0) fail("getsockname");
  printf("listening %d\n", ntohs(e.sin_port));
  fflush(stdout);
  return fd;
}

static inline int accept_one(const char *port) {
  int listener = announce_listener(port), fd = accept(listener, NULL, NULL);
  if (fd < 0) fail("accept");
  close(listener);
  set_nodelay(fd);
  return fd;
}

static inline int dial(const char *address, const char *port) {
  struct sockaddr_in e = endpoint(address, port);
  for (int attempt = 0; attempt < DIAL_ATTEMPTS; attempt++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&e, sizeof e) == 0) {
      set_nodelay(fd);
      return fd;
    }
    if (errno != ECONNREFUSED) fail("connect");
    close(fd);
    sleep_ns(2000000);
  }
  fail("connect");
  return -1;
}

#endif

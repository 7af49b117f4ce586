/* A program with nothing to do, in one of the ways that programs wait.
 *
 *   idle accept PORT | idle poll PORT | idle serve PORT | idle timer
 *
 * `serve` closes every connection that it accepts, as health checks are content with. Prints one line before it goes idle, and never ends by itself. */
#include <poll.h>

#include "program.h"

static void tick_forever(void) {
  printf("ticking\n");
  fflush(stdout);
  for (;;) sleep_ns(SECOND_NS);
}

static void serve_forever(int listener) {
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("accept");
    close(fd);
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "timer") == 0) tick_forever();
  if (argc == 3 && strcmp(argv[1], "accept") == 0) return accept(announce_listener(argv[2]), NULL, NULL) < 0;
  if (argc == 3 && strcmp(argv[1], "poll") == 0) {
    struct pollfd p = {.fd = announce_listener(argv[2]), .events = POLLIN, .revents = 0};
    return poll(&p, 1, -1) < 0;
  }
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve_forever(announce_listener(argv[2]));
  fprintf(stderr, "usage: idle accept PORT | idle poll PORT | idle serve PORT | idle timer\n");
  return 2;
}

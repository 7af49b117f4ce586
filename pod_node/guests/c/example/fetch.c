/* The client of `web.c`: asks a server by name and prints the answer.
 *
 *   python -m ziglang cc --target=wasm32-wasi -O2 -I ../include fetch.c -o fetch.wasm    for a pod
 *   cc -O2 fetch.c -o fetch                                                              for this machine
 *
 *   fetch HOST [PORT]                                                                    8080 unless told */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connect to the first address that takes us; -1 when none does. */
static int dial(const char *host, const char *port) {
  struct addrinfo hints, *found;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  int error = getaddrinfo(host, port, &hints, &found), fd = -1;
  if (error != 0) {
    fprintf(stderr, "fetch: %s: %s\n", host, gai_strerror(error));
    return -1;
  }
  for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
    fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
      perror("fetch: connect");
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  return fd;
}

int main(int argc, char **argv) {
  char buffer[4096];
  ssize_t n;
  if (argc < 2) {
    fprintf(stderr, "usage: fetch HOST [PORT]\n");
    return 2;
  }
  int fd = dial(argv[1], argc > 2 ? argv[2] : "8080");
  if (fd < 0) return 1;
  int length = snprintf(buffer, sizeof buffer, "GET / HTTP/1.1\r\nHost: %.255s\r\nConnection: close\r\n\r\n", argv[1]);
  if (send(fd, buffer, (size_t)length, 0) != length) {
    perror("fetch: send");
    return 1;
  }
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) fwrite(buffer, 1, (size_t)n, stdout);
  if (n < 0) perror("fetch: recv");
  close(fd);
  return n < 0;
}

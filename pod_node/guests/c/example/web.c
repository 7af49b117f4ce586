/* A web server in plain C: the same file runs natively and in a pod.
 *
 *   python -m ziglang cc --target=wasm32-wasi -O2 -I ../include web.c -o web.wasm     for a pod
 *   cc -O2 web.c -o web                                                               for this machine
 *
 *   web [PORT]      8080 unless told; answers every request with the caller's and its own address */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 64
#define REQUEST_MAX 4096

struct connection {
  char request[REQUEST_MAX];
  size_t length;
};

/* Slot 0 is the listener; the others are connections whose request has not ended yet. */
static struct pollfd polled[1 + CONNECTIONS];
static struct connection connections[1 + CONNECTIONS];
static nfds_t count = 1;

static int listen_on(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  struct sockaddr_in here;
  memset(&here, 0, sizeof here);
  here.sin_family = AF_INET;
  here.sin_port = htons(port);
  here.sin_addr.s_addr = htonl(INADDR_ANY);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
      bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, SOMAXCONN) != 0) {
    perror("web: cannot listen");
    exit(1);
  }
  return fd;
}

static void welcome(void) {
  int fd = accept4(polled[0].fd, NULL, NULL, SOCK_NONBLOCK);
  if (fd < 0) return; /* it went away again */
  polled[count] = (struct pollfd){.fd = fd, .events = POLLIN, .revents = 0};
  connections[count].length = 0;
  count++;
}

static void describe(const struct sockaddr_in *address, char *text, size_t size) {
  char host[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
  snprintf(text, size, "%s:%d", host, ntohs(address->sin_port));
}

static void answer(int fd) {
  char local[32], peer[32], host[256] = "?", body[384], response[640];
  struct sockaddr_in here, there;
  socklen_t here_length = sizeof here, there_length = sizeof there;
  if (getsockname(fd, (struct sockaddr *)&here, &here_length) != 0) return;
  if (getpeername(fd, (struct sockaddr *)&there, &there_length) != 0) return; /* it has gone */
  describe(&here, local, sizeof local);
  describe(&there, peer, sizeof peer);
  gethostname(host, sizeof host);
  int length = snprintf(body, sizeof body, "hello %s, this is %s at %s\n", peer, host, local);
  int total = snprintf(response, sizeof response,
                       "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                       length, body);
  /* A fresh connection has room for this much: a short write here is a peer that has gone. */
  send(fd, response, (size_t)total, MSG_NOSIGNAL);
}

static void forget(nfds_t slot) {
  close(polled[slot].fd);
  count--;
  polled[slot] = polled[count];
  connections[slot] = connections[count];
}

/* Read what has come; answer when the request's head is complete. Returns whether the connection stays. */
static int serve(nfds_t slot) {
  struct connection *c = &connections[slot];
  ssize_t n = recv(polled[slot].fd, c->request + c->length, REQUEST_MAX - 1 - c->length, 0);
  if (n < 0) return errno == EAGAIN;
  if (n == 0) return 0;
  c->length += (size_t)n;
  c->request[c->length] = '\0';
  if (strstr(c->request, "\r\n\r\n") == NULL) return c->length < REQUEST_MAX - 1;
  answer(polled[slot].fd);
  return 0;
}

int main(int argc, char **argv) {
  uint16_t port = argc > 1 ? (uint16_t)atoi(argv[1]) : 8080;
  polled[0].fd = listen_on(port);
  struct sockaddr_in here;
  socklen_t length = sizeof here;
  getsockname(polled[0].fd, (struct sockaddr *)&here, &length);
  printf("listening %d\n", ntohs(here.sin_port));
  fflush(stdout);
  for (;;) {
    polled[0].events = POLLIN;
    nfds_t first = count <= CONNECTIONS ? 0 : 1; /* full: let the queue of the listener wait */
    if (poll(polled + first, count - first, -1) < 0) {
      perror("web: poll");
      return 1;
    }
    for (nfds_t slot = count - 1; slot > 0; slot--)
      if (polled[slot].revents != 0 && !serve(slot)) forget(slot);
    if (first == 0 && polled[0].revents != 0) welcome();
  }
}

/* A UDP server that sends back what it gets, and its client; from one source for a pod and for this machine.
 *
 *   python -m ziglang cc --target=wasm32-wasi -O2 -I ../include echo.c -o echo.wasm    for a pod
 *   cc -O2 echo.c -o echo                                                              for this machine
 *
 *   echo PORT                   serve
 *   echo HOST PORT WORD...      send each word as a datagram of its own, and print the answers */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 65507

static int serve(int fd, unsigned short port) {
  static char data[DATAGRAM_MAX];
  struct sockaddr_in here, peer;
  memset(&here, 0, sizeof here);
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_ANY);
  here.sin_port = htons(port);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0) {
    perror("echo: bind");
    return 1;
  }
  printf("echo: port %d\n", port);
  fflush(stdout);
  for (;;) {
    socklen_t length = sizeof peer;
    ssize_t size = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&peer, &length);
    if (size < 0 || sendto(fd, data, (size_t)size, 0, (struct sockaddr *)&peer, length) != size) {
      perror("echo");
      return 1;
    }
  }
}

static int ask(int fd, const char *host, const char *port, char **words, int count) {
  char data[DATAGRAM_MAX];
  struct addrinfo hints, *found;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  int error = getaddrinfo(host, port, &hints, &found);
  if (error != 0) {
    fprintf(stderr, "echo: %s: %s\n", host, gai_strerror(error));
    return 1;
  }
  error = connect(fd, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  for (int i = 0; error == 0 && i < count; i++) {
    ssize_t size = send(fd, words[i], strlen(words[i]), 0);
    if (size >= 0) size = recv(fd, data, sizeof data, 0);
    if (size < 0)
      error = 1;
    else
      printf("%.*s\n", (int)size, data);
  }
  if (error != 0) perror("echo");
  return error != 0;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: echo PORT | echo HOST PORT WORD...\n");
    return 2;
  }
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) {
    perror("echo: socket");
    return 1;
  }
  int status = argc == 2 ? serve(fd, (unsigned short)atoi(argv[1])) : ask(fd, argv[1], argv[2], argv + 3, argc - 3);
  close(fd);
  return status;
}

/* Two programs that say hello to each other and then wait for the end.
 *
 *   talk serve PORT         prints who called, what was said, and how it ended
 *   talk call HOST PORT     the other side */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void print_end(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *)) {
  struct sockaddr_in end;
  socklen_t size = sizeof end;
  char text[INET_ADDRSTRLEN];
  if (get(fd, (struct sockaddr *)&end, &size) != 0) {
    perror("talk");
    exit(1);
  }
  printf("%s %s %d\n", what, inet_ntop(AF_INET, &end.sin_addr, text, sizeof text), ntohs(end.sin_port));
}

/* Say hello, print the answer, and wait for the end. */
static int talk(int fd) {
  char buffer[64];
  print_end("here", fd, getsockname);
  print_end("there", fd, getpeername);
  if (send(fd, "hello", 5, 0) != 5) {
    perror("talk: send");
    return 1;
  }
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  printf("said %.*s\n", n > 0 ? (int)n : 0, buffer);
  fflush(stdout);
  n = recv(fd, buffer, sizeof buffer, 0);
  printf("end %s\n", n == 0 ? "orderly" : strerror(errno));
  return 0;
}

static int serve(const char *port) {
  struct sockaddr_in here;
  memset(&here, 0, sizeof here);
  here.sin_family = AF_INET;
  here.sin_port = htons((unsigned short)atoi(port));
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 8) != 0) {
    perror("talk: listen");
    return 1;
  }
  printf("listening\n");
  fflush(stdout);
  return talk(accept(listener, NULL, NULL));
}

static int call(const char *host, const char *port) {
  struct addrinfo hints, *found;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (getaddrinfo(host, port, &hints, &found) != 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
    printf("connect %s\n", strerror(errno));
    return 0;
  }
  return talk(fd);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(argv[2]);
  if (argc == 4 && strcmp(argv[1], "call") == 0) return call(argv[2], argv[3]);
  fprintf(stderr, "usage: talk serve PORT | talk call HOST PORT\n");
  return 2;
}

/* One program that talks to itself over TCP and prints what every call did.
 *
 * Built from this one source natively and for a pod, it must print the same lines: Linux is the oracle. Ports and
 * anything else that differs from run to run is compared here and printed as a truth value. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *reason(long result) {
  if (result >= 0) return "ok";
  switch (errno) {
    case EADDRINUSE: return "EADDRINUSE";
    case EADDRNOTAVAIL: return "EADDRNOTAVAIL";
    case EAFNOSUPPORT: return "EAFNOSUPPORT";
    case EAGAIN: return "EAGAIN";
    case EBADF: return "EBADF";
    case ECONNREFUSED: return "ECONNREFUSED";
    case ECONNRESET: return "ECONNRESET";
    case EINPROGRESS: return "EINPROGRESS";
    case EINVAL: return "EINVAL";
    case EISCONN: return "EISCONN";
    case ENOPROTOOPT: return "ENOPROTOOPT";
    case ENOTCONN: return "ENOTCONN";
    case ENOTSOCK: return "ENOTSOCK";
    case EPIPE: return "EPIPE";
    case EPROTONOSUPPORT: return "EPROTONOSUPPORT";
    default: return strerror(errno);
  }
}

static void say(const char *what, long result) {
  printf("%s: %ld %s\n", what, result < 0 ? -1 : result, reason(result));
}

static void say_text(const char *what, const char *text) { printf("%s: %s\n", what, text); }

static struct sockaddr_in loopback(in_port_t port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = port;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memset(address.sin_zero, 0, sizeof address.sin_zero);
  return address;
}

static struct sockaddr_in name_of(int fd, int peer) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  memset(&address, 0, sizeof address);
  int result = peer ? getpeername(fd, (struct sockaddr *)&address, &length)
                    : getsockname(fd, (struct sockaddr *)&address, &length);
  if (result != 0) say(peer ? "getpeername" : "getsockname", result);
  return address;
}

static int same(struct sockaddr_in a, struct sockaddr_in b) {
  return a.sin_family == b.sin_family && a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

static int open_stream(void) { return socket(AF_INET, SOCK_STREAM, 0); }

static int connect_to(int fd, struct sockaddr_in to) { return connect(fd, (struct sockaddr *)&to, sizeof to); }

/* A listener on loopback, and one connection through it: fds[0] dialled, fds[1] was accepted. */
static int meet(int fds[2]) {
  int listener = open_stream();
  struct sockaddr_in here = loopback(0);
  bind(listener, (struct sockaddr *)&here, sizeof here);
  listen(listener, 4);
  fds[0] = open_stream();
  say("connect", connect_to(fds[0], name_of(listener, 0)));
  fds[1] = accept(listener, NULL, NULL);
  return listener;
}

static void names_of_both_ends(void) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  int listener = open_stream();
  struct sockaddr_in here = loopback(0);
  say("bind", bind(listener, (struct sockaddr *)&here, sizeof here));
  say("bind twice", bind(listener, (struct sockaddr *)&here, sizeof here));
  say("listen", listen(listener, 4));
  here = name_of(listener, 0);
  printf("port given: %d\n", here.sin_port != 0);
  int dialled = open_stream();
  say("connect", connect_to(dialled, here));
  say("connect again", connect_to(dialled, here));
  int accepted = accept4(listener, (struct sockaddr *)&from, &length, SOCK_NONBLOCK);
  printf("accepted: %d, name of %u bytes\n", accepted >= 0, (unsigned)length);
  printf("same: %d %d %d\n", same(from, name_of(dialled, 0)), same(name_of(dialled, 1), here),
         same(name_of(accepted, 0), here));
  printf("nonblocking: %d %d\n", !!(fcntl(accepted, F_GETFL) & O_NONBLOCK), !!(fcntl(dialled, F_GETFL) & O_NONBLOCK));
  char small[4];
  length = sizeof small;
  getsockname(dialled, (struct sockaddr *)(void *)small, &length);
  printf("length of a cut name: %u\n", (unsigned)length);
  close(dialled);
  close(accepted);
  close(listener);
}

static void bytes(void) {
  int fds[2], listener = meet(fds);
  char buffer[64] = "";
  say("recv of nothing", recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT));
  say("still blocking", fcntl(fds[1], F_GETFL) & O_NONBLOCK);
  say("send", send(fds[0], "hello world", 11, MSG_NOSIGNAL));
  say("peek", recv(fds[1], buffer, 5, MSG_PEEK));
  say("recv", recv(fds[1], buffer, 6, MSG_WAITALL));
  buffer[6] = '\0';
  say_text("bytes", buffer);
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  say("recvfrom", recvfrom(fds[1], buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length));
  printf("name of %u bytes\n", (unsigned)length);
  struct sockaddr_in elsewhere = loopback(htons(1));
  say("sendto", sendto(fds[1], "abc", 3, 0, (struct sockaddr *)&elsewhere, sizeof elsewhere));
  char one[2], two[8];
  struct iovec out[2] = {{buffer, 1}, {buffer, 2}}, in[2] = {{one, sizeof one}, {two, sizeof two}};
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = out;
  message.msg_iovlen = 2;
  say("sendmsg", sendmsg(fds[1], &message, 0));
  message.msg_iov = in;
  say("recvmsg", recvmsg(fds[0], &message, 0));
  printf("flags: %d\n", message.msg_flags);
  say("writev", writev(fds[0], out, 2));
  say("readv", readv(fds[1], in, 2));
  say("write", write(fds[0], "x", 1));
  say("read", read(fds[1], buffer, sizeof buffer));
  close(fds[0]);
  close(fds[1]);
  close(listener);
}

static void fullness(void) {
  int fds[2], listener = meet(fds);
  static char block[65536], sink[65536];
  long sent = 0, received = 0;
  ssize_t n;
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  while ((n = send(fds[0], block, sizeof block, 0)) > 0) sent += n;
  say("send when full", n);
  struct pollfd p = {.fd = fds[0], .events = POLLOUT, .revents = 0};
  say("poll when full", poll(&p, 1, 0));
  while ((n = recv(fds[1], sink, sizeof sink, MSG_DONTWAIT)) > 0) received += n;
  printf("all came: %d\n", sent == received);
  say("poll when empty", poll(&p, 1, 1000));
  printf("writable: %d\n", !!(p.revents & POLLOUT));
  close(fds[0]);
  close(fds[1]);
  close(listener);
}

static void endings(void) {
  int fds[2], listener = meet(fds);
  char buffer[8];
  say("shutdown", shutdown(fds[0], SHUT_WR));
  say("recv after the end", recv(fds[1], buffer, sizeof buffer, 0));
  say("send the other way", send(fds[1], "y", 1, 0));
  say("recv the other way", recv(fds[0], buffer, sizeof buffer, 0));
  say("send after shutdown", send(fds[0], "y", 1, MSG_NOSIGNAL));
  say("shutdown of no such kind", shutdown(fds[0], 77));
  close(fds[1]);
  say("recv after close", recv(fds[0], buffer, sizeof buffer, 0));
  close(fds[0]);
  int fresh = open_stream();
  say("recv unconnected", recv(fresh, buffer, sizeof buffer, 0));
  say("shutdown unconnected", shutdown(fresh, SHUT_WR));
  close(fresh);
  close(listener);
}

static void refusals(void) {
  int one = open_stream(), two = open_stream(), three = open_stream();
  struct sockaddr_in here = loopback(0), there;
  bind(one, (struct sockaddr *)&here, sizeof here);
  here = name_of(one, 0);
  say("bind to a taken port", bind(two, (struct sockaddr *)&here, sizeof here));
  say("connect to nobody", connect_to(two, here));
  there = loopback(0);
  there.sin_addr.s_addr = inet_addr("203.0.113.7");
  say("bind elsewhere", bind(three, (struct sockaddr *)&there, sizeof there));
  say("bind too short", bind(three, (struct sockaddr *)&there, 3));
  say("accept without listen", accept(three, NULL, NULL));
  say("socket of no such family", socket(9999, SOCK_STREAM, 0));
  say("socket of the wrong protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
  say("listen on nothing", listen(-1, 1));
  say("connect a file", connect_to(STDOUT_FILENO, here));
  say("getpeername unconnected", getpeername(three, (struct sockaddr *)&there, &(socklen_t){sizeof there}));
  close(one);
  close(two);
  close(three);
}

static void unhurried(void) {
  int listener = open_stream(), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = -1;
  socklen_t length = sizeof error;
  struct sockaddr_in here = loopback(0);
  bind(listener, (struct sockaddr *)&here, sizeof here);
  fcntl(listener, F_SETFL, O_NONBLOCK);
  listen(listener, 4);
  say("accept of nobody", accept(listener, NULL, NULL));
  int result = connect_to(fd, name_of(listener, 0));
  printf("connect at once or later: %d\n", result == 0 || errno == EINPROGRESS);
  struct pollfd both[2] = {{.fd = fd, .events = POLLOUT, .revents = 0}, {.fd = listener, .events = POLLIN, .revents = 0}};
  while (poll(both, 2, 1000) < 2) continue;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  printf("connected: %d, error %d\n", !!(both[0].revents & POLLOUT), error);
  int accepted = accept(listener, NULL, NULL);
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(accepted, &readable);
  struct timeval now = {0, 0};
  say("select of nothing", select(accepted + 1, &readable, NULL, NULL, &now));
  send(fd, "z", 1, 0);
  FD_ZERO(&readable);
  FD_SET(accepted, &readable);
  now.tv_sec = 1;
  say("select", select(accepted + 1, &readable, NULL, NULL, &now));
  printf("readable: %d\n", !!FD_ISSET(accepted, &readable));
  close(fd);
  close(accepted);
  close(listener);
}

static void option(int fd, int level, int name, const char *what) {
  int value = -1;
  socklen_t length = sizeof value;
  int result = getsockopt(fd, level, name, &value, &length);
  printf("%s: %d, %u bytes, %s\n", what, !!value, (unsigned)length, reason(result));
}

static void options(void) {
  int fd = open_stream(), one = 1, type = 0;
  socklen_t length = sizeof type;
  say("SO_REUSEADDR", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
  say("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
  option(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
  option(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE");
  option(fd, SOL_SOCKET, SO_ERROR, "SO_ERROR");
  option(fd, SOL_SOCKET, SO_ACCEPTCONN, "SO_ACCEPTCONN");
  option(fd, SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF");
  option(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY");
  struct linger linger = {1, 7};
  say("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  memset(&linger, 0, sizeof linger);
  length = sizeof linger;
  getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length);
  printf("linger: %d %d, %u bytes\n", linger.l_onoff, linger.l_linger, (unsigned)length);
  length = sizeof type;
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
  printf("a stream: %d\n", type == SOCK_STREAM);
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &type, &length);
  printf("an internet socket: %d\n", type == AF_INET);
  say("no such option", setsockopt(fd, SOL_SOCKET, 9999, &one, sizeof one));
  say("option of a file", getsockopt(STDOUT_FILENO, SOL_SOCKET, SO_TYPE, &type, &length));
  close(fd);
}

static void times(void) {
  int fds[2];
  char byte;
  struct timeval wait = {0, 20000}, kept = {9, 9};
  socklen_t length = sizeof kept;
  say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  say("SO_RCVTIMEO", setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait));
  say("SO_SNDTIMEO", setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait));
  getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &kept, &length);
  printf("SO_RCVTIMEO: %d %d, all of it: %d\n", (int)kept.tv_sec, (int)kept.tv_usec, length == sizeof kept);
  say("recv of nothing", recv(fds[0], &byte, 1, 0));
  ssize_t sent;
  while ((sent = send(fds[0], fds, sizeof fds, 0)) > 0)
    ;
  say("send into a full pair", sent);
  wait.tv_usec = 1000000;
  int refused = setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  printf("a second in microseconds: %d\n", refused != 0 && errno == EDOM);
  close(fds[0]);
  close(fds[1]);
}

static void lookup(const char *node, const char *service, int flags) {
  struct addrinfo hints, *found = NULL;
  char text[INET_ADDRSTRLEN];
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  int error = getaddrinfo(node, service, &hints, &found);
  printf("getaddrinfo %s %s: ", node ? node : "-", service ? service : "-");
  if (error != 0) {
    printf("%s\n", error == EAI_NONAME ? "no name" : error == EAI_SERVICE ? "no service" : gai_strerror(error));
    return;
  }
  struct sockaddr_in first;
  memcpy(&first, found->ai_addr, sizeof first);
  inet_ntop(AF_INET, &first.sin_addr, text, sizeof text);
  printf("%s %d %d %d %s\n", text, ntohs(first.sin_port), found->ai_socktype == SOCK_STREAM,
         found->ai_protocol == IPPROTO_TCP, found->ai_canonname ? found->ai_canonname : "-");
  freeaddrinfo(found);
}

static void names(void) {
  lookup("127.0.0.1", "8080", AI_NUMERICHOST | AI_CANONNAME);
  lookup(NULL, "80", AI_PASSIVE);
  lookup(NULL, "80", 0);
  lookup("localhost", "http", 0);
  lookup("not-digits", "80", AI_NUMERICHOST);
  lookup("127.0.0.1", "no-such-service", 0);
  lookup("127.0.0.1", "http", AI_NUMERICSERV);
  lookup(NULL, NULL, 0);
  char host[NI_MAXHOST], service[NI_MAXSERV];
  struct sockaddr_in address = loopback(htons(8080));
  int error = getnameinfo((struct sockaddr *)&address, sizeof address, host, sizeof host, service, sizeof service,
                          NI_NUMERICHOST | NI_NUMERICSERV);
  printf("getnameinfo: %d %s %s\n", error, host, service);
  error = getnameinfo((struct sockaddr *)&address, sizeof address, host, sizeof host, NULL, 0, 0);
  printf("getnameinfo: %d %s\n", error, host);
  error = getnameinfo((struct sockaddr *)&address, sizeof address, host, 4, NULL, 0, 0);
  printf("getnameinfo: %d\n", error == EAI_OVERFLOW);
  address.sin_addr.s_addr = inet_addr("192.0.2.1");
  error = getnameinfo((struct sockaddr *)&address, sizeof address, host, sizeof host, NULL, 0, NI_NAMEREQD);
  printf("getnameinfo: %d\n", error != 0);
  struct in_addr asked = {htonl(INADDR_LOOPBACK)};
  struct hostent *entry = gethostbyaddr(&asked, sizeof asked, AF_INET);
  printf("gethostbyaddr: %s %d\n", entry->h_name, memcmp(entry->h_addr_list[0], &asked, sizeof asked));
  entry = gethostbyname("127.0.0.1");
  struct in_addr first;
  memcpy(&first, entry->h_addr_list[0], sizeof first);
  printf("gethostbyname: %s %d %s\n", entry->h_name, entry->h_length, inet_ntoa(first));
  printf("inet_addr: %d %d\n", inet_addr("127.0.0.1") == htonl(INADDR_LOOPBACK), inet_addr("x") == INADDR_NONE);
  printf("inet_network: %x\n", (unsigned)inet_network("10.1.2.3"));
  say("gethostname", gethostname(host, sizeof host));
}

static void pairs(void) {
  int fds[2];
  char buffer[8];
  say("socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
  say("recv of nothing", recv(fds[0], buffer, sizeof buffer, 0));
  say("send", send(fds[1], "pair", 4, 0));
  say("recv", recv(fds[0], buffer, sizeof buffer, 0));
  close(fds[1]);
  say("recv after close", recv(fds[0], buffer, sizeof buffer, 0));
  close(fds[0]);
}

int main(void) {
  names_of_both_ends();
  bytes();
  fullness();
  endings();
  refusals();
  unhurried();
  options();
  times();
  names();
  pairs();
  return 0;
}

/* One program that talks to itself over UDP and prints what every call did.
 *
 * Built from this one source natively and for a pod, it must print the same lines: Linux is the oracle. Ports and
 * anything else that differs from run to run is compared here and printed as a truth value. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *reason(long result) {
  if (result >= 0) return "ok";
  switch (errno) {
    case EACCES: return "EACCES";
    case EADDRINUSE: return "EADDRINUSE";
    case EAGAIN: return "EAGAIN";
    case ECONNREFUSED: return "ECONNREFUSED";
    case EDESTADDRREQ: return "EDESTADDRREQ";
    case EINVAL: return "EINVAL";
    case EMSGSIZE: return "EMSGSIZE";
    case ENOTCONN: return "ENOTCONN";
    case EOPNOTSUPP: return "EOPNOTSUPP";
    case EPROTONOSUPPORT: return "EPROTONOSUPPORT";
    default: return strerror(errno);
  }
}

static void say(const char *what, long result) {
  printf("%s: %ld %s\n", what, result < 0 ? -1 : result, reason(result));
}

static struct sockaddr_in address_of(in_addr_t host, in_port_t port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = port;
  address.sin_addr.s_addr = htonl(host);
  return address;
}

static struct sockaddr_in name_of(int fd, int peer) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  int result = peer ? getpeername(fd, (struct sockaddr *)&address, &length)
                    : getsockname(fd, (struct sockaddr *)&address, &length);
  if (result != 0) address = address_of(INADDR_NONE, 0);
  return address;
}

static int bound(struct sockaddr_in *name) {
  struct sockaddr_in any = address_of(INADDR_LOOPBACK, 0);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(fd, (struct sockaddr *)&any, sizeof any) != 0) perror("bind");
  *name = name_of(fd, 0);
  return fd;
}

static int same(struct sockaddr_in a, struct sockaddr_in b) {
  return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

static void datagrams(void) {
  char data[64];
  struct sockaddr_in here, there, from;
  socklen_t length = sizeof from;
  int server = bound(&here), client = bound(&there);
  say("sendto", sendto(client, "first", 5, 0, (struct sockaddr *)&here, sizeof here));
  say("sendto of nothing", sendto(client, "", 0, MSG_NOSIGNAL, (struct sockaddr *)&here, sizeof here));
  say("sendto", sendto(client, "third", 5, 0, (struct sockaddr *)&here, sizeof here));
  say("peek", recvfrom(server, data, 2, MSG_PEEK, (struct sockaddr *)&from, &length));
  printf("from the client: %d, %d bytes\n", same(from, there), (int)length);
  say("recvfrom", recvfrom(server, data, sizeof data, 0, NULL, NULL));
  say("recv of nothing", recv(server, data, sizeof data, 0));
  say("cut short", recv(server, data, 2, 0));
  say("nothing left", recv(server, data, sizeof data, MSG_DONTWAIT));
  say("nothing left", recvfrom(server, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from, &length));
  say("to nobody in particular", send(client, "x", 1, 0));
  here.sin_port = 0;
  say("to port 0", sendto(client, "x", 1, 0, (struct sockaddr *)&here, sizeof here));
  close(server);
  close(client);
}

static void messages(void) {
  char left[3], right[8];
  struct sockaddr_in here, there, from;
  int server = bound(&here), client = bound(&there);
  struct iovec out[2] = {{(void *)(size_t) "one", 3}, {(void *)(size_t) "two", 3}}, in[2] = {{left, 3}, {right, 8}};
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_name = &here;
  message.msg_namelen = sizeof here;
  message.msg_iov = out;
  message.msg_iovlen = 2;
  say("sendmsg", sendmsg(client, &message, 0));
  say("sendmsg", sendmsg(client, &message, 0));
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = in;
  say("recvmsg", recvmsg(server, &message, 0));
  printf("from the client: %d, %d bytes, flags %d\n", same(from, there), (int)message.msg_namelen, message.msg_flags);
  printf("%.3s %.3s\n", left, right);
  message.msg_iovlen = 1;
  say("recvmsg", recvmsg(server, &message, 0));
  printf("cut short: %d\n", message.msg_flags == MSG_TRUNC);
  close(server);
  close(client);
}

static void peers(void) {
  char data[64];
  struct sockaddr_in here, there, nobody;
  struct pollfd polled;
  int server = bound(&here), client = bound(&there);
  say("getpeername", getpeername(client, (struct sockaddr *)&nobody, &(socklen_t){sizeof nobody}));
  say("connect", connect(client, (struct sockaddr *)&here, sizeof here));
  printf("peer: %d\n", same(name_of(client, 1), here));
  say("send", send(client, "x", 1, 0));
  say("recv", recv(server, data, sizeof data, 0));
  close(server);
  say("send", send(client, "x", 1, 0));
  polled = (struct pollfd){client, POLLIN, 0};
  say("poll", poll(&polled, 1, 5000));
  say("recv", recv(client, data, sizeof data, 0));
  say("recv", recv(client, data, sizeof data, MSG_DONTWAIT));
  memset(&nobody, 0, sizeof nobody);
  nobody.sin_family = AF_UNSPEC;
  say("leave", connect(client, (struct sockaddr *)&nobody, sizeof nobody));
  say("send", send(client, "x", 1, 0));
  close(client);
}

static void options(void) {
  static char large[70000];
  struct sockaddr_in here, all = address_of(INADDR_BROADCAST, htons(9));
  int fd = bound(&here), type = 0, protocol = 0, buffer = 0, on = 1, pair[2];
  socklen_t size = sizeof type;
  char data[8];
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, &size);
  printf("type %d, protocol %d, buffer %d\n", type == SOCK_DGRAM, protocol == IPPROTO_UDP, buffer);
  say("too large", sendto(fd, large, sizeof large, 0, (struct sockaddr *)&here, sizeof here));
  say("largest", sendto(fd, large, 65507, 0, (struct sockaddr *)&here, sizeof here));
  say("largest", recv(fd, large, sizeof large, 0));
  say("broadcast", sendto(fd, "x", 1, 0, (struct sockaddr *)&all, sizeof all));
  say("leave to broadcast", setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on));
  say("listen", listen(fd, 1));
  say("accept", accept(fd, NULL, NULL));
  say("wrong protocol", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
  int other = socket(AF_INET, SOCK_DGRAM, 0);
  say("taken", bind(other, (struct sockaddr *)&here, sizeof here));
  say("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  say("write", write(pair[0], "one", 3));
  say("write", write(pair[0], "two", 3));
  say("read", read(pair[1], data, sizeof data));
  say("read", read(pair[1], data, 1));
  close(pair[0]);
  close(pair[1]);
  close(other);
  close(fd);
}

int main(void) {
  datagrams();
  messages();
  peers();
  options();
  return 0;
}

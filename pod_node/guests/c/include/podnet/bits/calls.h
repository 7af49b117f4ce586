/* Sockets from birth to shutdown. Moving bytes is in transfer.h, options in options.h, names in names.h. */
#ifndef PODNET_BITS_CALLS_H
#define PODNET_BITS_CALLS_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <podnet/bits/imports.h>

#ifdef __cplusplus
extern "C" {
#endif

int socket(int domain, int type, int protocol);
int socketpair(int domain, int type, int protocol, int fds[2]);
int bind(int fd, const struct sockaddr *address, socklen_t length);
int listen(int fd, int backlog);
int connect(int fd, const struct sockaddr *address, socklen_t length);
int getsockname(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length);
int getpeername(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length);

/* Apply SOCK_NONBLOCK to a new descriptor, which is closed when that fails. */
static inline int podnet_new_descriptor(int fd, int type_flags) {
  if ((type_flags & SOCK_NONBLOCK) && fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
  }
  return fd;
}

PODNET_CALL int socket(int domain, int type, int protocol) {
  int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), fd = -1;
  int expected = kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
  if (domain != AF_INET) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  if (kind != SOCK_STREAM && kind != SOCK_DGRAM) {
    errno = EINVAL;
    return -1;
  }
  if (protocol != 0 && protocol != expected) {
    errno = EPROTONOSUPPORT;
    return -1;
  }
  if (podnet_result(podnet_sock_open(PODNET_FAMILY_INET4,
                                     kind == SOCK_STREAM ? PODNET_TYPE_STREAM : PODNET_TYPE_DATAGRAM, &fd)) != 0)
    return -1;
  return podnet_new_descriptor(fd, type);
}

PODNET_CALL int bind(int fd, const struct sockaddr *address, socklen_t length) {
  struct podnet_address a;
  uint32_t port;
  if (podnet_endpoint_in(address, length, &a, &port) != 0) return -1;
  return podnet_result(podnet_sock_bind(fd, &a, port));
}

PODNET_CALL int listen(int fd, int backlog) { return podnet_result(podnet_sock_listen(fd, backlog)); }

/* The family AF_UNSPEC leaves the peer of a datagram socket, which the kernel knows as the address 0.0.0.0, port 0. */
PODNET_CALL int connect(int fd, const struct sockaddr *address, socklen_t length) {
  static unsigned char nobody[4];
  struct podnet_address a = {nobody, 4};
  uint32_t port = 0;
  int leave = address != NULL && length >= sizeof address->sa_family && address->sa_family == AF_UNSPEC;
  if (!leave && podnet_endpoint_in(address, length, &a, &port) != 0) return -1;
  return podnet_result(podnet_sock_connect(fd, &a, port));
}

PODNET_CALL int getsockname(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length) {
  unsigned char bytes[16];
  struct podnet_address a = {bytes, 4};
  uint32_t type, port;
  if (podnet_result(podnet_sock_getlocaladdr(fd, &a, &type, &port)) != 0) return -1;
  podnet_endpoint_out(bytes, port, address, length);
  return 0;
}

PODNET_CALL int getpeername(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length) {
  unsigned char bytes[16];
  struct podnet_address a = {bytes, 4};
  uint32_t type, port;
  if (podnet_result(podnet_sock_getpeeraddr(fd, &a, &type, &port)) != 0) return -1;
  podnet_endpoint_out(bytes, port, address, length);
  return 0;
}

PODNET_CALL int accept4(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length, int flags) {
  static const unsigned char nobody[4] = {0, 0, 0, 0};
  int accepted = -1;
  if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
    errno = EINVAL;
    return -1;
  }
  __wasi_fdflags_t fdflags = (flags & SOCK_NONBLOCK) ? __WASI_FDFLAGS_NONBLOCK : 0;
  if (podnet_result(__wasi_sock_accept(fd, fdflags, &accepted)) != 0) return -1;
  /* A peer that has gone already still has a connection to read from: Linux hands it over, its name or not. */
  if (address != NULL && getpeername(accepted, address, length) != 0)
    podnet_endpoint_out(nobody, 0, address, length);
  return accepted;
}

PODNET_CALL int accept(int fd, struct sockaddr *__restrict address, socklen_t *__restrict length) {
  return accept4(fd, address, length, 0);
}

PODNET_CALL int shutdown(int fd, int how) {
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
    errno = EINVAL;
    return -1;
  }
  return podnet_result(__wasi_sock_shutdown(fd, (__wasi_sdflags_t)how));
}

/* A connected pair of streams. */
static inline int podnet_stream_pair(int flags, int fds[2]) {
  char path[40];
  struct stat status;
  if ((fds[0] = open("/net/tcp/pair", flags)) < 0) return -1;
  if (fstat(fds[0], &status) != 0) return -1;
  snprintf(path, sizeof path, "/net/tcp/pair/%llu", (unsigned long long)status.st_ino);
  return (fds[1] = open(path, flags)) < 0 ? -1 : 0;
}

/* Two datagram sockets that have each other as their peer. */
static inline int podnet_datagram_pair(int flags, int fds[2]) {
  struct sockaddr_in ends[2];
  for (int i = 0; i < 2; i++) {
    socklen_t length = sizeof ends[i];
    memset(&ends[i], 0, sizeof ends[i]);
    ends[i].sin_family = AF_INET;
    ends[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if ((fds[i] = open("/net/udp/socket", flags)) < 0) return -1;
    if (bind(fds[i], (const struct sockaddr *)(const void *)&ends[i], length) != 0) return -1;
    if (getsockname(fds[i], (struct sockaddr *)(void *)&ends[i], &length) != 0) return -1;
  }
  for (int i = 0; i < 2; i++)
    if (connect(fds[i], (const struct sockaddr *)(const void *)&ends[1 - i], sizeof ends[i]) != 0) return -1;
  return 0;
}

/* Any domain, since no name of theirs is ever seen. */
PODNET_CALL int socketpair(int domain, int type, int protocol, int fds[2]) {
  int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), pair[2] = {-1, -1};
  int flags = O_RDWR | ((type & SOCK_NONBLOCK) ? O_NONBLOCK : 0);
  (void)protocol;
  if ((domain != AF_UNIX && domain != AF_INET) || (kind != SOCK_STREAM && kind != SOCK_DGRAM)) {
    errno = EOPNOTSUPP;
    return -1;
  }
  if ((kind == SOCK_STREAM ? podnet_stream_pair(flags, pair) : podnet_datagram_pair(flags, pair)) == 0) {
    fds[0] = pair[0];
    fds[1] = pair[1];
    return 0;
  }
  int reason = errno;
  for (int i = 0; i < 2; i++)
    if (pair[i] >= 0) close(pair[i]);
  errno = reason;
  return -1;
}

#ifdef __cplusplus
}
#endif

#endif

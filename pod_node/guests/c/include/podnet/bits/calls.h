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

/* A connected pair of streams; any domain, since no name of theirs is ever seen. */
PODNET_CALL int socketpair(int domain, int type, int protocol, int fds[2]) {
  char path[40];
  struct stat status;
  (void)protocol;
  if ((domain != AF_UNIX && domain != AF_INET) || (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) {
    errno = EOPNOTSUPP;
    return -1;
  }
  int flags = O_RDWR | ((type & SOCK_NONBLOCK) ? O_NONBLOCK : 0);
  int first = open("/net/tcp/pair", flags), second = -1;
  if (first < 0) return -1;
  if (fstat(first, &status) == 0) {
    snprintf(path, sizeof path, "/net/tcp/pair/%llu", (unsigned long long)status.st_ino);
    second = open(path, flags);
  }
  if (second < 0) {
    int reason = errno;
    close(first);
    errno = reason;
    return -1;
  }
  fds[0] = first;
  fds[1] = second;
  return 0;
}

PODNET_CALL int bind(int fd, const struct sockaddr *address, socklen_t length) {
  struct podnet_address a;
  uint32_t port;
  if (podnet_endpoint_in(address, length, &a, &port) != 0) return -1;
  return podnet_result(podnet_sock_bind(fd, &a, port));
}

PODNET_CALL int listen(int fd, int backlog) { return podnet_result(podnet_sock_listen(fd, backlog)); }

PODNET_CALL int connect(int fd, const struct sockaddr *address, socklen_t length) {
  struct podnet_address a;
  uint32_t port;
  if (podnet_endpoint_in(address, length, &a, &port) != 0) return -1;
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

#ifdef __cplusplus
}
#endif

#endif

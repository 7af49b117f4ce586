/* Moving bytes through sockets: send, recv and their longer forms. */
#ifndef PODNET_BITS_TRANSFER_H
#define PODNET_BITS_TRANSFER_H

#include <fcntl.h>
#include <sys/uio.h>

#include <podnet/bits/imports.h>

#ifdef __cplusplus
extern "C" {
#endif

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length);
ssize_t recvfrom(int fd, void *__restrict data, size_t size, int flags, struct sockaddr *__restrict from,
                 socklen_t *__restrict length);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t recvmsg(int fd, struct msghdr *message, int flags);

/* Moves bytes one way: both directions have the same shape, so MSG_DONTWAIT and errno are dealt with once. */
typedef uint32_t podnet_transfer(int fd, struct iovec *buffers, size_t count, int flags, size_t *moved);

static inline uint32_t podnet_send(int fd, struct iovec *buffers, size_t count, int flags, size_t *moved) {
  (void)flags;
  return __wasi_sock_send(fd, (const __wasi_ciovec_t *)(const void *)buffers, count, 0, moved);
}

static inline uint32_t podnet_receive(int fd, struct iovec *buffers, size_t count, int flags, size_t *moved) {
  __wasi_roflags_t out_flags;
  return __wasi_sock_recv(fd, (const __wasi_iovec_t *)(const void *)buffers, count,
                          (__wasi_riflags_t)(flags & (MSG_PEEK | MSG_WAITALL)), moved, &out_flags);
}

/* The one thread of a guest makes it safe to lend the descriptor O_NONBLOCK for the length of one call. */
static inline ssize_t podnet_move(podnet_transfer *transfer, int fd, struct iovec *buffers, size_t count, int flags) {
  size_t moved = 0;
  int before = 0, lend = 0;
  if (flags & MSG_DONTWAIT) {
    if ((before = fcntl(fd, F_GETFL)) < 0) return -1;
    lend = !(before & O_NONBLOCK);
    if (lend && fcntl(fd, F_SETFL, before | O_NONBLOCK) != 0) return -1;
  }
  uint32_t error = transfer(fd, buffers, count, flags, &moved);
  if (lend) fcntl(fd, F_SETFL, before);
  return podnet_result(error) == 0 ? (ssize_t)moved : -1;
}

static inline int podnet_flags_known(int flags, int known) {
  if ((flags & ~known) == 0) return 1;
  errno = EOPNOTSUPP;
  return 0;
}

PODNET_CALL ssize_t send(int fd, const void *data, size_t size, int flags) {
  struct iovec one = {(void *)(uintptr_t)data, size};
  if (!podnet_flags_known(flags, MSG_NOSIGNAL | MSG_DONTWAIT)) return -1;
  return podnet_move(podnet_send, fd, &one, 1, flags);
}

PODNET_CALL ssize_t recv(int fd, void *data, size_t size, int flags) {
  struct iovec one = {data, size};
  if (!podnet_flags_known(flags, MSG_PEEK | MSG_WAITALL | MSG_NOSIGNAL | MSG_DONTWAIT)) return -1;
  return podnet_move(podnet_receive, fd, &one, 1, flags);
}

/* A stream takes no destination and names no sender, as on Linux. */
static inline int podnet_is_stream(int fd) {
  __wasi_fdstat_t status;
  return __wasi_fd_fdstat_get(fd, &status) == 0 && status.fs_filetype == __WASI_FILETYPE_SOCKET_STREAM;
}

PODNET_CALL ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                           socklen_t length) {
  struct iovec one = {(void *)(uintptr_t)data, size};
  struct podnet_address address;
  uint32_t port;
  size_t sent = 0;
  if (to == NULL || podnet_is_stream(fd)) return send(fd, data, size, flags);
  if (!podnet_flags_known(flags, MSG_NOSIGNAL)) return -1;
  if (podnet_endpoint_in(to, length, &address, &port) != 0) return -1;
  return podnet_result(podnet_sock_send_to(fd, &one, 1, &address, port, 0, &sent)) == 0 ? (ssize_t)sent : -1;
}

PODNET_CALL ssize_t recvfrom(int fd, void *__restrict data, size_t size, int flags, struct sockaddr *__restrict from,
                             socklen_t *__restrict length) {
  struct iovec one = {data, size};
  unsigned char bytes[16];
  struct podnet_address address = {bytes, 4};
  uint32_t port, out_flags;
  size_t received = 0;
  if (from == NULL || podnet_is_stream(fd)) {
    if (from != NULL && length != NULL) *length = 0;
    return recv(fd, data, size, flags);
  }
  if (!podnet_flags_known(flags, MSG_PEEK | MSG_NOSIGNAL)) return -1;
  if (podnet_result(podnet_sock_recv_from(fd, &one, 1, &address, (uint32_t)(flags & MSG_PEEK), &port, &received,
                                          &out_flags)) != 0)
    return -1;
  podnet_endpoint_out(bytes, port, from, length);
  return (ssize_t)received;
}

PODNET_CALL ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  if (!podnet_flags_known(flags, MSG_NOSIGNAL | MSG_DONTWAIT)) return -1;
  if (message->msg_controllen != 0) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return podnet_move(podnet_send, fd, message->msg_iov, (size_t)message->msg_iovlen, flags);
}

PODNET_CALL ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  if (!podnet_flags_known(flags, MSG_PEEK | MSG_WAITALL | MSG_NOSIGNAL | MSG_DONTWAIT)) return -1;
  ssize_t received = podnet_move(podnet_receive, fd, message->msg_iov, (size_t)message->msg_iovlen, flags);
  if (received < 0) return -1;
  message->msg_namelen = 0;
  message->msg_controllen = 0;
  message->msg_flags = 0;
  return received;
}

#ifdef __cplusplus
}
#endif

#endif

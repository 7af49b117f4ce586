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

/* What one call moves, and where to or from: for datagrams, `bytes` and `port` are the other end's. */
struct podnet_message {
  struct iovec *buffers;
  size_t count;
  unsigned char bytes[16];
  uint32_t port;
  size_t moved;
  uint32_t seen; /* MSG_TRUNC when the rest of a datagram is lost */
};

/* All directions have the same shape, so MSG_DONTWAIT and errno are dealt with once. */
typedef uint32_t podnet_transfer(int fd, struct podnet_message *message, int flags);

static inline uint32_t podnet_send(int fd, struct podnet_message *m, int flags) {
  (void)flags;
  return __wasi_sock_send(fd, (const __wasi_ciovec_t *)(const void *)m->buffers, m->count, 0, &m->moved);
}

static inline uint32_t podnet_send_to(int fd, struct podnet_message *m, int flags) {
  struct podnet_address to = {m->bytes, 4};
  (void)flags;
  return podnet_sock_send_to(fd, m->buffers, m->count, &to, m->port, 0, &m->moved);
}

static inline uint32_t podnet_receive(int fd, struct podnet_message *m, int flags) {
  __wasi_roflags_t seen = 0;
  uint32_t error = __wasi_sock_recv(fd, (const __wasi_iovec_t *)(const void *)m->buffers, m->count,
                                    (__wasi_riflags_t)(flags & (MSG_PEEK | MSG_WAITALL)), &m->moved, &seen);
  m->seen = seen;
  return error;
}

static inline uint32_t podnet_receive_from(int fd, struct podnet_message *m, int flags) {
  struct podnet_address from = {m->bytes, 4};
  return podnet_sock_recv_from(fd, m->buffers, m->count, &from, (uint32_t)(flags & MSG_PEEK), &m->port, &m->moved,
                               &m->seen);
}

/* The one thread of a guest makes it safe to lend the descriptor O_NONBLOCK for the length of one call. */
static inline ssize_t podnet_move(podnet_transfer *transfer, int fd, struct podnet_message *message, int flags) {
  int before = 0, lend = 0;
  if (flags & MSG_DONTWAIT) {
    if ((before = fcntl(fd, F_GETFL)) < 0) return -1;
    lend = !(before & O_NONBLOCK);
    if (lend && fcntl(fd, F_SETFL, before | O_NONBLOCK) != 0) return -1;
  }
  uint32_t error = transfer(fd, message, flags);
  if (lend) fcntl(fd, F_SETFL, before);
  return podnet_result(error) == 0 ? (ssize_t)message->moved : -1;
}

static inline int podnet_flags_known(int flags, int known) {
  if ((flags & ~known) == 0) return 1;
  errno = EOPNOTSUPP;
  return 0;
}

static inline int podnet_is_datagram(int fd) {
  __wasi_fdstat_t status;
  return __wasi_fd_fdstat_get(fd, &status) == 0 && status.fs_filetype == __WASI_FILETYPE_SOCKET_DGRAM;
}

/* A stream takes no destination, as on Linux. */
static inline ssize_t podnet_send_message(int fd, struct podnet_message *message, int flags, const struct sockaddr *to,
                                          socklen_t length) {
  struct podnet_address address;
  if (!podnet_flags_known(flags, MSG_NOSIGNAL | MSG_DONTWAIT)) return -1;
  if (to == NULL || !podnet_is_datagram(fd)) return podnet_move(podnet_send, fd, message, flags);
  if (podnet_endpoint_in(to, length, &address, &message->port) != 0) return -1;
  memcpy(message->bytes, address.bytes, address.length);
  return podnet_move(podnet_send_to, fd, message, flags);
}

/* A stream names no sender, as on Linux. */
static inline ssize_t podnet_receive_message(int fd, struct podnet_message *message, int flags, struct sockaddr *from,
                                             socklen_t *length) {
  if (!podnet_flags_known(flags, MSG_PEEK | MSG_WAITALL | MSG_NOSIGNAL | MSG_DONTWAIT)) return -1;
  if (from == NULL || !podnet_is_datagram(fd)) {
    if (length != NULL) *length = 0;
    return podnet_move(podnet_receive, fd, message, flags);
  }
  ssize_t received = podnet_move(podnet_receive_from, fd, message, flags);
  if (received >= 0) podnet_endpoint_out(message->bytes, message->port, from, length);
  return received;
}

PODNET_CALL ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                           socklen_t length) {
  struct iovec one = {(void *)(uintptr_t)data, size};
  struct podnet_message message = {&one, 1, {0}, 0, 0, 0};
  return podnet_send_message(fd, &message, flags, to, length);
}

PODNET_CALL ssize_t recvfrom(int fd, void *__restrict data, size_t size, int flags, struct sockaddr *__restrict from,
                             socklen_t *__restrict length) {
  struct iovec one = {data, size};
  struct podnet_message message = {&one, 1, {0}, 0, 0, 0};
  return podnet_receive_message(fd, &message, flags, from, length);
}

PODNET_CALL ssize_t send(int fd, const void *data, size_t size, int flags) {
  return sendto(fd, data, size, flags, NULL, 0);
}

PODNET_CALL ssize_t recv(int fd, void *data, size_t size, int flags) {
  return recvfrom(fd, data, size, flags, NULL, NULL);
}

PODNET_CALL ssize_t sendmsg(int fd, const struct msghdr *header, int flags) {
  struct podnet_message message = {header->msg_iov, (size_t)header->msg_iovlen, {0}, 0, 0, 0};
  if (header->msg_controllen != 0) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return podnet_send_message(fd, &message, flags, (const struct sockaddr *)header->msg_name, header->msg_namelen);
}

PODNET_CALL ssize_t recvmsg(int fd, struct msghdr *header, int flags) {
  struct podnet_message message = {header->msg_iov, (size_t)header->msg_iovlen, {0}, 0, 0, 0};
  ssize_t received =
      podnet_receive_message(fd, &message, flags, (struct sockaddr *)header->msg_name, &header->msg_namelen);
  if (received < 0) return -1;
  header->msg_controllen = 0;
  header->msg_flags = (int)(message.seen & MSG_TRUNC);
  return received;
}

#ifdef __cplusplus
}
#endif

#endif

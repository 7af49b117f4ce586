/* Socket options: getsockopt and setsockopt. */
#ifndef PODNET_BITS_OPTIONS_H
#define PODNET_BITS_OPTIONS_H

#include <podnet/bits/imports.h>

#ifdef __cplusplus
extern "C" {
#endif

int setsockopt(int fd, int level, int name, const void *value, socklen_t length);

/* The C library's SOL_SOCKET is not Linux's number; every other level is. */
static inline int podnet_level(int level) { return level == SOL_SOCKET ? PODNET_LEVEL_SOCKET : level; }

/* The type as this C library numbers it, which is the descriptor's file type. */
static inline int podnet_socket_type(int fd, int *type) {
  __wasi_fdstat_t status;
  if (podnet_result(__wasi_fd_fdstat_get(fd, &status)) != 0) return -1;
  if (status.fs_filetype != SOCK_STREAM && status.fs_filetype != SOCK_DGRAM) {
    errno = ENOTSOCK;
    return -1;
  }
  *type = status.fs_filetype;
  return 0;
}

/* The kernel keeps SO_LINGER as one number: seconds, or -1 for off. */
static inline int podnet_linger_get(int fd, void *value, socklen_t *length) {
  int seconds;
  uint32_t size = sizeof seconds;
  if (podnet_result(podnet_sock_getsockopt(fd, PODNET_LEVEL_SOCKET, SO_LINGER, &seconds, &size)) != 0) return -1;
  struct linger linger = {seconds >= 0, seconds >= 0 ? seconds : 0};
  memcpy(value, &linger, *length < sizeof linger ? *length : sizeof linger);
  *length = sizeof linger;
  return 0;
}

static inline int podnet_linger_set(int fd, const void *value, socklen_t length) {
  struct linger linger;
  if (length < sizeof linger) {
    errno = EINVAL;
    return -1;
  }
  memcpy(&linger, value, sizeof linger);
  int seconds = linger.l_onoff ? linger.l_linger : -1;
  return podnet_result(podnet_sock_setsockopt(fd, PODNET_LEVEL_SOCKET, SO_LINGER, &seconds, sizeof seconds));
}

PODNET_CALL int getsockopt(int fd, int level, int name, void *__restrict value, socklen_t *__restrict length) {
  int answer;
  if (level == SOL_SOCKET && name == SO_LINGER) return podnet_linger_get(fd, value, length);
  if (level != SOL_SOCKET || (name != SO_TYPE && name != SO_DOMAIN && name != SO_PROTOCOL))
    return podnet_result(podnet_sock_getsockopt(fd, podnet_level(level), name, value, length));
  if (podnet_socket_type(fd, &answer) != 0) return -1;
  if (name == SO_DOMAIN) answer = AF_INET;
  if (name == SO_PROTOCOL) answer = answer == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
  memcpy(value, &answer, *length < sizeof answer ? *length : sizeof answer);
  *length = sizeof answer;
  return 0;
}

PODNET_CALL int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (level == SOL_SOCKET && name == SO_LINGER) return podnet_linger_set(fd, value, length);
  return podnet_result(podnet_sock_setsockopt(fd, podnet_level(level), name, value, length));
}

#ifdef __cplusplus
}
#endif

#endif

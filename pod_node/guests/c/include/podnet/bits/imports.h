/* The kernel's socket calls, as imports of module wasi_snapshot_preview1, and how addresses cross them.
 *
 * The calling convention is the one that WasmEdge published for WASI preview 1: every call returns a WASI errno, an
 * address is a (buffer, length) pair in network byte order, and a port travels as a plain number. */
#ifndef PODNET_BITS_IMPORTS_H
#define PODNET_BITS_IMPORTS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <netinet/in.h>
#include <wasi/api.h>

#define PODNET_IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

/* One definition for each object that includes it; the linker keeps one of them, and none that nothing uses. */
#define PODNET_CALL __attribute__((weak))

#define PODNET_FAMILY_INET4 1
#define PODNET_TYPE_DATAGRAM 1
#define PODNET_TYPE_STREAM 2
#define PODNET_LEVEL_SOCKET 1

struct podnet_address {
  unsigned char *bytes;
  uint32_t length;
};

#ifdef __cplusplus
extern "C" {
#endif

PODNET_IMPORT(sock_open) uint32_t podnet_sock_open(uint32_t family, uint32_t type, int *fd);
PODNET_IMPORT(sock_bind) uint32_t podnet_sock_bind(int fd, const struct podnet_address *address, uint32_t port);
PODNET_IMPORT(sock_listen) uint32_t podnet_sock_listen(int fd, int backlog);
PODNET_IMPORT(sock_connect) uint32_t podnet_sock_connect(int fd, const struct podnet_address *address, uint32_t port);
PODNET_IMPORT(sock_getlocaladdr)
uint32_t podnet_sock_getlocaladdr(int fd, struct podnet_address *address, uint32_t *type, uint32_t *port);
PODNET_IMPORT(sock_getpeeraddr)
uint32_t podnet_sock_getpeeraddr(int fd, struct podnet_address *address, uint32_t *type, uint32_t *port);
PODNET_IMPORT(sock_getsockopt)
uint32_t podnet_sock_getsockopt(int fd, int level, int name, void *value, uint32_t *length);
PODNET_IMPORT(sock_setsockopt)
uint32_t podnet_sock_setsockopt(int fd, int level, int name, const void *value, uint32_t length);
PODNET_IMPORT(sock_recv_from)
uint32_t podnet_sock_recv_from(int fd, const struct iovec *buffers, size_t count, struct podnet_address *from,
                               uint32_t flags, uint32_t *port, size_t *received, uint32_t *out_flags);
PODNET_IMPORT(sock_send_to)
uint32_t podnet_sock_send_to(int fd, const struct iovec *buffers, size_t count, const struct podnet_address *to,
                             uint32_t port, uint32_t flags, size_t *sent);

#ifdef __cplusplus
}
#endif

/* -1 with errno for a WASI errno, 0 for none: the C library's errno numbers are WASI's. */
static inline int podnet_result(uint32_t wasi_errno) {
  if (wasi_errno == 0) return 0;
  errno = (int)wasi_errno;
  return -1;
}

/* Take an IPv4 endpoint out of a `struct sockaddr`; -1 with errno when it is not one. `*address` points into it. */
static inline int podnet_endpoint_in(const struct sockaddr *from, socklen_t length, struct podnet_address *address,
                                     uint32_t *port) {
  const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
  if (from == NULL) {
    errno = EFAULT;
    return -1;
  }
  if (length < offsetof(struct sockaddr_in, sin_zero)) {
    errno = EINVAL;
    return -1;
  }
  if (in->sin_family != AF_INET) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  address->bytes = (unsigned char *)(uintptr_t)&in->sin_addr;
  address->length = sizeof in->sin_addr;
  *port = ntohs(in->sin_port);
  return 0;
}

/* Store an endpoint as the caller of `accept` or `getsockname` wants it: cut to its buffer, with the full length. */
static inline void podnet_endpoint_out(const unsigned char bytes[4], uint32_t port, struct sockaddr *to,
                                       socklen_t *length) {
  struct sockaddr_in in;
  if (to == NULL || length == NULL) return;
  memset(&in, 0, sizeof in);
  in.sin_family = AF_INET;
  in.sin_port = htons((uint16_t)port);
  memcpy(&in.sin_addr, bytes, sizeof in.sin_addr);
  memcpy(to, &in, *length < sizeof in ? *length : sizeof in);
  *length = sizeof in;
}

#endif

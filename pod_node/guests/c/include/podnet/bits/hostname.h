/* The pod's own name. The C library declares gethostname in <unistd.h> and has none. */
#ifndef PODNET_BITS_HOSTNAME_H
#define PODNET_BITS_HOSTNAME_H

#include <fcntl.h>
#include <unistd.h>

#include <podnet/bits/imports.h>

#define PODNET_NAME_MAX 253 /* RFC 1035 section 2.3.4, without the root's dot */

#ifdef __cplusplus
extern "C" {
#endif

/* Read a small file of /net as text; -1 with errno when it cannot be opened or read. */
static inline ssize_t podnet_read_file(const char *path, char *text, size_t size) {
  size_t length = 0;
  ssize_t n;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  while (length < size - 1 && (n = read(fd, text + length, size - 1 - length)) != 0) {
    if (n < 0) {
      int reason = errno;
      close(fd);
      errno = reason;
      return -1;
    }
    length += (size_t)n;
  }
  close(fd);
  text[length] = '\0';
  return (ssize_t)length;
}

PODNET_CALL int gethostname(char *name, size_t size) {
  char text[PODNET_NAME_MAX + 2];
  if (podnet_read_file("/net/hostname", text, sizeof text) < 0) return -1;
  text[strcspn(text, "\n")] = '\0';
  if (strlen(text) >= size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(name, text, strlen(text) + 1);
  return 0;
}

#ifdef __cplusplus
}
#endif

#endif

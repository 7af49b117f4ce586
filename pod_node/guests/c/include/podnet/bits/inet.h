/* The older conversions between addresses and text; inet_pton, inet_ntop and inet_aton are the C library's. */
#ifndef PODNET_BITS_INET_H
#define PODNET_BITS_INET_H

#include <podnet/bits/imports.h>

#ifdef __cplusplus
extern "C" {
#endif

in_addr_t inet_addr(const char *text);
in_addr_t inet_network(const char *text);
char *inet_ntoa(struct in_addr address);

PODNET_CALL in_addr_t inet_addr(const char *text) {
  struct in_addr address;
  return inet_aton(text, &address) ? address.s_addr : INADDR_NONE;
}

PODNET_CALL in_addr_t inet_network(const char *text) { return ntohl(inet_addr(text)); }

PODNET_CALL char *inet_ntoa(struct in_addr address) {
  static char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address, text, sizeof text);
  return text;
}

#ifdef __cplusplus
}
#endif

#endif

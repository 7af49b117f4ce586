/* Socket addresses with the members that programs name and the C library leaves out (`sa_data`, `sin_zero`).
 *
 * Size and alignment are the C library's, member for member. Its own definitions are kept out through their include
 * guards, so this file comes before <sys/socket.h> and <netinet/in.h>. */
#ifndef PODNET_BITS_STRUCTURES_H
#define PODNET_BITS_STRUCTURES_H

#include <__struct_in_addr.h>
#include <__typedef_in_port_t.h>
#include <__typedef_sa_family_t.h>

#define __wasilibc___struct_sockaddr_h
struct sockaddr {
  __attribute__((aligned(__BIGGEST_ALIGNMENT__))) sa_family_t sa_family;
  char sa_data[14];
};

#define __wasilibc___struct_sockaddr_in_h
struct sockaddr_in {
  __attribute__((aligned(__BIGGEST_ALIGNMENT__))) sa_family_t sin_family;
  in_port_t sin_port;
  struct in_addr sin_addr;
  unsigned char sin_zero[8];
};

#endif

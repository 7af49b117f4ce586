/* Names: getaddrinfo and its relatives over the pod's networks.
 *
 * A name's addresses are the lines of /net/dns/NAME. Services are numbers, or one of the few names below: a pod has no
 * /etc/services. The names of an address are the lines of /net/dns/reverse/ADDRESS. */
#ifndef PODNET_BITS_NAMES_H
#define PODNET_BITS_NAMES_H

#include <stdio.h>
#include <stdlib.h>

#include <podnet/bits/hostname.h>
#include <podnet/bits/imports.h>

#define PODNET_ADDRESSES_MAX 64
#define PODNET_ALIASES_MAX 16
#define PODNET_NAMES_SIZE 1024 /* more than the names of an address take together */

#ifdef __cplusplus
extern "C" {
#endif

/* Fill `found` with a name's addresses and return how many, or a negative EAI code. */
static inline int podnet_lookup(const char *name, struct in_addr *found, int room) {
  char path[sizeof "/net/dns/" + PODNET_NAME_MAX], text[PODNET_ADDRESSES_MAX * INET_ADDRSTRLEN];
  size_t length = strlen(name);
  int count = 0;
  if (length == 0 || length > PODNET_NAME_MAX || strchr(name, '/') != NULL) return EAI_NONAME;
  snprintf(path, sizeof path, "/net/dns/%s", name);
  if (podnet_read_file(path, text, sizeof text) < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == EINVAL) return EAI_NONAME;
    return errno == EAGAIN || errno == ETIMEDOUT ? EAI_AGAIN : EAI_SYSTEM;
  }
  for (char *line = text, *end; count < room && (end = strchr(line, '\n')) != NULL; line = end + 1) {
    *end = '\0';
    if (inet_pton(AF_INET, line, &found[count]) == 1) count++;
  }
  return count > 0 ? count : EAI_NONAME;
}

/* The port of a service in decimal or by name, or a negative EAI code. */
static inline int podnet_service(const char *service, int numeric_only) {
  static const struct {
    const char *name;
    int port;
  } known[] = {{"ftp", 21},   {"ssh", 22},     {"telnet", 23}, {"smtp", 25},
               {"domain", 53}, {"http", 80},   {"pop3", 110},  {"imap2", 143},
               {"https", 443}, {"http-alt", 8080}};
  char *end;
  if (service == NULL) return 0;
  if (*service >= '0' && *service <= '9') {
    long port = strtol(service, &end, 10);
    return *end == '\0' && port <= 65535 ? (int)port : EAI_SERVICE;
  }
  if (numeric_only) return EAI_NONAME;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp(known[i].name, service) == 0) return known[i].port;
  return EAI_SERVICE;
}

/* One result and the address it points to, in one block, so that freeaddrinfo frees it whole. */
struct podnet_result_block {
  struct addrinfo head;
  struct sockaddr_in address;
  char canonical_name[PODNET_NAME_MAX + 1];
};

static inline struct addrinfo *podnet_result_new(struct in_addr address, int port, int type, const char *name) {
  struct podnet_result_block *block = (struct podnet_result_block *)calloc(1, sizeof *block);
  if (block == NULL) return NULL;
  block->address.sin_family = AF_INET;
  block->address.sin_port = htons((uint16_t)port);
  block->address.sin_addr = address;
  block->head.ai_family = AF_INET;
  block->head.ai_socktype = type;
  block->head.ai_protocol = type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
  block->head.ai_addrlen = sizeof block->address;
  block->head.ai_addr = (struct sockaddr *)(void *)&block->address;
  if (name != NULL) {
    snprintf(block->canonical_name, sizeof block->canonical_name, "%s", name);
    block->head.ai_canonname = block->canonical_name;
  }
  return &block->head;
}

/* Addresses for a node: none means the wildcard or loopback, digits mean themselves, the rest is looked up. */
static inline int podnet_node(const char *node, int flags, struct in_addr *found, int room) {
  if (node == NULL) {
    found[0].s_addr = htonl((flags & AI_PASSIVE) ? INADDR_ANY : INADDR_LOOPBACK);
    return 1;
  }
  if (inet_aton(node, &found[0])) return 1;
  return (flags & AI_NUMERICHOST) ? EAI_NONAME : podnet_lookup(node, found, room);
}

PODNET_CALL void freeaddrinfo(struct addrinfo *list) {
  while (list != NULL) {
    struct addrinfo *next = list->ai_next;
    free(list);
    list = next;
  }
}

PODNET_CALL int getaddrinfo(const char *__restrict node, const char *__restrict service,
                            const struct addrinfo *__restrict hints, struct addrinfo **__restrict results) {
  struct in_addr found[PODNET_ADDRESSES_MAX];
  int flags = hints != NULL ? hints->ai_flags : 0, family = hints != NULL ? hints->ai_family : AF_UNSPEC;
  int type = hints != NULL && hints->ai_socktype != 0 ? hints->ai_socktype : SOCK_STREAM;
  if (node == NULL && service == NULL) return EAI_NONAME;
  if (family != AF_UNSPEC && family != AF_INET) return EAI_FAMILY;
  if (type != SOCK_STREAM && type != SOCK_DGRAM) return EAI_SOCKTYPE;
  int port = podnet_service(service, flags & AI_NUMERICSERV);
  if (port < 0) return port;
  int count = podnet_node(node, flags, found, PODNET_ADDRESSES_MAX);
  if (count < 0) return count;
  struct addrinfo *first = NULL, **last = &first;
  for (int i = 0; i < count; i++) {
    *last = podnet_result_new(found[i], port, type, (flags & AI_CANONNAME) && i == 0 ? node : NULL);
    if (*last == NULL) {
      freeaddrinfo(first);
      return EAI_MEMORY;
    }
    last = &(*last)->ai_next;
  }
  *results = first;
  return 0;
}

PODNET_CALL const char *gai_strerror(int code) {
  switch (code) {
    case 0: return "Success";
    case EAI_BADFLAGS: return "Bad flags";
    case EAI_NONAME: return "Name or service not known";
    case EAI_AGAIN: return "Temporary failure in name resolution";
    case EAI_FAIL: return "Failure in name resolution";
    case EAI_FAMILY: return "Address family not supported";
    case EAI_SOCKTYPE: return "Socket type not supported";
    case EAI_SERVICE: return "Service not known";
    case EAI_MEMORY: return "Out of memory";
    case EAI_SYSTEM: return "System error";
    case EAI_OVERFLOW: return "Buffer too small";
    default: return "Unknown error";
  }
}

/* Read the names of an address, one a line, the one to be shown first; -1 when it has none. */
static inline int podnet_reverse(const void *address, char names[PODNET_NAMES_SIZE]) {
  char path[sizeof "/net/dns/reverse/" + INET_ADDRSTRLEN], digits[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, address, digits, sizeof digits);
  snprintf(path, sizeof path, "/net/dns/reverse/%s", digits);
  return podnet_read_file(path, names, PODNET_NAMES_SIZE) > 0 ? 0 : -1;
}

/* The host part of getnameinfo: a name when there is one, else digits. */
static inline int podnet_host_name(const void *address, char *host, socklen_t size, int flags) {
  char names[PODNET_NAMES_SIZE];
  if (!(flags & NI_NUMERICHOST) && podnet_reverse(address, names) == 0) {
    names[strcspn(names, "\n")] = '\0';
    return snprintf(host, size, "%s", names) < (int)size ? 0 : EAI_OVERFLOW;
  }
  if (flags & NI_NAMEREQD) return EAI_NONAME;
  return inet_ntop(AF_INET, address, host, size) != NULL ? 0 : EAI_OVERFLOW;
}

PODNET_CALL int getnameinfo(const struct sockaddr *__restrict address, socklen_t length, char *__restrict host,
                            socklen_t host_size, char *__restrict service, socklen_t service_size, int flags) {
  struct podnet_address from;
  uint32_t port;
  if (podnet_endpoint_in(address, length, &from, &port) != 0) return EAI_FAMILY;
  if (host != NULL && host_size != 0) {
    int error = podnet_host_name(from.bytes, host, host_size, flags);
    if (error != 0) return error;
  }
  if (service != NULL && service_size != 0 &&
      snprintf(service, service_size, "%u", (unsigned)port) >= (int)service_size)
    return EAI_OVERFLOW;
  return 0;
}

PODNET_CALL struct hostent *gethostbyname(const char *name) {
  static struct in_addr found[PODNET_ADDRESSES_MAX];
  static char *list[PODNET_ADDRESSES_MAX + 1], *aliases[1], canonical_name[PODNET_NAME_MAX + 1];
  static struct hostent answer;
  int count = podnet_node(name, 0, found, PODNET_ADDRESSES_MAX);
  if (count < 0) return NULL;
  for (int i = 0; i < count; i++) list[i] = (char *)&found[i];
  list[count] = NULL;
  snprintf(canonical_name, sizeof canonical_name, "%s", name);
  answer.h_name = canonical_name;
  answer.h_aliases = aliases;
  answer.h_addrtype = AF_INET;
  answer.h_length = sizeof found[0];
  answer.h_addr_list = list;
  return &answer;
}

PODNET_CALL struct hostent *gethostbyaddr(const void *address, socklen_t length, int family) {
  static struct in_addr asked;
  static char names[PODNET_NAMES_SIZE], *list[2], *aliases[PODNET_ALIASES_MAX + 1];
  static struct hostent answer;
  int count = 0;
  if (family != AF_INET || length < sizeof asked || podnet_reverse(address, names) != 0) return NULL;
  memcpy(&asked, address, sizeof asked);
  list[0] = (char *)&asked;
  for (char *line = names, *end; (end = strchr(line, '\n')) != NULL && count <= PODNET_ALIASES_MAX; line = end + 1) {
    *end = '\0';
    if (count > 0) aliases[count - 1] = line; /* the first one is the name itself */
    count++;
  }
  aliases[count - 1] = NULL;
  answer.h_name = names;
  answer.h_aliases = aliases;
  answer.h_addrtype = AF_INET;
  answer.h_length = sizeof asked;
  answer.h_addr_list = list;
  return &answer;
}

#ifdef __cplusplus
}
#endif

#endif

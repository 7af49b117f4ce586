/* <arpa/inet.h> for pods: the C library's own, with the conversions that it lacks. */
#ifndef PODNET_ARPA_INET_H
#define PODNET_ARPA_INET_H
#pragma GCC system_header

#include <netinet/in.h>
#include_next <arpa/inet.h>
#ifdef __wasi__
#include <podnet/bits/inet.h>
#endif

#endif

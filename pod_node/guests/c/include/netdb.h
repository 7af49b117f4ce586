/* <netdb.h> for pods: the C library's declarations, with names looked up in the pod's networks. */
#ifndef PODNET_NETDB_H
#define PODNET_NETDB_H
#pragma GCC system_header

#include <netinet/in.h>
#include_next <netdb.h>
#ifdef __wasi__
#include <podnet/bits/names.h>
#endif

#endif

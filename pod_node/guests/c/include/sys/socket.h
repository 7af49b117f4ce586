/* <sys/socket.h> for pods: the C library's own, with the structures, constants and calls that it lacks. */
#ifndef PODNET_SYS_SOCKET_H
#define PODNET_SYS_SOCKET_H
#pragma GCC system_header /* #include_next is an extension, and this file has nothing else to warn about */

#ifdef __wasi__
#include <podnet/bits/structures.h>
#endif
#include_next <sys/socket.h>
#ifdef __wasi__
#include <netinet/in.h>
#include <podnet/bits/constants.h>
#include <podnet/bits/calls.h>
#include <podnet/bits/hostname.h>
#include <podnet/bits/options.h>
#include <podnet/bits/transfer.h>
#endif

#endif

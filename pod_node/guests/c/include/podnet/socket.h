/* BSD sockets for C and C++ programs in pods, in one include.
 *
 *   python -m ziglang cc --target=wasm32-wasi -O2 -I DIRECTORY_OF_THESE_HEADERS program.c -o program.wasm
 *
 * A program that includes <sys/socket.h>, <netinet/in.h>, <netinet/tcp.h>, <arpa/inet.h> and <netdb.h> needs nothing
 * from here: headers of those names stand beside this folder, hand on to the C library's, and add what it lacks.
 * Compiled for anything but WASI, all of them are the system's own, so one source serves both.
 *
 * Every call is a weak definition in the program's own object: nothing to link, used calls only are kept, and they take
 * the place of the C library's `accept`, `send`, `recv`, `shutdown` and `getsockopt`, which know no addresses,
 * flags or options. `close`, `read`, `write`, `readv`, `writev`, `fcntl`, `poll` and `select` are the C library's.
 *
 * Absent: IPv6 (refused by `socket`), multicast, Unix sockets by path, ancillary data, out-of-band data, SIGPIPE (a write
 * to a closed connection fails with EPIPE), and `poll` for errors alone (`events` of zero fails with ENOSYS). */
#ifndef PODNET_SOCKET_H
#define PODNET_SOCKET_H

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#endif

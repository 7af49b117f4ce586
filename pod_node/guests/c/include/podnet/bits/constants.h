/* Constants that the C library's <sys/socket.h> defines for WASI 0.2 only, or not at all.
 *
 * Option names and levels are Linux's numbers, as the kernel expects them. Message flags stay within the headers: only
 * MSG_PEEK and MSG_WAITALL, whose numbers are the C library's, reach the kernel. */
#ifndef PODNET_BITS_CONSTANTS_H
#define PODNET_BITS_CONSTANTS_H

#ifndef SOMAXCONN
#define SOMAXCONN 128
#endif

#ifndef MSG_DONTWAIT
#define MSG_DONTWAIT 0x0040
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0x4000
#endif

#ifndef SOL_IP
#define SOL_IP 0
#define SOL_TCP 6
#define SOL_UDP 17
#define SOL_IPV6 41
#endif

#ifndef SO_REUSEADDR
#define SO_REUSEADDR 2
#define SO_ERROR 4
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_KEEPALIVE 9
#define SO_ACCEPTCONN 30
#define SO_PROTOCOL 38
#define SO_DOMAIN 39
#endif
#ifndef SO_RCVTIMEO
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#endif
#define SO_BROADCAST 6
#define SO_NO_CHECK 11
#define SO_LINGER 13
#define SO_REUSEPORT 15

#define PF_UNIX AF_UNIX
#define PF_LOCAL AF_UNIX
#define AF_LOCAL AF_UNIX

#endif

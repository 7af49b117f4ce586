/* TCP as a program sees it: sockets, listeners with a backlog, connections, resets, half close.
 *
 * Inside one node a connection is two streams, so there are no segments, sequence numbers or timers here:
 * what RFC 9293 says about them shows only in outcomes (refused, reset, end of stream, timed out), and those
 * follow Linux. A connect that meets a full backlog waits, as a retransmitted SYN would; its time-out is
 * evaluated when somebody looks, so no timer exists. Where a link, a fault or a capture concerns a connection, its
 * streams are paced and flow.h does all of that.
 *
 * Socket states, port tables and accept queues are under `network_lock`; the bytes are under the stream locks.
 */
#ifndef PODNET_FABRIC_TCP_H
#define PODNET_FABRIC_TCP_H

#include "vnet/fabric/sockets/socket.h"
#include "vnet/fabric/sockets/stream.h"

/* Linux: 6 retransmissions of a SYN, 1 + 2 + 4 + ... + 64 seconds. */
#define TCP_CONNECT_TIMEOUT_NS (127 * NSEC_PER_SEC)
#define TCP_BACKLOG_MOST 4096u /* net.core.somaxconn */

enum tcp_shutdown { TCP_SHUT_READ = 1, TCP_SHUT_WRITE = 2 };

/* NULL when the pod's limit of sockets or bytes is reached. */
struct socket *tcp_open(struct pod *pod);
/* Two connected sockets of one pod. */
int tcp_pair(struct pod *pod, struct socket *pair[2]);
void tcp_close(struct socket *socket);

int tcp_bind(struct socket *socket, struct address address, u32 port);
int tcp_listen(struct socket *socket, u32 backlog);
int tcp_accept(struct socket *listener, bool wait, struct socket **accepted);
int tcp_connect(struct socket *socket, struct address address, u32 port, bool wait);
int tcp_shutdown(struct socket *socket, u32 how);

/* Bytes moved, 0 at the end of the stream, or a negative errno. */
i32 tcp_read(struct socket *socket, uaddr to, u32 size, bool wait, bool peek);
/* What is there now or by the deadline; 0 when nothing is. Of ends and errors the next read tells. */
i32 tcp_read_by(struct socket *socket, uaddr to, u32 size, u64 deadline);
i32 tcp_write(struct socket *socket, uaddr from, u32 size, bool wait);

/* SO_ERROR: the pending error, cleared. */
u32 tcp_take_error(struct socket *socket);
/* A call met `error` after it had moved bytes: the next one reports it. */
void tcp_defer_error(struct socket *socket, u32 error);
u32 tcp_poll(struct socket *socket);
/* Bytes that a read would return now, for poll. */
u32 tcp_available(struct socket *socket);
/* The queue that is woken when `event` (POLL_READ or POLL_WRITE) may have become true. */
struct waitq *tcp_queue(struct socket *socket, u32 event);
/* When a waiter should look again without being woken; NEVER mostly. */
u64 tcp_deadline(struct socket *socket);
/* A waiter of this socket is about to park. */
void tcp_idle(struct socket *socket);

#endif

/* What every socket has, whatever its protocol: an id, a pod, a local and a remote end, options.
 *
 * Sockets of a node are found by id; an id means something only together with the pod that it belongs to. Several of the
 * pod's processes may have it open, and use it at once; it is closed with the last of their descriptors.
 * Tables and states are under `network_lock`. What a protocol adds stands in its own part of the union.
 */
#ifndef PODNET_FABRIC_SOCKET_H
#define PODNET_FABRIC_SOCKET_H

#include "vnet/fabric/errno.h"
#include "vnet/fabric/pods/network.h"
#include "vnet/fabric/sockets/stream.h"

enum socket_kind {
	SOCKET_STREAM = 1, /* TCP; tcp.h */
	SOCKET_DATAGRAM,   /* UDP; udp.h */
	SOCKET_ECHO,       /* what the node hears of its echoes; echo.h */
	SOCKET_TRUNK,      /* packets to pods on other nodes; trunk.h */
};

/* As in Linux, a datagram socket is closed or, once it has a peer, established. */
enum tcp_state {
	TCP_CLOSED = 0,
	TCP_LISTEN,
	TCP_SYN_SENT, /* waits for room in a backlog, for the gateway, or for nobody */
	TCP_ESTABLISHED,
};

enum poll_events { POLL_READ = 1, POLL_WRITE = 2, POLL_HANGUP = 4 };

struct endpoint {
	struct address address;
	u32 port;
};

/* What a socket has received and nobody has read; datagram_queue.h. */
struct datagram_queue {
	struct lock lock;
	struct packet *first, *last; /* under lock; in order of arrival */
	u32 bytes;                     /* memory that they occupy; under lock */
	_Atomic u32 count;             /* under lock, read without it */
	u64 drops;                     /* for want of room; under lock */
};

struct socket {
	u32 id;
	enum socket_kind kind; /* fixed at creation */
	_Atomic u32 state; /* enum tcp_state; under network_lock, read without it */
	struct pod *pod;   /* held */
	_Atomic u32 descriptor; /* the number last given to it by a process; a hint */
	struct socket *next_by_id, *next_by_port;
	struct address local, remote;
	u16 local_port, remote_port;
	bool bound;                 /* in the port table */
	_Atomic bool read_shut, write_shut;
	_Atomic bool reuse_address, reuse_port, keep_alive, broadcast;
	_Atomic i32 linger; /* seconds; -1 = off */
	_Atomic u64 receive_timeout, send_timeout; /* ns that one call waits at most; 0: as long as it takes */
	_Atomic u32 send_buffer, receive_buffer; /* as last set; bytes */
	_Atomic u32 error;               /* pending; set under network_lock */
	struct waitq changes;            /* accept queue not empty, connect decided, datagram or error there */
	union {
		struct { /* SOCKET_STREAM */
			_Atomic bool no_delay;
			_Atomic u32 keep_idle, keep_interval, keep_count;
			u32 side;
			struct connection *connection; /* held, once established */
			u64 counted_received, counted_sent; /* bytes that its interface knows of; under network_lock */
			struct socket *_Atomic twin; /* of a fresh pair: the end that nobody has opened yet */
			/* A listener's queues, and a queued socket's place in one; under network_lock. */
			u32 backlog;
			_Atomic u32 queued; /* length of the accept queue; read without the lock */
			_Atomic u32 pending; /* how many connects wait for room in it; read without the lock */
			struct socket *accept_first, *accept_last;
			struct socket *pending_first, *pending_last;
			struct socket *queue_next;
			struct socket *listener; /* while SYN_SENT towards it; NULL when nobody answers */
			struct connect_request *outside; /* while SYN_SENT and the host decides; under network_lock */
			_Atomic u64 connect_deadline;
		};
		struct { /* SOCKET_DATAGRAM, and of the others the queue */
			_Atomic bool headers; /* reads and writes carry the other end's address */
			_Atomic bool no_check; /* takes what fails its checksum */
			struct address
				bound_address; /* what bind gave; `local` while there is no peer; under network_lock */
			struct datagram_queue incoming;
			struct socket *next_by_number; /* of those that broadcasts may reach; under network_lock */
		};
	};
};

/* What was set for a socket; bytes. */
struct socket_buffers {
	u32 send, receive;
};

static inline struct socket_buffers socket_buffers(const struct socket *socket)
{
	return (struct socket_buffers){socket->send_buffer, socket->receive_buffer};
}

static inline bool endpoint_equal(struct endpoint a, struct endpoint b)
{
	return a.port == b.port && address_equal(a.address, b.address);
}

static inline struct endpoint socket_local(const struct socket *socket)
{
	return (struct endpoint){socket->local, socket->local_port};
}

static inline struct endpoint socket_remote(const struct socket *socket)
{
	return (struct endpoint){socket->remote, socket->remote_port};
}

/* A process may ask while another one binds or connects: both ends as they are at one moment. */
struct socket_ends {
	struct endpoint local, remote;
};

struct socket_ends socket_ends(const struct socket *socket);

/* When a call that begins now has waited for as long as SO_RCVTIMEO or SO_SNDTIMEO lets it. */
static inline u64 timeout_end(u64 timeout)
{
	return timeout ? clock_now(CLOCK_ID_MONOTONIC) + timeout : NEVER;
}

/* What it then returns. */
static inline int timeout_result(int result)
{
	return result == -E_TIMEDOUT ? -E_AGAIN : result;
}

/* A socket that nobody can find yet; NULL when the pod's limit of sockets or bytes is reached. */
struct socket *socket_create(struct pod *pod, enum socket_kind kind);
/* Of a socket that nobody can find any more. */
void socket_free(struct socket *socket);

/* Under network_lock: give it an id and make it known; take it out again. */
void socket_enter(struct socket *socket);
void socket_leave(struct socket *socket);
/* Under network_lock: the socket of `pod` with this id, or NULL. */
struct socket *socket_find(struct pod *pod, u32 id);

/* Under network_lock, for going through all: the first socket of a bucket; `next_by_id` leads on. */
#define SOCKET_BUCKETS 16384u
struct socket *socket_first(u32 bucket);

_Atomic u32 *socket_count(void);

#endif

/* The way to pods on other nodes: what leaves for them is handed to the host, and what comes from them taken from it.
 *
 * One pod stands for all of them: it has their interfaces, so routes, policies, links and faults know them as they know
 * others. The node of whoever connects or sends simulates the whole way there, and for a connection the way back, too; what
 * has come to its end is handed over here. So what comes from another node comes at once, without policies or links.
 *
 * - Connects that nothing concerns wait for the host's decision (connects.h), as those do that leave the deployment.
 * - A SYN that came along a path is a question to the host, which answers like a listener; once the client has
 *   acknowledged, the host accepts the connection from a listener of its own, which stands for all there are elsewhere.
 * - Datagrams, ICMP packets and those questions are records that the host reads from one socket. What finds no room in it is
 *   lost.
 *
 * What is lost between nodes is lost here, too, and asked or sent again by those who do that.
 */
#ifndef PODNET_FABRIC_TRUNK_H
#define PODNET_FABRIC_TRUNK_H

#include "vnet/fabric/outside/connects.h"
#include "vnet/fabric/paths/packet.h"

struct flow;

#define TRUNK_BUFFER (4u << 20) /* of records that the host has not read; several broadcasts to a thousand pods */

enum trunk_record_flags {
	TRUNK_CORRUPT = 1,
	TRUNK_BROADCAST = 2, /* of a datagram: `to` is what it was sent to */
	TRUNK_REPLY = 4,     /* of an echo */
};

/* What precedes a packet's payload. Addresses are IPv4. */
struct trunk_record {
	u64 elapsed; /* of an echo: simulation time since its request was sent, ns */
	u32 protocol; /* enum packet_protocol; TCP: a SYN */
	u32 flags;    /* enum trunk_record_flags */
	u32 source, source_port, target, target_port;
	u32 to;
	u32 identifier, sequence; /* of an echo */
	u32 refused; /* of an ICMP packet: the protocol of the packet that found nobody; its ports are those above */
};

/* The host's ends: a listener that accepts connections to pods elsewhere, and the socket that gives records. */
struct trunk_sockets {
	struct socket *listener, *records;
};

/* Serve, with no more than so many bytes and sockets for what comes from other nodes. 0, -E_ADDRINUSE, -E_NOBUFS. */
int trunk_open(u64 byte_limit, u32 socket_limit, struct trunk_sockets *sockets);
/* Nobody serves any more: connects that wait fail, and no address is elsewhere. */
void trunk_close(void);
bool trunk_ready(void);
struct waitq *trunk_queue(void);
/* The socket of records, or the listener, is closed. */
void trunk_records_close(struct socket *socket);

/* A pod on another node has, or has no longer, this address. 0, -E_ADDRINUSE, -E_NOBUFS, -E_NOENT, -E_NOTCONN. */
int trunk_attach(u32 network, struct address address, u32 prefix);
int trunk_detach(struct address address);

/* Under network_lock. Let the connect of `client`, whose addresses are set, wait for the host. 0 or -E_NOBUFS. */
int trunk_connect(struct socket *client);
/* Under network_lock. The listener for connections to pods elsewhere; NULL when nobody serves. */
struct socket *trunk_listener(void);
/* Under network_lock and the pacer's. A SYN has come to the end of its way: `flow` is the one that is to answer. */
void trunk_ask(const struct flow *flow);
/* Under network_lock; for an echo under the pacer's lock too. A packet for a pod elsewhere, which is given away. */
void trunk_carry(struct packet *packet, u64 now);

/* For the host: connects. */
bool trunk_take(struct outside_connect *connect);
/* As `gateway_decide`; `buffers` are the far end's. */
int trunk_decide(u32 id, u32 error, struct socket_buffers buffers, struct socket **server);
u32 trunk_withdrawn(u32 *ids, u32 count);
/* What the far node says of a SYN, of which `record` has the ends. */
void trunk_answer(const struct trunk_record *record, u32 error, struct socket_buffers buffers);

/* For the host: what comes from another node. */
/* Whether somebody listens there and has room: 0, -E_CONNREFUSED, -E_HOSTUNREACH, -E_AGAIN. */
int trunk_probe(struct endpoint target, struct socket_buffers *buffers);
/* A connection from `source` to `target`: its client end, open or waiting for room. 0, -E_CONNREFUSED,
 * -E_HOSTUNREACH, -E_ADDRNOTAVAIL (the source is nobody's elsewhere), -E_NOBUFS. */
int trunk_arrive(struct endpoint source, struct endpoint target, struct socket_buffers buffers, struct socket **client);
/* Those of the pod's end of a connection of which the host has the other, once it is open. */
struct socket_buffers trunk_far_buffers(const struct socket *socket);
/* A packet, whose payload lies at `payload`. 0, -E_INVAL, -E_ADDRNOTAVAIL, -E_HOSTUNREACH, -E_NOBUFS. */
int trunk_deliver(const struct trunk_record *record, const u8 *payload, u32 size);

#endif

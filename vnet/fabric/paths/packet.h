/* What travels on paced paths: a TCP segment, a UDP datagram or an ICMP echo, without headers.
 *
 * A packet belongs to one place at a time: its maker, a link's queue, a path that holds it, the event heap, or the
 * stack above that receives it. Whoever has it last frees it. All of it is under the pacer's lock, but that nobody needs
 * a lock for a packet that has arrived, or is yet to be sent, and is not TCP's.
 */
#ifndef PODNET_FABRIC_PACKET_H
#define PODNET_FABRIC_PACKET_H

#include "vnet/fabric/pods/network.h"

#define IPV4_HEADER_SIZE 20u
#define TCP_OVERHEAD 40u /* of a segment at layer 3, in bytes */
#define UDP_OVERHEAD 28u /* of a datagram or an echo */

enum event_kind {
	EVENT_PACKET = 0, /* it has come to the end of a hop */
	EVENT_LINK,       /* the link has sent the packet that it was sending */
	EVENT_FLOW, /* a timer of a flow's */
	EVENT_FLOW_ENTRY, /* a program has written to a flow, or read from it */
};

/* Something that is to happen; a node of the pacer's heap. */
struct event {
	u64 due;   /* simulation time, ns on CLOCK_ID_MONOTONIC */
	u64 order; /* of scheduling: decides between events due at once */
	struct event *child, *next, *previous; /* pairing heap: first child, next sibling, previous sibling or parent */
	bool scheduled;
	u8 kind; /* enum event_kind; set before it is scheduled */
};

/* Protocol numbers of IPv4. */
enum packet_protocol { PACKET_ICMP = 1, PACKET_TCP = 6, PACKET_UDP = 17 };

enum packet_flags {
	PACKET_CORRUPT = 1, /* its checksum is wrong: only a UDP socket without checksums takes it */
	PACKET_COPY = 2, /* a link made it */
	PACKET_REORDERED = 4, /* chosen to skip the next delay */
	PACKET_SHOWN = 8, /* to the captures at its source */
};

enum tcp_flags { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

struct tcp_packet {
	struct flow *
		flow; /* in whose direction it goes; a copy calls `flow_hold`, freeing calls `flow_release`, unless NULL */
	u32 sequence, acknowledgement; /* in the numbers of the streams */
	u32 size; /* of its bytes in the stream */
	u32 edge; /* right end of the window that it grants */
	u32 number, transmission; /* of a segment with bytes or a FIN: the scoreboard's */
	u32 arrivals; /* of an acknowledgement: what its sender had received */
	u64 echo; /* of an acknowledgement: when that was sent which it answers */
	u8 flags; /* enum tcp_flags */
	bool probe; /* asks for an acknowledgement */
};

struct datagram_packet {
	u16 source_port, target_port;
	bool broadcast;
	struct address to; /* what a broadcast was sent to */
};

/* An echo, or the message that nobody was there for a packet. */
struct echo_packet {
	u32 identifier, sequence;
	u64 started; /* simulation time at which the request was sent */
	bool reply;
	u8 refused; /* protocol of the packet that found nobody; 0 in an echo */
	u16 source_port, target_port; /* of a datagram that found nobody */
};

/* While packets wait for a link, the first one of each flow keeps the flow's place. */
struct backlog {
	struct packet *last; /* of this flow */
	struct packet *after, *before; /* first packets of other flows, in the order of service; a ring */
	struct packet *chain; /* first packet of the next flow in the hash bucket */
	u32 packets;
	i32 deficit; /* bytes that the flow may still send in this round */
};

struct packet {
	struct event event; /* first: an EVENT_PACKET is its packet */
	struct packet *next; /* in the list of whoever has it */
	struct path *path; /* held, from being sent to its arrival */
	struct address source, target; /* as its path's; of one that takes no path, its maker sets them */
	struct account *account; /* held; the sender's, which pays */
	u32 size; /* bytes at layer 3 */
	u32 flow_key; /* the same for all packets of a flow, for fair queueing; see `packet_flow_key` */
	u32 payload_size;
	u16 hop; /* links crossed */
	u8 protocol; /* enum packet_protocol */
	u8 flags; /* enum packet_flags */
	u64 sent; /* simulation time of `packet_send` */
	u64 index; /* on the link that it crosses, for its luck */
	struct backlog backlog;
	union {
		struct tcp_packet tcp;
		struct datagram_packet datagram;
		struct echo_packet echo;
	};
	u8 payload[]; /* datagrams and echoes; TCP's bytes stay in their stream */
};

/* A packet with room for `payload_size` bytes, which `account` pays for; its size at layer 3 is that of its payload
 * with headers (a TCP segment's maker adds the bytes that lie in the stream). NULL when there is no memory: the packet
 * is as good as lost. */
struct packet *packet_create(struct account *account, enum packet_protocol protocol, u32 payload_size);
/* Another packet like it, for a link that duplicates. NULL when there is no memory. */
struct packet *packet_copy(const struct packet *packet);
void packet_free(struct packet *packet);

/* A number for all packets of a flow, by its ports beside the path that it takes. */
u32 packet_flow_key(const struct path *path, u32 protocol, u32 source_port, u32 target_port);

#endif

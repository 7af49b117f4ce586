/* What a packet looks like on a wire: Ethernet, IPv4 and transport headers with right checksums.
 *
 * Packets in the fabric have no headers: both ends of a path are the kernel's own. A capture wants them, so they are
 * written here, purely, from what the packet is.
 */
#ifndef PODNET_FABRIC_FRAME_H
#define PODNET_FABRIC_FRAME_H

#include "vnet/fabric/platform.h"

#define FRAME_ETHERNET 14u
#define FRAME_IPV4 20u
#define FRAME_TCP 20u
#define FRAME_TCP_OPTIONS 12u /* of a SYN: MSS, window scale, SACK permitted */
#define FRAME_UDP 8u
#define FRAME_ICMP 8u
#define FRAME_HEADERS_MOST (FRAME_ETHERNET + FRAME_IPV4 + FRAME_TCP + FRAME_TCP_OPTIONS)

/* RFC 7323: windows are announced in units of 2^7, but in a SYN. */
#define FRAME_WINDOW_SCALE 7u

enum frame_protocol { FRAME_IS_ICMP = 1, FRAME_IS_TCP = 6, FRAME_IS_UDP = 17 };
enum frame_tcp_flags { FRAME_FIN = 1, FRAME_SYN = 2, FRAME_RST = 4, FRAME_PSH = 8, FRAME_ACK = 16 };
enum frame_icmp_type { FRAME_ECHO_REPLY = 0, FRAME_UNREACHABLE = 3, FRAME_ECHO_REQUEST = 8 };
enum frame_icmp_code { FRAME_HOST_UNREACHABLE = 1, FRAME_PORT_UNREACHABLE = 3 };

struct frame {
	u32 source, target; /* IPv4 */
	enum frame_protocol protocol;
	u16 identification;
	u16 source_port, target_port;
	/* TCP */
	u32 sequence, acknowledgement;
	u32 window; /* bytes */
	u8 flags;
	u16 segment_most; /* the MSS that a SYN announces */
	/* ICMP */
	u8 type, code;
	u16 identifier, number;
	/* What follows the headers. */
	u32 payload_size;
	u32 payload_sum; /* of `checksum_add` over it */
};

/* The Internet checksum of RFC 1071, unfolded: add `size` bytes that start at an even offset. */
u32 checksum_add(u32 sum, const u8 *bytes, u32 size);

/* Write the headers, FRAME_HEADERS_MOST bytes at most; their size. */
u32 frame_write(const struct frame *frame, u8 *to);

#endif

/* Where captures listen: on interfaces, to what goes out and comes in, and on links, to what becomes of each packet.
 *
 * Who is listened to is concerned by something, so its flows are paced and every segment is a packet.
 */
#ifndef PODNET_FABRIC_TAP_H
#define PODNET_FABRIC_TAP_H

#include "vnet/fabric/captures/capture.h"
#include "vnet/fabric/paths/packet.h"

/* A capture that listens to nothing yet; NULL when there is no number or no memory left. */
struct capture *tap_open(u32 capacity, u32 snaplen);
/* Listen to an interface, or to a link, too: to its directions 1 (forward), 2 (backward) or 3. 0 or -E_NOENT. */
int tap_interface(struct capture *capture, u32 ipv4);
int tap_wire(struct capture *capture, u32 wire, u32 directions);
/* Listen to nothing any more. */
void tap_close(struct capture *capture);

/* Whole records; -E_AGAIN when there are none, -E_INVAL when `size` is too small for the next one. The memory must be
 * the fabric's own: only the host reads captures. */
i32 tap_read(struct capture *capture, uaddr to, u32 size);

struct capture_counts {
	u64 received, dropped;
};
struct capture_counts tap_counts(struct capture *capture);

/* The headers of a datagram or an ICMP packet, without what follows from the payload. */
struct frame tap_describe(const struct packet *packet);
/* Under the pacer's lock: the captures that are open, as a mask. */
u32 taps_open(void);
/* Under the pacer's lock: show `packet`, on its path, to the captures in `mask`. */
void tap_packet(u32 mask, const struct packet *packet, u64 now, enum capture_direction direction,
		enum capture_outcome outcome);

#endif

/* Captures: what passes an interface or a link, as frames in a ring that the host reads.
 *
 * A capture has a number; interfaces and links have a mask of the captures that listen to them, so that one which
 * nobody listens to costs a test of that mask. A full ring drops what is new and counts it: a slow reader slows
 * nobody down. Everything here is under `pacer_lock`, but `capture_readable`.
 */
#ifndef PODNET_FABRIC_CAPTURE_H
#define PODNET_FABRIC_CAPTURE_H

#include "vnet/fabric/captures/frame.h"
#include "vnet/fabric/memory.h"

#define CAPTURES_MOST 16u
#define CAPTURE_RING_LEAST (64u << 10)
#define CAPTURE_RING_MOST (64u << 20)
#define CAPTURE_SNAPLEN_MOST 65549u /* the largest IPv4 packet in an Ethernet frame */

enum capture_direction { CAPTURE_UNKNOWN = 0, CAPTURE_IN = 1, CAPTURE_OUT = 2 };

/* What became of the packet there. */
enum capture_outcome {
	CAPTURE_PASSED = 0,
	CAPTURE_LOST,
	CAPTURE_QUEUE_FULL,
	CAPTURE_CUT,
	CAPTURE_CORRUPTED,
	CAPTURE_TOO_LARGE,
};

/* How a packet lies in the ring, followed by `captured` bytes and padding to eight. */
struct capture_record {
	u64 time; /* CLOCK_ID_REALTIME, ns */
	u32 size; /* of the frame */
	u32 captured; /* bytes of it that follow */
	u8 direction, outcome;
	u16 padding;
	u32 length; /* of this record with all that belongs to it */
};

struct capture {
	u32 number;
	u32 snaplen;
	u64 clock_offset; /* CLOCK_ID_REALTIME less CLOCK_ID_MONOTONIC, when it was opened */
	u8 *ring;
	u32 capacity; /* a power of two */
	u64 head, tail;
	_Atomic u32 waiting; /* bytes in the ring */
	u64 received, dropped; /* packets */
	struct waitq readers;
};

/* Bytes that lie in one or two pieces, or are gone. */
struct payload {
	const u8 *part[2];
	u32 size[2];
	u32 missing; /* bytes after these that nobody has any more */
};

/* NULL when there is no number or no memory left. */
struct capture *capture_open(u32 capacity, u32 snaplen);
/* Nothing may listen with it any more. */
void capture_close(struct capture *capture);
static inline u32 capture_mask(const struct capture *capture)
{
	return 1u << capture->number;
}

/* Give a packet to all captures in `mask`. `frame->payload_*` are filled in from `payload`. */
void capture_frame(u32 mask, u64 now, struct frame *frame, const struct payload *payload,
		   enum capture_direction direction, enum capture_outcome outcome);

/* Take whole records, as many as fit; the bytes taken. */
u32 capture_read(struct capture *capture, u8 *to, u32 size);
/* A condition for waiting. */
bool capture_readable(const void *capture);

#endif

#include "vnet/fabric/captures/capture.h"

static struct capture *captures[CAPTURES_MOST];

static u32 ring_capacity(u32 wanted)
{
	u32 capacity = CAPTURE_RING_LEAST;
	while (capacity < wanted && capacity < CAPTURE_RING_MOST)
		capacity *= 2;
	return capacity;
}

struct capture *capture_open(u32 capacity, u32 snaplen)
{
	u32 number = 0;
	while (number < CAPTURES_MOST && captures[number])
		number++;
	struct capture *capture = number < CAPTURES_MOST ? memory_allocate(NULL, sizeof(*capture)) : NULL;
	if (!capture)
		return NULL;
	*capture = (struct capture){
		.number = number,
		.snaplen = snaplen ? MIN(snaplen, CAPTURE_SNAPLEN_MOST) : CAPTURE_SNAPLEN_MOST,
		.clock_offset = clock_now(CLOCK_ID_REALTIME) - clock_now(CLOCK_ID_MONOTONIC),
		.capacity = ring_capacity(capacity),
	};
	capture->ring = memory_allocate(NULL, capture->capacity);
	if (!capture->ring) {
		memory_free(NULL, capture, sizeof(*capture));
		return NULL;
	}
	captures[number] = capture;
	return capture;
}

void capture_close(struct capture *capture)
{
	captures[capture->number] = NULL;
	memory_free(NULL, capture->ring, capture->capacity);
	memory_free(NULL, capture, sizeof(*capture));
}

static void ring_put(struct capture *capture, const void *bytes, u32 size)
{
	u32 offset = (u32)capture->head & (capture->capacity - 1);
	u32 first = MIN(size, capture->capacity - offset);
	memcpy(capture->ring + offset, bytes, first);
	memcpy(capture->ring, (const u8 *)bytes + first, size - first);
	capture->head += size;
}

static void ring_get(struct capture *capture, void *bytes, u32 size)
{
	u32 offset = (u32)capture->tail & (capture->capacity - 1);
	u32 first = MIN(size, capture->capacity - offset);
	memcpy(bytes, capture->ring + offset, first);
	memcpy((u8 *)bytes + first, capture->ring, size - first);
	capture->tail += size;
}

/* The first `most` bytes of headers and payload. */
static void ring_put_frame(struct capture *capture, const u8 *headers, u32 header_size, const struct payload *payload,
			   u32 most)
{
	u32 size = MIN(header_size, most);
	ring_put(capture, headers, size);
	for (u32 i = 0; i < COUNT_OF(payload->part); i++) {
		u32 piece = MIN(payload->size[i], most - size);
		ring_put(capture, payload->part[i], piece);
		size += piece;
	}
}

static void capture_put(struct capture *capture, struct capture_record record, const u8 *headers, u32 header_size,
			const struct payload *payload)
{
	static const u8 padding[8];
	record.time += capture->clock_offset;
	record.captured = MIN(record.size - payload->missing, capture->snaplen);
	record.length = (u32)sizeof(record) + ((record.captured + 7) & ~7u);
	capture->received++;
	if (capture->capacity - (capture->head - capture->tail) < record.length) {
		capture->dropped++;
		return;
	}
	ring_put(capture, &record, sizeof(record));
	ring_put_frame(capture, headers, header_size, payload, record.captured);
	ring_put(capture, padding, -record.captured & 7);
	if (atomic_fetch_add(&capture->waiting, record.length) == 0)
		waitq_wake(&capture->readers);
}

/* RFC 1071: what begins at an odd offset counts with its bytes swapped. */
static u32 payload_sum(const struct payload *payload)
{
	u32 sum = checksum_add(0, payload->part[0], payload->size[0]);
	u32 rest = checksum_add(0, payload->part[1], payload->size[1]);
	if (payload->size[0] & 1) {
		rest = (rest & 0xffff) + (rest >> 16);
		rest = (rest & 0xffff) + (rest >> 16);
		rest = (rest & 0xff) << 8 | rest >> 8;
	}
	u64 total = (u64)sum + rest;
	return (u32)((total & 0xffffffff) + (total >> 32));
}

void capture_frame(u32 mask, u64 now, struct frame *frame, const struct payload *payload,
		   enum capture_direction direction, enum capture_outcome outcome)
{
	u8 headers[FRAME_HEADERS_MOST];
	frame->payload_size = payload->size[0] + payload->size[1] + payload->missing;
	frame->payload_sum = payload_sum(payload);
	u32 header_size = frame_write(frame, headers);
	struct capture_record record = {
		.time = now,
		.size = header_size + frame->payload_size,
		.direction = (u8)direction,
		.outcome = (u8)outcome,
	};
	for (u32 number = 0; number < CAPTURES_MOST; number++)
		if (mask & 1u << number && captures[number])
			capture_put(captures[number], record, headers, header_size, payload);
}

u32 capture_read(struct capture *capture, u8 *to, u32 size)
{
	u32 done = 0;
	while (capture->head != capture->tail) {
		struct capture_record record;
		u64 start = capture->tail;
		ring_get(capture, &record, sizeof(record));
		if (size - done < record.length) {
			capture->tail = start;
			break;
		}
		memcpy(to + done, &record, sizeof(record));
		ring_get(capture, to + done + sizeof(record), record.length - (u32)sizeof(record));
		done += record.length;
	}
	atomic_fetch_sub(&capture->waiting, done);
	return done;
}

bool capture_readable(const void *object)
{
	return atomic_load(&((const struct capture *)object)->waiting) != 0;
}

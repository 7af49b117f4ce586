#include "vnet/fabric/captures/frame.h"

#define ETHERTYPE_IPV4 0x0800u
#define IPV4_DO_NOT_FRAGMENT 0x4000u
#define IPV4_TIME_TO_LIVE 64u

static u8 *put_u8(u8 *to, u32 value)
{
	*to = (u8)value;
	return to + 1;
}

static u8 *put_u16(u8 *to, u32 value)
{
	return put_u8(put_u8(to, value >> 8), value);
}

static u8 *put_u32(u8 *to, u32 value)
{
	return put_u16(put_u16(to, value >> 16), value);
}

/* A locally administered address that follows from the interface's IPv4 one, so that each has its own. */
static u8 *put_mac(u8 *to, u32 ipv4)
{
	return put_u32(put_u16(to, 0x0242), ipv4);
}

u32 checksum_add(u32 sum, const u8 *bytes, u32 size)
{
	u64 total = sum;
	for (u32 i = 0; i + 1 < size; i += 2)
		total += (u32)bytes[i] << 8 | bytes[i + 1];
	if (size & 1)
		total += (u32)bytes[size - 1] << 8;
	while (total >> 32)
		total = (total & 0xffffffff) + (total >> 32);
	return (u32)total;
}

static u32 checksum_finish(u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static u32 add_folded(u32 a, u32 b)
{
	return (a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16);
}

static u8 *put_ipv4(u8 *to, const struct frame *frame, u32 transport_size)
{
	u8 *start = to;
	to = put_u16(to, 0x4500); /* version 4, five words of header, no differentiated service */
	to = put_u16(to, FRAME_IPV4 + transport_size);
	to = put_u16(to, frame->identification);
	to = put_u16(to, IPV4_DO_NOT_FRAGMENT);
	to = put_u8(to, IPV4_TIME_TO_LIVE);
	to = put_u8(to, frame->protocol);
	to = put_u16(to, 0);
	to = put_u32(put_u32(to, frame->source), frame->target);
	put_u16(start + 10, checksum_finish(checksum_add(0, start, FRAME_IPV4)));
	return to;
}

/* RFC 9293 3.1: transport checksums cover the addresses, the protocol and the length too. */
static u32 pseudo_sum(const struct frame *frame, u32 transport_size)
{
	return (frame->source >> 16) + (frame->source & 0xffff) + (frame->target >> 16) + (frame->target & 0xffff) +
	       frame->protocol + transport_size;
}

static u8 *put_tcp(u8 *to, const struct frame *frame)
{
	bool syn = frame->flags & FRAME_SYN;
	u32 size = FRAME_TCP + (syn ? FRAME_TCP_OPTIONS : 0);
	u32 window = MIN(syn ? frame->window : frame->window >> FRAME_WINDOW_SCALE, 0xffffu);
	u8 *start = to;
	to = put_u16(put_u16(to, frame->source_port), frame->target_port);
	to = put_u32(put_u32(to, frame->sequence), frame->flags & FRAME_ACK ? frame->acknowledgement : 0);
	to = put_u8(put_u8(to, size / 4 << 4), frame->flags);
	to = put_u16(to, window);
	to = put_u32(to, 0); /* checksum, urgent pointer */
	if (syn) {
		to = put_u16(put_u16(to, 0x0204), frame->segment_most);
		to = put_u32(to, 0x01030300u | FRAME_WINDOW_SCALE); /* padding, window scale */
		to = put_u32(to, 0x01010402u);                      /* padding twice, SACK permitted */
	}
	u32 sum = add_folded(pseudo_sum(frame, size + frame->payload_size), frame->payload_sum);
	put_u16(start + 16, checksum_finish(checksum_add(sum, start, size)));
	return to;
}

static u8 *put_udp(u8 *to, const struct frame *frame)
{
	u32 size = FRAME_UDP + frame->payload_size;
	u8 *start = to;
	to = put_u16(put_u16(to, frame->source_port), frame->target_port);
	to = put_u16(put_u16(to, size), 0);
	u32 sum = add_folded(pseudo_sum(frame, size), frame->payload_sum);
	u32 checksum = checksum_finish(checksum_add(sum, start, FRAME_UDP));
	put_u16(start + 6, checksum ? checksum : 0xffff); /* RFC 768: zero means none */
	return to;
}

static u8 *put_icmp(u8 *to, const struct frame *frame)
{
	u8 *start = to;
	to = put_u16(put_u8(put_u8(to, frame->type), frame->code), 0);
	to = put_u16(put_u16(to, frame->identifier), frame->number);
	u32 sum = checksum_add(0, start, FRAME_ICMP);
	put_u16(start + 2, checksum_finish(add_folded(sum, frame->payload_sum)));
	return to;
}

static u32 transport_header(const struct frame *frame)
{
	switch (frame->protocol) {
	case FRAME_IS_TCP: return FRAME_TCP + (frame->flags & FRAME_SYN ? FRAME_TCP_OPTIONS : 0);
	case FRAME_IS_UDP: return FRAME_UDP;
	default: return FRAME_ICMP;
	}
}

u32 frame_write(const struct frame *frame, u8 *to)
{
	u8 *start = to;
	to = put_mac(put_mac(to, frame->target), frame->source);
	to = put_u16(to, ETHERTYPE_IPV4);
	to = put_ipv4(to, frame, transport_header(frame) + frame->payload_size);
	switch (frame->protocol) {
	case FRAME_IS_TCP: to = put_tcp(to, frame); break;
	case FRAME_IS_UDP: to = put_udp(to, frame); break;
	default: to = put_icmp(to, frame);
	}
	return (u32)(to - start);
}

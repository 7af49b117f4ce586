#include "pod_node/kernel/datagrams.h"

#include "pod_node/kernel/wasi.h"

_Static_assert(sizeof(struct datagram_header) == 20, "docs/net.md");

/* A datagram is not cut short because its buffers are many, so more than we take are refused. */
static int read_spans(uaddr iovs, u32 count, struct user_spans *spans)
{
	struct wasi_iovec list[WASI_IOVS_MOST];
	if (count > USER_SPANS_MOST)
		return -E_MSGSIZE;
	int buffers = wasi_read_iovs(iovs, count, list);
	if (buffers < 0)
		return buffers;
	spans->count = (u32)buffers;
	for (int i = 0; i < buffers; i++)
		spans->list[i] = (struct user_span){list[i].buffer, list[i].length};
	return 0;
}

static struct datagram_header header_of(const struct udp_received *received)
{
	u32 ipv4 = address_to_ipv4(received->source.address), port = received->source.port;
	return (struct datagram_header){
		.address = {[10] = 0xff,
			    [11] = 0xff,
			    [12] = (u8)(ipv4 >> 24),
			    [13] = (u8)(ipv4 >> 16),
			    [14] = (u8)(ipv4 >> 8),
			    [15] = (u8)ipv4},
		.port = {(u8)(port >> 8), (u8)port},
		.flags = {0, received->truncated ? HEADER_TRUNCATED : 0},
	};
}

i32 wasi_datagram_in(struct socket *socket, uaddr iovs, u32 count, bool wait, bool peek, bool headers,
		     struct udp_received *received)
{
	struct user_spans all, payload;
	int result = read_spans(iovs, count, &all);
	if (result < 0)
		return result;
	payload = all;
	if (headers && !user_spans_skip(&payload, sizeof(struct datagram_header)))
		return -E_INVAL;
	i32 moved = udp_read(socket, &payload, wait, peek, received);
	if (moved < 0 || received->ended || !headers)
		return moved;
	struct datagram_header header = header_of(received);
	return moved + (i32)user_spans_copy_out(&all, &header, sizeof(header));
}

/* 1 when the header names a receiver, 0 when it leaves that to the socket, or a negative errno. */
static int read_header(const struct datagram_header *header, struct endpoint *to)
{
	u64 words[2] = {0, 0};
	for (u32 i = 0; i < 16; i++)
		words[i / 8] = words[i / 8] << 8 | header->address[i];
	to->address = (struct address){words[0], words[1]};
	to->port = (u32)header->port[0] << 8 | header->port[1];
	bool nobody = to->address.high == 0 && to->address.low == 0;
	if (!nobody && !address_is_ipv4(to->address))
		return -E_AFNOSUPPORT;
	return to->port != 0 || !(nobody || address_is_any(to->address));
}

i32 wasi_datagram_out(struct socket *socket, uaddr iovs, u32 count, bool headers, const struct endpoint *to)
{
	struct user_spans spans;
	struct datagram_header header;
	struct endpoint named;
	int result = read_spans(iovs, count, &spans);
	if (result < 0)
		return result;
	if (!headers)
		return udp_write(socket, &spans, to);
	user_spans_copy_in(&header, &spans, sizeof(header));
	if (!user_spans_skip(&spans, sizeof(header)))
		return -E_INVAL;
	result = read_header(&header, &named);
	i32 moved = result < 0 ? result : udp_write(socket, &spans, result ? &named : NULL);
	return moved < 0 ? moved : moved + (i32)sizeof(header);
}

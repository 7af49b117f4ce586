#include "vnet/fabric/captures/tap.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/flows/flow.h"
#include "vnet/fabric/paths/groups.h"
#include "vnet/fabric/paths/path.h"

static u32 open_captures; /* a mask; under the pacer's lock */

u32 taps_open(void)
{
	return open_captures;
}

/* Both locks are held: what is listened to has changed. */
static void reconsider(void)
{
	paths_update(pacer_time());
	pacer_release();
	lock_release(&network_lock);
	flow_reconsider();
}

static void enter(void)
{
	lock_acquire(&network_lock);
	pacer_acquire();
}

struct capture *tap_open(u32 capacity, u32 snaplen)
{
	pacer_acquire();
	struct capture *capture = capture_open(capacity, snaplen);
	if (capture)
		open_captures |= capture_mask(capture);
	pacer_release();
	return capture;
}

int tap_interface(struct capture *capture, u32 ipv4)
{
	enter();
	struct interface *interface = interface_find(address_from_ipv4(ipv4));
	if (interface)
		interface->captures |= capture_mask(capture);
	reconsider();
	return interface ? 0 : -E_NOENT;
}

int tap_wire(struct capture *capture, u32 id, u32 directions)
{
	enter();
	struct wire *wire = wire_find(id);
	for (u32 i = 0; wire && i < COUNT_OF(wire->link); i++)
		if (directions & 1u << i)
			wire->link[i]->captures |= capture_mask(capture);
	reconsider();
	return wire ? 0 : -E_NOENT;
}

void tap_close(struct capture *capture)
{
	enter();
	u32 mask = capture_mask(capture);
	open_captures &= ~mask;
	interfaces_forget_captures(mask);
	wires_forget_captures(mask);
	capture_close(capture);
	reconsider();
}

i32 tap_read(struct capture *capture, uaddr to, u32 size)
{
	pacer_acquire();
	bool waiting = capture_readable(capture);
	u32 done = capture_read(capture, (u8 *)(uintptr_t)to, size);
	pacer_release();
	if (done)
		return (i32)done;
	return waiting ? -E_INVAL : -E_AGAIN;
}

struct capture_counts tap_counts(struct capture *capture)
{
	pacer_acquire();
	struct capture_counts counts = {capture->received, capture->dropped};
	pacer_release();
	return counts;
}

static struct frame frame_of(const struct packet *packet)
{
	return (struct frame){
		.source = address_to_ipv4(packet->source),
		.target = address_to_ipv4(packet->target),
		.protocol = (enum frame_protocol)packet->protocol,
	};
}

static void describe_datagram(const struct packet *packet, struct frame *frame)
{
	frame->source_port = packet->datagram.source_port;
	frame->target_port = packet->datagram.target_port;
	if (packet->datagram.broadcast)
		frame->target = address_to_ipv4(packet->datagram.to);
}

static void describe_echo(const struct packet *packet, struct frame *frame)
{
	if (packet->echo.refused) {
		frame->type = FRAME_UNREACHABLE;
		frame->code = packet->echo.refused == PACKET_UDP ? FRAME_PORT_UNREACHABLE : FRAME_HOST_UNREACHABLE;
		return;
	}
	frame->type = packet->echo.reply ? FRAME_ECHO_REPLY : FRAME_ECHO_REQUEST;
	frame->identifier = (u16)packet->echo.identifier;
	frame->number = (u16)packet->echo.sequence;
}

struct frame tap_describe(const struct packet *packet)
{
	struct frame frame = frame_of(packet);
	if (packet->protocol == PACKET_UDP)
		describe_datagram(packet, &frame);
	else
		describe_echo(packet, &frame);
	return frame;
}

void tap_packet(u32 mask, const struct packet *packet, u64 now, enum capture_direction direction,
		enum capture_outcome outcome)
{
	bool segment = packet->protocol == PACKET_TCP;
	struct frame frame = segment ? frame_of(packet) : tap_describe(packet);
	struct payload payload = {.part = {packet->payload}, .size = {packet->payload_size}};
	if (segment && !flow_describe(packet, &frame, &payload))
		return;
	capture_frame(mask, now, &frame, &payload, direction, outcome);
}

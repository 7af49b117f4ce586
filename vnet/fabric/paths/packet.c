#include "vnet/fabric/paths/packet.h"

#include "vnet/fabric/flows/flow.h"
#include "vnet/fabric/paths/path.h"

static u32 overhead(enum packet_protocol protocol)
{
	return protocol == PACKET_TCP ? TCP_OVERHEAD : UDP_OVERHEAD;
}

struct packet *packet_create(struct account *account, enum packet_protocol protocol, u32 payload_size)
{
	struct packet *packet = memory_allocate(account, (u32)sizeof(*packet) + payload_size);
	if (!packet)
		return NULL;
	memset(packet, 0, sizeof(*packet));
	packet->account = account_hold(account);
	packet->protocol = (u8)protocol;
	packet->payload_size = payload_size;
	packet->size = payload_size + overhead(protocol);
	return packet;
}

struct packet *packet_copy(const struct packet *packet)
{
	u32 size = (u32)sizeof(*packet) + packet->payload_size;
	struct packet *copy = memory_allocate(packet->account, size);
	if (!copy)
		return NULL;
	memcpy(copy, packet, size);
	copy->event.scheduled = false;
	account_hold(copy->account);
	if (copy->path)
		path_hold(copy->path);
	if (copy->protocol == PACKET_TCP && copy->tcp.flow)
		flow_hold(copy);
	return copy;
}

void packet_free(struct packet *packet)
{
	struct account *account = packet->account;
	if (packet->path)
		path_release(packet->path);
	if (packet->protocol == PACKET_TCP && packet->tcp.flow)
		flow_release(packet);
	memory_free(account, packet, (u32)sizeof(*packet) + packet->payload_size);
	account_release(account);
}

u32 packet_flow_key(const struct path *path, u32 protocol, u32 source_port, u32 target_port)
{
	u64 key = path->source.low * 0x9e3779b97f4a7c15ull ^ path->target.low;
	key = (key ^ key >> 29) * 0xbf58476d1ce4e5b9ull ^ ((u64)protocol << 32 | source_port << 16 | target_port);
	return (u32)((key ^ key >> 32) * 0x94d049bb133111ebull >> 32);
}

/* Who is on the network: pods with their interfaces.
 *
 * Addresses are opaque 128-bit values; IPv4 is mapped as RFC 4291 2.5.5.2 says (::ffff:a.b.c.d).
 * The node writes pods and interfaces; guests only look up. Everything here is under `network_lock`.
 */
#ifndef PODNET_FABRIC_NETWORK_H
#define PODNET_FABRIC_NETWORK_H

#include "vnet/fabric/memory.h"

#define HOSTNAME_SIZE 64u /* a DNS label and its NUL */
#define INTERFACES_MOST 8u /* of a guest's pod */
#define NETWORKS_MOST 64u  /* of a node: its host has an interface on each */
#define INTERFACE_BUCKETS 4096u

struct address {
	u64 high, low;
};

#define ADDRESS_ANY ((struct address){0, 0xffff00000000ull})

static inline struct address address_from_ipv4(u32 ipv4)
{
	return (struct address){0, 0xffff00000000ull | ipv4};
}

static inline u32 address_to_ipv4(struct address address)
{
	return (u32)address.low;
}

static inline bool address_is_ipv4(struct address address)
{
	return address.high == 0 && address.low >> 32 == 0xffff;
}

static inline bool address_equal(struct address a, struct address b)
{
	return a.high == b.high && a.low == b.low;
}

static inline bool address_is_any(struct address address)
{
	return address_equal(address, ADDRESS_ANY);
}

static inline bool address_is_loopback(struct address address)
{
	return address_is_ipv4(address) && (address.low >> 24 & 0xff) == 127;
}

/* 198.18.0.0/15: addresses that stand for names outside of the deployment. */
static inline bool address_is_synthetic(struct address address)
{
	return address_is_ipv4(address) && (address_to_ipv4(address) & 0xfffe0000u) == 0xc6120000u;
}

/* What has gone through an interface since it exists. What a pod says to itself does not. Bytes are payload; those of
 * open connections are added when somebody asks (connection.h). */
struct interface_counters {
	u64 received_bytes, sent_bytes; /* of TCP, UDP and echoes */
	u64 received_datagrams, sent_datagrams;
	u64 received_echoes, sent_echoes; /* requests and replies */
	u64 dropped_datagrams;            /* their receiver had no room */
	u64 cut_packets;                  /* that it sent, stopped by a fault or for want of a way */
	u64 denied; /* connections, first datagrams and echoes that it was an end of, by policies */
};

/* A place on a network. One that the configuration declares outlives the pods that have it in turn. */
struct interface {
	struct interface *next; /* in its hash chain */
	struct pod *pod; /* NULL while nobody has it */
	u32 network;
	u32 prefix; /* bits of the IPv4 prefix; since a pod had it */
	struct address address;
	struct group *group; /* NULL when it is not declared; under the pacer's lock too, as all below */
	struct interface *group_next;
	bool declared_again; /* while its group is being changed */
	struct link *access; /* its own link, crossed by what it sends, or NULL */
	u64 fault_sources, fault_targets; /* one bit for each fault on whose sides it is */
	u32 captures; /* that listen to it, as a mask */
	struct interface_counters counters; /* under network_lock alone */
};

/* One network identity: what a service's replica is on the wire. Counted: sockets outlive processes briefly. */
struct pod {
	_Atomic u32 references;
	u32 id;
	bool is_node; /* of the node itself: policies do not concern it; fixed at creation */
	bool is_remote; /* stands for all pods of other nodes, and has no list of their interfaces; fixed at creation */
	_Atomic u32 paused; /* its processes do not run; set and cleared by the node */
	u16 next_ephemeral; /* under network_lock */
	u32 last_broadcast; /* the latest that was sent to it; under network_lock */
	u32 outside_connects; /* that wait for the host; under network_lock */
	u32 interface_count;
	struct interface *interfaces[NETWORKS_MOST];
	struct account *account; /* held */
	struct waitq listening; /* woken when one of its sockets begins to listen */
	char hostname[HOSTNAME_SIZE];
};

extern struct lock network_lock;

struct pod *pod_create(const char *hostname, u64 byte_limit, u32 socket_limit);
struct pod *pod_hold(struct pod *pod);
void pod_release(struct pod *pod);
/* 0, -E_ADDRINUSE when somebody has the address, -E_NOBUFS. */
int pod_attach(struct pod *pod, u32 network, struct address address, u32 prefix);
/* Takes one address from the pod; one that it does not have is no error. */
void pod_detach(struct pod *pod, struct address address);
void pod_detach_all(struct pod *pod);
/* The same for one address, of a pod on another node, which `pod` stands for; -E_NOENT when it does not have it. */
int pod_attach_remote(struct pod *pod, u32 network, struct address address, u32 prefix);
int pod_detach_remote(struct pod *pod, struct address address);
/* Under network_lock. Nobody has it any more; freed unless it is declared. */
void interface_take(struct interface *interface);

/* Under network_lock and the pacer's: captures in `mask` listen to no interface any more. */
void interfaces_forget_captures(u32 mask);

/* Under network_lock. The interface that `pod` reaches `to` from, and the pod that has `to`.
 * 0, -E_HOSTUNREACH (nobody has it), -E_NETUNREACH (no network in common, no route). */
struct route {
	struct pod *pod; /* where `to` is */
	struct address source; /* the address to speak from */
	struct interface *from, *to; /* NULL within a pod */
};
int route_find(struct pod *pod, struct address to, struct route *route);
bool pod_has_address(const struct pod *pod, struct address address);
/* Under network_lock. The pod's interface with this address, or NULL. */
struct interface *pod_interface(const struct pod *pod, struct address address);

static inline bool interface_is_remote(const struct interface *interface)
{
	return interface->pod && interface->pod->is_remote;
}

/* Under network_lock. Whoever has or is to have this address, or NULL. */
struct interface *interface_find(struct address address);
/* For going through all: the first interface of a bucket; `next` leads on. */
struct interface *interface_first(u32 bucket);
/* The interface, found or made, for somebody to declare; NULL when the fabric is full. */
struct interface *interface_declare(u32 network, struct address address);
/* Free all interfaces that are not declared any more and that no pod has. One that goes from group to group while no pod
 * has it stays the same. */
void interfaces_retire(void);

/* What a network is called, for whoever reads it. The name is under network_lock. */
void network_set_name(u32 network, const char *name);
const char *network_name(u32 network);

#endif

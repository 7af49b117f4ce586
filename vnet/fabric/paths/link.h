/* One direction of a link: what netem (tc-netem(8)) does to packets, behind a rate with a fair queue.
 *
 * In this order: MTU, duplication, loss, corruption; then the queue for the rate; then the delay. Everything is under
 * the pacer's lock. Links are counted: by the configuration that declares them and by the paths that cross them.
 */
#ifndef PODNET_FABRIC_LINK_H
#define PODNET_FABRIC_LINK_H

#include "vnet/fabric/paths/fair_queue.h"
#include "vnet/fabric/paths/random.h"

#define LINK_DEFAULT_MTU 1500u
#define LINK_ACCESS 2u /* the direction of an interface's own link */
#define LINK_LEAST_MTU 576u
#define LINK_MOST_MTU 65535u
#define LINK_MOST_DELAY (3600 * NSEC_PER_SEC) /* of the mean and of the jitter */
#define LINK_MOST_RATE 1000000000000ull       /* bits a second */
#define LINK_FLOW_MARKS 256u
#define LINK_WHOLE (1u << 20)                 /* what shares of a rate are parts of */

/* Probabilities are in units of 2^-32; UINT32_MAX is always. The node writes this structure. */
struct link_parameters {
	u64 delay, jitter; /* ns */
	u64 rate;          /* bits a second at layer 3; 0: no limit */
	u32 distribution;  /* enum distribution, of the jitter */
	u32 loss;
	u32 bursty; /* loss follows Gilbert and Elliott instead of `loss` */
	u32 good_to_bad, bad_to_good, loss_in_bad, loss_in_good;
	u32 duplicate, reorder, corrupt;
	u32 queue_packets; /* that may wait for the rate */
	u32 mtu;
};

/* Packets, unless bytes are said. The node reads this structure. */
struct link_statistics {
	u64 packets, bytes; /* all that came to it */
	u64 lost, overflowed, cut, corrupted, oversized;
	u64 unpaid; /* duplicates for which there was no memory */
	u64 duplicated, reordered;
	u32 queued, queued_most;
};

/* What a link with a rate has done since this was last asked. The node reads this structure. */
struct link_use {
	u64 bytes;     /* put on the wire */
	u64 rate;      /* all of it, bits a second */
	u32 id;        /* of the wire; the address of an access link */
	u32 direction;
	u32 flows;     /* that have packets here now */
	u32 marks;     /* of LINK_FLOW_MARKS, one for each flow that sent something, but that some share one */
	u32 busy;      /* whether something was being sent all the time */
	u32 padding;
};

struct link {
	u32 references;
	u32 number;    /* for its luck: the same in every run of a topology */
	u32 direction; /* 0, 1, or LINK_ACCESS */
	bool removed;  /* from the configuration: what comes to it is cut */
	bool bad;      /* Gilbert and Elliott's state */
	u64 index;     /* of the next packet, for its luck */
	u64 remainder; /* of the last packet's time on the wire, in 1/rate ns */
	u32 share;     /* of the rate and the queue; other nodes have the rest */
	bool idled;    /* nothing was being sent, at some time since its use was last taken */
	u64 flow_marks[LINK_FLOW_MARKS / 64]; /* since then */
	u64 sent_bytes, taken_bytes; /* that were put on the wire; when its use was last taken */
	struct event sent; /* when `sending` has been sent */
	struct packet *sending;
	struct fair_queue queue;
	u32 captures; /* that listen to it, as a mask */
	struct link_parameters parameters;
	struct link_statistics statistics;
};

/* Of all links; part of every draw. */
void link_set_seed(u64 seed);

/* NULL when the fabric is full. One reference. */
struct link *link_create(u32 number, u32 direction, const struct link_parameters *parameters);
struct link *link_hold(struct link *link);
void link_release(struct link *link);
bool link_parameters_valid(const struct link_parameters *parameters);
/* Packets that wait follow the new rate; those under way are not touched. */
void link_configure(struct link *link, const struct link_parameters *parameters, u64 now);
/* Drop what waits; the link is out of use. */
void link_remove(struct link *link);
/* Whether packets pass as if the link were not there. */
bool link_transparent(const struct link *link);
/* Have only so many parts of LINK_WHOLE of the rate from now on, 1 at least. */
void link_limit(struct link *link, u32 share);
/* False when it has no rate, or nothing was sent and nothing is. `id` is for the caller to say. */
bool link_take_use(struct link *link, struct link_use *use);
/* Add what the link has done; of what has been waiting at most, take the larger. */
void link_add_statistics(const struct link *link, struct link_statistics *sum);

/* Take a packet over; it goes on by itself unless it is lost. True when it has passed at once and is the caller's. */
bool link_enter(struct link *link, struct packet *packet, u64 now);
/* The packet being sent is on its way: what of it passes at once, or NULL. */
struct packet *link_sent(struct link *link, u64 now);

#endif

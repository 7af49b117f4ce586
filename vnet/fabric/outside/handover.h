/* What guests ask and the host answers: requests that wait to be taken, and requests taken but not answered.
 *
 * A request is a part of something larger and belongs to whoever asked; leaving is possible at any time, and an answer
 * that comes later finds nothing. Everything here is under `network_lock`.
 */
#ifndef PODNET_FABRIC_HANDOVER_H
#define PODNET_FABRIC_HANDOVER_H

#include "vnet/fabric/pods/network.h"

#define HANDOVER_BUCKETS 256u

struct handover {
	u32 id;
	bool taken;
	struct handover *next, **link; /* `*link` is this one */
};

struct handovers {
	struct handover *first, **end; /* those that nobody has taken, in order of arrival; `end` NULL while unused */
	struct handover *taken[HANDOVER_BUCKETS]; /* by id */
	u32 next_id;
};

void handover_enter(struct handovers *list, struct handover *request);
void handover_leave(struct handovers *list, struct handover *request);
/* The oldest one that nobody has taken, now taken; NULL when there is none. */
struct handover *handover_take(struct handovers *list);
/* The one with this id, which has been taken; NULL when it has left. */
struct handover *handover_find(struct handovers *list, u32 id);
/* Any one; NULL when all have left. */
struct handover *handover_any(struct handovers *list);

#endif

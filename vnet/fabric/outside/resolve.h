/* Names that nobody in the deployment has: while the gateway is served, the host is asked.
 *
 * A lookup blocks its thread, as getaddrinfo does, until the host answers or the time is over. An answer that comes
 * too late finds nobody.
 */
#ifndef PODNET_FABRIC_RESOLVE_H
#define PODNET_FABRIC_RESOLVE_H

#include "vnet/fabric/pods/names.h"

#define RESOLVE_NAME_SIZE 256u /* RFC 1035 2.3.4 has 253 characters, and a NUL */
#define RESOLVE_ADDRESSES_MOST 16u
#define RESOLVE_TIMEOUT_NS (5 * NSEC_PER_SEC) /* what a Linux resolver waits for one answer */

/* What `name` leads to for `pod`, as `name_find` has it, else what the host says. The count, or -E_NOENT (nobody has
 * the name), -E_TIMEDOUT (the host did not answer), -E_INTR. */
int resolve_name(struct pod *pod, const char *name, struct address *addresses, u32 capacity);

/* One lookup as the host sees it. */
struct resolve_lookup {
	u32 id;
	struct address source; /* of the pod that asks: its first interface's */
	char name[RESOLVE_NAME_SIZE];
};

bool resolve_take(struct resolve_lookup *lookup);
/* No addresses at all: nobody has the name. 0, or -E_NOENT when nobody waits for the answer any more. */
int resolve_answer(u32 id, const struct address *addresses, u32 count);
/* Under network_lock. Nobody will answer. */
void resolve_fail_all(void);

#endif

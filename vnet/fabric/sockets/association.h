/* Who has sent datagrams to whom lately, so that policies are asked once and answers pass, as with conntrack.
 *
 * The table has room for a fixed number; the oldest gives way. Losing its place costs an association no more than one
 * more question, and its answers need leave of their own. Everything here is under `network_lock`.
 */
#ifndef PODNET_FABRIC_ASSOCIATION_H
#define PODNET_FABRIC_ASSOCIATION_H

#include "vnet/fabric/sockets/socket.h"

#define ASSOCIATION_TIMEOUT_NS (30 * NSEC_PER_SEC) /* Linux's nf_conntrack_udp_timeout */

/* Whether the two have spoken within the time-out, whoever began. It counts as speaking again. */
bool association_renew(struct endpoint a, struct endpoint b, u64 now);
void association_begin(struct endpoint a, struct endpoint b, u64 now);

#endif

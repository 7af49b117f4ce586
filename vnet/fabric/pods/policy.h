/* Which connections may be: tables of policies with NetworkPolicy's meaning, and what they decided.
 *
 * A policy isolates the groups that it selects in one direction, but for what its rules allow. Policies add up; a
 * connection needs the leave of both its ends. It is asked for once, when it begins: replies pass, and a connection
 * that a later table would deny stays, as with conntrack. What a pod says to itself, and everything to and from the
 * node's own interfaces (portals, health checks, the name server), is allowed always.
 *
 * The node builds a table aside and puts it in the place of the old one at once; policies that it keeps keep their
 * counters. Verdicts are cached. Everything here is under `network_lock` but the building, which is the node's.
 */
#ifndef PODNET_FABRIC_POLICY_H
#define PODNET_FABRIC_POLICY_H

#include "vnet/fabric/paths/groups.h"

#define POLICIES_MOST 4096u
#define POLICY_RULES_MOST 65535u /* of one policy */

enum verdict { VERDICT_ALLOW = 0, VERDICT_REJECT, VERDICT_DROP };

enum policy_direction { POLICY_EGRESS = 0, POLICY_INGRESS };

/* By their numbers in IP. Ports are those of the target; a protocol without ports has 0. */
enum policy_protocol { POLICY_ICMP = 1, POLICY_TCP = 6, POLICY_UDP = 17 };

#define POLICY_NONE UINT32_MAX

/* What decided, for each direction: the policy's place in the table and its rule's in the policy. No policy: nothing
 * isolates that end. A policy without a rule: nothing allows it, and this is the first that could have. */
struct policy_reason {
	u32 policy[2], rule[2];
};

/* Whether there are policies at all. */
bool policies_any(void);
/* Whether `source` may speak to `target`, which is NULL when `to` is outside of every network. Counts. */
enum verdict policy_decide(struct interface *source, struct interface *target, struct address to, u32 protocol,
			   u32 port);
/* The same without counting. */
enum verdict policy_explain(const struct interface *source, const struct interface *target, struct address to,
			    u32 protocol, u32 port, struct policy_reason *reason);

/* Begin a table of at most `count` policies; one that was begun before is dropped. 0, -E_INVAL, -E_NOBUFS. */
int policies_begin(u32 count);
/* Append a policy of the table in force. 0 or -E_INVAL. */
int policies_keep(u32 index);
/* Append a policy that `words` describe, see policy_table.c. 0, -E_INVAL, -E_NOBUFS. */
int policies_add(const u32 *words, u32 count);
/* The table begun is in force from now on. 0 or -E_INVAL when none was begun. */
int policies_commit(void);
/* Connections denied by a policy, then those that each of its rules allowed. Their number, -E_INVAL, or -E_RANGE when
 * `capacity` is too small. */
int policies_count(u32 index, u64 *counters, u32 capacity);

#endif

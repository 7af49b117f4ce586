/* The tables behind policy.h: what policy.c reads and policy_table.c builds, and nobody else sees. */
#ifndef PODNET_FABRIC_POLICY_TABLE_H
#define PODNET_FABRIC_POLICY_TABLE_H

#include "vnet/fabric/pods/policy.h"

/* Lists of all rules of a policy lie one after the other: a rule's ends where the next one's begins. */
struct policy_rule {
	u64 allowed; /* connections */
	u32 peers_end, blocks_end, ports_end;
};

struct subnet {
	u32 address, mask;
};

struct policy_block {
	struct subnet subnet;
	u32 excepted_end;
};

struct policy_ports {
	u32 protocol, first, last;
};

struct policy {
	u32 size; /* of it and its lists, in bytes */
	bool kept; /* is in the table begun, too; the node */
	u32 direction;
	enum verdict denial;
	u32 group_count, rule_count;
	u64 denied; /* connections */
	struct policy_rule *rules;
	const u32 *groups, *peers; /* by their ids */
	const struct policy_block *blocks;
	const struct subnet *excepted;
	const struct policy_ports *ports;
};

struct policy_table {
	u32 count, capacity;
	struct policy *policies[];
};

/* Under network_lock. NULL when there are no policies. */
extern struct policy_table *policy_table;
/* Counts tables: a verdict of another one's is worth nothing. */
extern u32 policy_generation;

#endif

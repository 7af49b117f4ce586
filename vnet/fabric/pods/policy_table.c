/* Policies as the node gives them, and the table in force.
 *
 * A policy is a list of words: direction, denial (a verdict), then how many there are of groups, rules, peers, blocks,
 * excepted blocks and ports, then all of each: a group and a peer are an id; a rule is where its peers, its blocks
 * and its ports end; a block is address, mask and where its excepted blocks end; an excepted block is address and mask;
 * ports are protocol, first and last.
 */
#include "vnet/fabric/pods/policy_table.h"

#include "vnet/fabric/errno.h"

enum { DIRECTION, DENIAL, GROUPS, RULES, PEERS, BLOCKS, EXCEPTED, PORTS, HEADER_WORDS };

enum { RULE_WORDS = 3, BLOCK_WORDS = 3, EXCEPTED_WORDS = 2, PORTS_WORDS = 3 };

_Static_assert(sizeof(struct policy_block) == BLOCK_WORDS * sizeof(u32), "as the node gives it");
_Static_assert(sizeof(struct subnet) == EXCEPTED_WORDS * sizeof(u32), "as the node gives it");
_Static_assert(sizeof(struct policy_ports) == PORTS_WORDS * sizeof(u32), "as the node gives it");

struct policy_table *policy_table;
u32 policy_generation;
static struct policy_table *draft; /* the table begun; the node */

static u32 table_size(const struct policy_table *table)
{
	return (u32)(sizeof(*table) + table->capacity * sizeof(table->policies[0]));
}

/* Free a table and those of its policies that are not kept. */
static void table_free(struct policy_table *table)
{
	for (u32 i = 0; i < table->count; i++)
		if (!table->policies[i]->kept)
			memory_free(NULL, table->policies[i], table->policies[i]->size);
	memory_free(NULL, table, table_size(table));
}

/* Policies of the table in force stay in it. */
static void draft_drop(void)
{
	if (draft)
		table_free(draft);
	draft = NULL;
	for (u32 i = 0; policy_table && i < policy_table->count; i++)
		policy_table->policies[i]->kept = false;
}

int policies_begin(u32 count)
{
	draft_drop();
	if (count > POLICIES_MOST)
		return -E_INVAL;
	struct policy_table empty = {.capacity = count};
	draft = memory_allocate(NULL, table_size(&empty));
	if (!draft)
		return -E_NOBUFS;
	*draft = empty;
	return 0;
}

int policies_keep(u32 index)
{
	if (!draft || draft->count == draft->capacity || !policy_table || index >= policy_table->count ||
	    policy_table->policies[index]->kept)
		return -E_INVAL;
	policy_table->policies[index]->kept = true;
	draft->policies[draft->count++] = policy_table->policies[index];
	return 0;
}

/* Every list ends within the list of all, and not before the one ahead of it. */
static bool ends_ascend(const u32 *at, u32 count, u32 stride, u32 total)
{
	u32 before = 0;
	for (u32 i = 0; i < count; i++, at += stride) {
		if (*at < before || *at > total)
			return false;
		before = *at;
	}
	return true;
}

static u64 words_wanted(const u32 *words)
{
	return HEADER_WORDS + (u64)words[GROUPS] + (u64)words[RULES] * RULE_WORDS + words[PEERS] +
	       (u64)words[BLOCKS] * BLOCK_WORDS + (u64)words[EXCEPTED] * EXCEPTED_WORDS +
	       (u64)words[PORTS] * PORTS_WORDS;
}

static bool words_valid(const u32 *words, u32 count)
{
	if (count < HEADER_WORDS || words_wanted(words) != count || words[RULES] > POLICY_RULES_MOST)
		return false;
	if (words[DIRECTION] > POLICY_INGRESS || (words[DENIAL] != VERDICT_REJECT && words[DENIAL] != VERDICT_DROP))
		return false;
	const u32 *rules = words + HEADER_WORDS + words[GROUPS];
	const u32 *blocks = rules + words[RULES] * RULE_WORDS + words[PEERS];
	return ends_ascend(rules, words[RULES], RULE_WORDS, words[PEERS]) &&
	       ends_ascend(rules + 1, words[RULES], RULE_WORDS, words[BLOCKS]) &&
	       ends_ascend(rules + 2, words[RULES], RULE_WORDS, words[PORTS]) &&
	       ends_ascend(blocks + 2, words[BLOCKS], BLOCK_WORDS, words[EXCEPTED]);
}

/* The policy, its rules with their counters, and the words that its lists are in, in one piece. */
static struct policy *policy_create(const u32 *words, u32 count)
{
	u64 size = sizeof(struct policy) + words[RULES] * sizeof(struct policy_rule) + (u64)count * sizeof(u32);
	struct policy *policy = size <= UINT32_MAX ? memory_allocate(NULL, (u32)size) : NULL;
	if (!policy)
		return NULL;
	struct policy_rule *rules = (struct policy_rule *)(policy + 1);
	u32 *list = (u32 *)(rules + words[RULES]);
	memcpy(list, words, count * sizeof(u32));
	const u32 *groups = list + HEADER_WORDS, *ends = groups + words[GROUPS];
	const u32 *peers = ends + words[RULES] * RULE_WORDS, *blocks = peers + words[PEERS];
	const u32 *excepted = blocks + words[BLOCKS] * BLOCK_WORDS;
	for (u32 i = 0; i < words[RULES]; i++, ends += RULE_WORDS)
		rules[i] = (struct policy_rule){.peers_end = ends[0], .blocks_end = ends[1], .ports_end = ends[2]};
	*policy = (struct policy){
		.size = (u32)size,
		.direction = words[DIRECTION],
		.denial = (enum verdict)words[DENIAL],
		.group_count = words[GROUPS],
		.rule_count = words[RULES],
		.rules = rules,
		.groups = groups,
		.peers = peers,
		.blocks = (const struct policy_block *)blocks,
		.excepted = (const struct subnet *)excepted,
		.ports = (const struct policy_ports *)(excepted + words[EXCEPTED] * EXCEPTED_WORDS),
	};
	return policy;
}

int policies_add(const u32 *words, u32 count)
{
	if (!draft || draft->count == draft->capacity || !words_valid(words, count))
		return -E_INVAL;
	struct policy *policy = policy_create(words, count);
	if (!policy)
		return -E_NOBUFS;
	draft->policies[draft->count++] = policy;
	return 0;
}

int policies_commit(void)
{
	if (!draft)
		return -E_INVAL;
	struct policy_table *old = policy_table, *next = draft->count ? draft : NULL;
	lock_acquire(&network_lock);
	policy_table = next;
	policy_generation++;
	lock_release(&network_lock);
	if (old)
		table_free(old);
	if (!next)
		table_free(draft);
	draft = NULL;
	draft_drop();
	return 0;
}

int policies_count(u32 index, u64 *counters, u32 capacity)
{
	const struct policy *policy =
		policy_table && index < policy_table->count ? policy_table->policies[index] : NULL;
	if (!policy)
		return -E_INVAL;
	if (policy->rule_count + 1 > capacity)
		return -E_RANGE;
	lock_acquire(&network_lock);
	counters[0] = policy->denied;
	for (u32 i = 0; i < policy->rule_count; i++)
		counters[1 + i] = policy->rules[i].allowed;
	lock_release(&network_lock);
	return (int)policy->rule_count + 1;
}

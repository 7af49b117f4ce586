#include "vnet/fabric/pods/policy.h"

#include "vnet/fabric/pods/policy_table.h"

#define CACHE_ENTRIES 4096u

/* One end of a connection. */
struct end {
	u32 ipv4;
	u32 group; /* its id, POLICY_NONE when it has none */
};

struct question {
	struct end ends[2]; /* source, target */
	u32 protocol, port;
};

#define DENIED 0xffffu

/* What one direction says: policy << 16 | rule, with DENIED for no rule; POLICY_NONE when nothing isolates. */
struct answer {
	struct question question;
	u32 generation;
	enum verdict verdict;
	u32 says[2]; /* by direction */
};

static struct answer cache[CACHE_ENTRIES];

static bool listed(const u32 *ids, u32 first, u32 end, u32 id)
{
	for (u32 i = first; i < end; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool subnet_has(const struct subnet *subnet, u32 ipv4)
{
	return (ipv4 & subnet->mask) == subnet->address;
}

static bool block_has(const struct policy *policy, u32 index, u32 ipv4)
{
	if (!subnet_has(&policy->blocks[index].subnet, ipv4))
		return false;
	for (u32 i = index ? policy->blocks[index - 1].excepted_end : 0; i < policy->blocks[index].excepted_end; i++)
		if (subnet_has(&policy->excepted[i], ipv4))
			return false;
	return true;
}

static bool peer_matches(const struct policy *policy, u32 index, struct end peer)
{
	static const struct policy_rule before;
	const struct policy_rule *rule = &policy->rules[index], *last = index ? rule - 1 : &before;
	if (last->peers_end == rule->peers_end && last->blocks_end == rule->blocks_end)
		return true; /* everybody */
	if (peer.group != POLICY_NONE && listed(policy->peers, last->peers_end, rule->peers_end, peer.group))
		return true;
	for (u32 i = last->blocks_end; i < rule->blocks_end; i++)
		if (block_has(policy, i, peer.ipv4))
			return true;
	return false;
}

static bool port_matches(const struct policy *policy, u32 index, const struct question *question)
{
	u32 first = index ? policy->rules[index - 1].ports_end : 0, end = policy->rules[index].ports_end;
	for (u32 i = first; i < end; i++) {
		const struct policy_ports *ports = &policy->ports[i];
		if (ports->protocol == question->protocol && ports->first <= question->port &&
		    question->port <= ports->last)
			return true;
	}
	return first == end;
}

/* What all policies together say in one direction; the first that isolates is named when none allows. */
static u32 judge(const struct question *question, u32 direction)
{
	struct end own = question->ends[direction], peer = question->ends[1 - direction];
	u32 says = POLICY_NONE;
	for (u32 i = 0; i < policy_table->count; i++) {
		const struct policy *policy = policy_table->policies[i];
		if (policy->direction != direction || !listed(policy->groups, 0, policy->group_count, own.group))
			continue;
		for (u32 rule = 0; rule < policy->rule_count; rule++)
			if (port_matches(policy, rule, question) && peer_matches(policy, rule, peer))
				return i << 16 | rule;
		if (says == POLICY_NONE)
			says = i << 16 | DENIED;
	}
	return says;
}

static bool denies(u32 says)
{
	return says != POLICY_NONE && (says & 0xffff) == DENIED;
}

/* The policy that says how the connection is denied: of both directions' the first one. */
static struct policy *denier(const struct answer *answer)
{
	u32 egress = answer->says[POLICY_EGRESS], ingress = answer->says[POLICY_INGRESS];
	u32 first = MIN(denies(egress) ? egress : POLICY_NONE, denies(ingress) ? ingress : POLICY_NONE);
	return first == POLICY_NONE ? NULL : policy_table->policies[first >> 16];
}

static bool question_equal(const struct question *a, const struct question *b)
{
	return a->ends[0].ipv4 == b->ends[0].ipv4 && a->ends[1].ipv4 == b->ends[1].ipv4 && a->port == b->port &&
	       a->protocol == b->protocol && a->ends[0].group == b->ends[0].group &&
	       a->ends[1].group == b->ends[1].group;
}

static struct answer *cache_slot(const struct question *question)
{
	u64 mixed = ((u64)question->ends[0].ipv4 << 32 | question->ends[1].ipv4) * 0x9e3779b97f4a7c15ull;
	mixed = (mixed ^ mixed >> 29 ^ (question->port << 8 | question->protocol)) * 0xbf58476d1ce4e5b9ull;
	return &cache[mixed >> 32 & (CACHE_ENTRIES - 1)];
}

/* There is a table. */
static const struct answer *ask(const struct question *question)
{
	struct answer *answer = cache_slot(question);
	if (answer->generation == policy_generation && question_equal(&answer->question, question))
		return answer;
	*answer = (struct answer){.question = *question, .generation = policy_generation};
	answer->says[POLICY_EGRESS] = judge(question, POLICY_EGRESS);
	answer->says[POLICY_INGRESS] = judge(question, POLICY_INGRESS);
	const struct policy *against = denier(answer);
	answer->verdict = against ? against->denial : VERDICT_ALLOW;
	return answer;
}

static void count(const struct answer *answer)
{
	if (answer->verdict != VERDICT_ALLOW) {
		denier(answer)->denied++;
		return;
	}
	for (u32 direction = 0; direction < 2; direction++) {
		u32 says = answer->says[direction];
		if (says != POLICY_NONE)
			policy_table->policies[says >> 16]->rules[says & 0xffff].allowed++;
	}
}

static bool is_node(const struct interface *interface)
{
	return interface->pod && interface->pod->is_node;
}

static bool is_same_pod(const struct interface *a, const struct interface *b)
{
	return a == b || (a->pod && a->pod == b->pod);
}

/* NULL when no policy concerns the connection. Where a name outside leads is known to the gateway, which asks again. */
static const struct answer *find_answer(const struct interface *source, const struct interface *target,
					struct address to, u32 protocol, u32 port)
{
	if (!policy_table || is_node(source))
		return NULL;
	if (target ? is_node(target) || is_same_pod(source, target) : address_is_synthetic(to))
		return NULL;
	return ask(&(struct question){
		.ends = {{address_to_ipv4(source->address), source->group ? source->group->id : POLICY_NONE},
			 {address_to_ipv4(to), target && target->group ? target->group->id : POLICY_NONE}},
		.protocol = protocol,
		.port = port,
	});
}

bool policies_any(void)
{
	return policy_table;
}

enum verdict policy_decide(struct interface *source, struct interface *target, struct address to, u32 protocol,
			   u32 port)
{
	const struct answer *answer = find_answer(source, target, to, protocol, port);
	if (!answer)
		return VERDICT_ALLOW;
	count(answer);
	if (answer->verdict != VERDICT_ALLOW) {
		source->counters.denied++;
		if (target)
			target->counters.denied++;
	}
	return answer->verdict;
}

enum verdict policy_explain(const struct interface *source, const struct interface *target, struct address to,
			    u32 protocol, u32 port, struct policy_reason *reason)
{
	const struct answer *answer = find_answer(source, target, to, protocol, port);
	for (u32 direction = 0; direction < 2; direction++) {
		u32 says = answer ? answer->says[direction] : POLICY_NONE;
		reason->policy[direction] = says == POLICY_NONE ? POLICY_NONE : says >> 16;
		reason->rule[direction] = says == POLICY_NONE || denies(says) ? POLICY_NONE : says & 0xffff;
	}
	return answer ? answer->verdict : VERDICT_ALLOW;
}

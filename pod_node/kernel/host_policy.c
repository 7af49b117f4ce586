/* Calls for the node about policies: build a table and put it in force, read counters, ask for a verdict. */
#include "vnet/fabric/errno.h"
#include "vnet/fabric/pods/policy.h"

EXPORT(host_policies_begin) i32 host_policies_begin(u32 count);
i32 host_policies_begin(u32 count)
{
	return policies_begin(count);
}

EXPORT(host_policies_keep) i32 host_policies_keep(u32 index);
i32 host_policies_keep(u32 index)
{
	return policies_keep(index);
}

/* `words` lie in the fabric; policy_table.c has their order. */
EXPORT(host_policies_add) i32 host_policies_add(uaddr words, u32 count);
i32 host_policies_add(uaddr words, u32 count)
{
	return policies_add((const u32 *)(uintptr_t)words, count);
}

EXPORT(host_policies_commit) i32 host_policies_commit(void);
i32 host_policies_commit(void)
{
	return policies_commit();
}

/* Into room for `capacity` numbers of 64 bits in the fabric. */
EXPORT(host_policies_count) i32 host_policies_count(u32 index, uaddr counters, u32 capacity);
i32 host_policies_count(u32 index, uaddr counters, u32 capacity)
{
	return policies_count(index, (u64 *)(uintptr_t)counters, capacity);
}

/* A verdict that counts, for who has the node in between. -E_NOENT: nobody has or is to have the source address. */
EXPORT(host_policy_decide) i32 host_policy_decide(u32 source, u32 target, u32 protocol, u32 port);
i32 host_policy_decide(u32 source, u32 target, u32 protocol, u32 port)
{
	struct address to = address_from_ipv4(target);
	lock_acquire(&network_lock);
	struct interface *from = interface_find(address_from_ipv4(source));
	i32 result = from ? (i32)policy_decide(from, interface_find(to), to, protocol, port) : -E_NOENT;
	lock_release(&network_lock);
	return result;
}

/* The same without counting, with the reason left at `reason`. */
EXPORT(host_policy_explain) i32 host_policy_explain(u32 source, u32 target, u32 protocol, u32 port, uaddr reason);
i32 host_policy_explain(u32 source, u32 target, u32 protocol, u32 port, uaddr reason)
{
	struct address to = address_from_ipv4(target);
	lock_acquire(&network_lock);
	const struct interface *from = interface_find(address_from_ipv4(source));
	i32 result = -E_NOENT;
	if (from)
		result = (i32)policy_explain(from, interface_find(to), to, protocol, port,
					     (struct policy_reason *)(uintptr_t)reason);
	lock_release(&network_lock);
	return result;
}

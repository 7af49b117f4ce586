#include "vnet/fabric/outside/resolve.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/outside/gateway.h"
#include "vnet/fabric/outside/handover.h"
#include "vnet/fabric/text.h"

/* On the kernel stack of the thread that waits, which leaves the list before it returns. */
struct resolve_request {
	struct handover handover; /* first */
	struct pod *pod;
	const char *name;
	struct address *addresses; /* `capacity` of them */
	u32 capacity;
	int result;           /* once decided; under network_lock */
	_Atomic u32 decided;
	struct waitq changes;
};

static struct handovers lookups; /* under network_lock */

static bool is_decided(const void *object)
{
	return atomic_load(&((const struct resolve_request *)object)->decided);
}

/* Under network_lock. */
static bool enter(struct resolve_request *request)
{
	if (!gateway_serves() || !request->pod->interface_count)
		return false;
	handover_enter(&lookups, &request->handover);
	gateway_announce();
	return true;
}

/* Under network_lock. Take it off the list, so that no answer finds it. */
static void leave(struct resolve_request *request)
{
	if (!request->handover.taken)
		gateway_took();
	handover_leave(&lookups, &request->handover);
}

static int ask(struct resolve_request *request)
{
	lock_acquire(&network_lock);
	bool entered = enter(request);
	lock_release(&network_lock);
	if (!entered)
		return -E_NOENT;
	u64 deadline = clock_now(CLOCK_ID_MONOTONIC) + RESOLVE_TIMEOUT_NS;
	int result = waitq_block(&request->changes, is_decided, is_decided, request, deadline);
	lock_acquire(&network_lock);
	if (is_decided(request))
		result = request->result;
	else
		leave(request);
	lock_release(&network_lock);
	return result;
}

int resolve_name(struct pod *pod, const char *name, struct address *addresses, u32 capacity)
{
	int found = name_find(pod, name, addresses, capacity);
	if (found != -E_NOENT || text_length(name) >= RESOLVE_NAME_SIZE)
		return found;
	struct resolve_request request = {.pod = pod, .name = name, .addresses = addresses, .capacity = capacity};
	return ask(&request);
}

bool resolve_take(struct resolve_lookup *lookup)
{
	lock_acquire(&network_lock);
	struct handover *taken = handover_take(&lookups);
	if (taken) {
		const struct resolve_request *request = (const struct resolve_request *)taken;
		gateway_took();
		lookup->id = taken->id;
		lookup->source = request->pod->interfaces[0]->address;
		text_copy(lookup->name, request->name, RESOLVE_NAME_SIZE);
	}
	lock_release(&network_lock);
	return taken;
}

/* Under network_lock, without which the thread does not return and its stack stays. */
static void decide(struct resolve_request *request, int result)
{
	leave(request);
	request->result = result;
	atomic_store(&request->decided, 1);
	waitq_wake(&request->changes);
}

int resolve_answer(u32 id, const struct address *addresses, u32 count)
{
	lock_acquire(&network_lock);
	struct resolve_request *request = (struct resolve_request *)handover_find(&lookups, id);
	if (request) {
		count = MIN(count, request->capacity);
		memcpy(request->addresses, addresses, count * sizeof(*addresses));
		decide(request, count ? (int)count : -E_NOENT);
	}
	lock_release(&network_lock);
	return request ? 0 : -E_NOENT;
}

void resolve_fail_all(void)
{
	for (struct handover *next; (next = handover_any(&lookups));)
		decide((struct resolve_request *)next, -E_NOENT);
}

#include "pod_node/kernel/pids.h"

#include "pod_node/kernel/process.h"

struct pids *pids_create(struct pod *pod, u32 limit)
{
	struct pids *pids = memory_allocate(pod->account, sizeof(*pids));
	if (!pids)
		return NULL;
	pids->references = 1;
	pids->pod = pod_hold(pod);
	pids->limit = limit;
	return pids;
}

struct pids *pids_hold(struct pids *pids)
{
	atomic_fetch_add(&pids->references, 1);
	return pids;
}

void pids_release(struct pids *pids)
{
	if (atomic_fetch_sub(&pids->references, 1) != 1)
		return;
	struct pod *pod = pids->pod;
	if (pids->mounts)
		mounts_release(pids->mounts);
	memory_free(pod->account, pids, sizeof(*pids));
	pod_release(pod);
}

struct pid *pid_hold(struct pid *pid)
{
	atomic_fetch_add(&pid->references, 1);
	return pid;
}

void pid_release(struct pid *pid)
{
	if (atomic_fetch_sub(&pid->references, 1) != 1)
		return;
	struct pids *pids = pid->pids;
	memory_free(pids->pod->account, pid, sizeof(*pid));
	pids_release(pids);
}

/* Under the lock. */
static struct pid *numbered(struct pids *pids, u32 number)
{
	struct pid *pid = pids->first;
	while (pid && pid->number != number)
		pid = pid->next;
	return pid;
}

/* Under the lock. The next number that nobody has; numbers come again after 2^30 processes. */
static u32 free_number(struct pids *pids)
{
	do
		pids->next = pids->next % (1u << 30) + 1;
	while (numbered(pids, pids->next));
	return pids->next;
}

int pid_create(struct pids *pids, struct pid *parent, struct process *process, struct pid **created)
{
	struct pid *pid = memory_allocate(pids->pod->account, sizeof(*pid));
	if (!pid)
		return -E_NOMEM;
	pid->references = 2; /* the list's and the process's */
	pid->pids = pids_hold(pids);
	pid->process = process;
	lock_acquire(&pids->lock);
	bool full = pids->ending || pids->count >= pids->limit;
	if (!full) {
		pid->number = free_number(pids);
		pid->session = parent ? parent->session : pid->number;
		pid->parent = parent;
		pid->ignored = parent ? atomic_load(&parent->ignored) : 0; /* as across execve */
		pid->listed = true;
		pid->next = pids->first;
		pids->first = pid;
		pids->count++;
	}
	lock_release(&pids->lock);
	if (full) {
		pid->references = 1;
		pid_release(pid);
		return -E_AGAIN;
	}
	*created = pid;
	return 0;
}

struct pid *pid_find(struct pids *pids, u32 number)
{
	lock_acquire(&pids->lock);
	struct pid *pid = numbered(pids, number);
	if (pid)
		pid_hold(pid);
	lock_release(&pids->lock);
	return pid;
}

/* Under the lock. Take it off the list, whose reference is then the caller's. */
static void unlist(struct pid *pid)
{
	struct pid **link = &pid->pids->first;
	while (*link != pid)
		link = &(*link)->next;
	*link = pid->next;
	pid->listed = false;
	pid->pids->count--;
}

/* Under the lock. Children of `parent` have none any more; zombies among them go, in a chain of `next`. */
static struct pid *abandon_children(struct pid *parent)
{
	struct pid *gone = NULL, *next;
	for (struct pid *pid = parent->pids->first; pid; pid = next) {
		next = pid->next;
		if (pid->parent != parent)
			continue;
		pid->parent = NULL;
		if (atomic_load(&pid->ended)) {
			unlist(pid);
			pid->next = gone;
			gone = pid;
		}
	}
	return gone;
}

void pid_decide(struct pid *pid, i32 started)
{
	i32 undecided = 0;
	atomic_compare_exchange_strong(&pid->started, &undecided, started);
	waitq_wake(&pid->changes);
}

void pid_end(struct pid *pid, u32 status)
{
	struct pids *pids = pid->pids;
	pid_decide(pid, -E_AGAIN); /* its thread has ended before it could */
	lock_acquire(&pids->lock);
	struct pid *gone = abandon_children(pid), *parent = pid->parent;
	pid->process = NULL;
	pid->status = status;
	atomic_store(&pid->ended, 1);
	if (pid->number == 1)
		pids->ending = true;
	if (parent && atomic_load(&pid->started) == 1) {
		atomic_fetch_add(&parent->dead_children, 1);
		waitq_wake(&parent->changes);
	} else {
		unlist(pid);
		pid->next = gone;
		gone = pid;
	}
	waitq_wake(&pid->changes);
	lock_release(&pids->lock);
	while (gone) {
		struct pid *next = gone->next;
		pid_release(gone);
		gone = next;
	}
}

u32 pid_parent_number(struct pid *pid)
{
	lock_acquire(&pid->pids->lock);
	u32 number = pid->parent ? pid->parent->number : pid->number != 1;
	lock_release(&pid->pids->lock);
	return number;
}

/* One look. A child that has ended, whose reference is then the caller's; `*any` tells whether there is a child. */
static struct pid *reap_child(struct pid *self, u32 number, struct pid **waiting)
{
	struct pids *pids = self->pids;
	struct pid *found = NULL;
	*waiting = NULL;
	lock_acquire(&pids->lock);
	for (struct pid *pid = pids->first; pid && !found; pid = pid->next) {
		if (pid->parent != self || (number && pid->number != number) || atomic_load(&pid->started) != 1)
			continue;
		*waiting = pid;
		if (atomic_load(&pid->ended))
			found = pid;
	}
	if (found) {
		unlist(found);
		atomic_fetch_sub(&self->dead_children, 1);
	} else if (*waiting) {
		pid_hold(*waiting);
	}
	lock_release(&pids->lock);
	return found;
}

static bool has_dead_child(const void *object)
{
	return atomic_load(&((const struct pid *)object)->dead_children) != 0;
}

struct awaited {
	const struct pid *self, *child;
};

static bool child_has_ended(const void *object)
{
	return atomic_load(&((const struct awaited *)object)->child->ended);
}

/* Wait for `child`, or with `any` for whichever ends first. Nobody but its parent wakes for a child, so both wait in
 * the parent's queue. */
static int wait_for(struct pid *self, struct pid *child, bool any)
{
	if (any)
		return waitq_block(&self->changes, has_dead_child, has_dead_child, self, NEVER);
	struct awaited awaited = {self, child};
	return waitq_block(&self->changes, child_has_ended, child_has_ended, &awaited, NEVER);
}

i32 pid_wait(struct pid *self, u32 number, u32 options, u32 *status)
{
	if (options & ~(u32)WAIT_OPTIONS)
		return -E_INVAL;
	for (;;) {
		struct pid *waiting, *ended = reap_child(self, number, &waiting);
		if (ended) {
			i32 result = (i32)ended->number;
			*status = ended->status;
			pid_release(ended);
			return result;
		}
		if (!waiting)
			return -E_CHILD;
		int result = options & WAIT_NOHANG ? 1 : wait_for(self, waiting, number == 0);
		pid_release(waiting);
		if (result)
			return result == 1 ? 0 : result;
	}
}

/* What the linear memories and tables of a pod's processes take: together they stay below the pod's limit. A guest's
 * module asks here before it grows (engine/metering.py), and the node before it gives a process a guest. */
#include "pod_node/kernel/process.h"

#include "vnet/fabric/errno.h"

#define ELEMENT_BYTES 8u /* of a table, in the engine */

static bool take(struct process *process, u64 bytes)
{
	struct pids *pids = process->pid->pids;
	u64 used = atomic_load(&pids->memory);
	do {
		if (bytes > pids->memory_limit - MIN(used, pids->memory_limit))
			return false;
	} while (!atomic_compare_exchange_weak(&pids->memory, &used, used + bytes));
	atomic_fetch_add(&process->memory, bytes);
	return true;
}

void process_give_memory(struct process *process, u64 bytes)
{
	bytes = MIN(bytes, atomic_load(&process->memory)); /* its own thread's and, before and after that, the node's */
	atomic_fetch_sub(&process->memory, bytes);
	atomic_fetch_sub(&process->pid->pids->memory, bytes);
}

void process_count_memory(struct process *process)
{
	u32 pages = user_pages();
	if (pages <= process->first_pages)
		return;
	u64 more = (u64)(pages - process->first_pages) << 16;
	atomic_fetch_add(&process->memory, more);
	atomic_fetch_add(&process->pid->pids->memory, more);
}

static bool take_pages(struct process *process, u64 pages)
{
	return take(process, pages << 16);
}

/* Tables count in whole pages, too, so that a few elements are none. */
static u64 pages_of(u64 elements)
{
	return elements * ELEMENT_BYTES >> 16;
}

/* On the guest's thread: its memory is to have so many pages more, or with a count below zero has not got them. Whether
 * it may. */
EXPORT(host_grow_pages) u32 host_grow_pages(i32 pages);
u32 host_grow_pages(i32 pages)
{
	u32 granted = 1;
	kernel_enter();
	if (pages < 0)
		process_give_memory(current_process(), (u64) - (i64)pages << 16);
	else
		granted = take_pages(current_process(), (u32)pages);
	return kernel_leave(granted);
}

/* The same for elements of its tables. */
EXPORT(host_grow_elements) u32 host_grow_elements(i32 elements);
u32 host_grow_elements(i32 elements)
{
	struct process *process = current_process();
	u64 before = process->elements, after = before + (u64)(i64)elements;
	u32 granted = 1;
	kernel_enter();
	if (elements < 0)
		process_give_memory(process, (pages_of(before) - pages_of(after)) << 16);
	else
		granted = take_pages(process, pages_of(after) - pages_of(before));
	if (granted)
		process->elements = after;
	return kernel_leave(granted);
}

/* The process is about to get a guest that begins with so much. 0, -E_NOENT, or -E_NOMEM. */
EXPORT(host_process_reserve) i32 host_process_reserve(u32 id, u32 pages, u32 elements);
i32 host_process_reserve(u32 id, u32 pages, u32 elements)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	process->first_pages = pages;
	process->elements = elements;
	return take_pages(process, pages + pages_of(elements)) ? 0 : -E_NOMEM;
}

/* Calls for the node that stop a process for a while and let it go on. */
#include "pod_node/kernel/process.h"
#include "vnet/fabric/errno.h"

EXPORT(host_process_pause) i32 host_process_pause(u32 id);
i32 host_process_pause(u32 id)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	process_pause(process);
	return 0;
}

EXPORT(host_process_resume) i32 host_process_resume(u32 id);
i32 host_process_resume(u32 id)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	process_resume(process);
	return 0;
}

/* The node holds the process's thread up outside of the kernel, where it would compute, for reasons of enum hold, or
 * with none lets it go on. */
EXPORT(host_process_hold) i32 host_process_hold(u32 id, u32 held);
i32 host_process_hold(u32 id, u32 held)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	thread_hold(process->thread, held);
	return 0;
}

/* 1 when the process is paused and has come to rest, 0 when not. */
EXPORT(host_process_frozen) i32 host_process_frozen(u32 id);
i32 host_process_frozen(u32 id)
{
	struct process *process = process_find(id);
	return process ? thread_frozen(process->thread) : -E_NOENT;
}

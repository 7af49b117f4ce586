#include "pod_node/kernel/process.h"

#include "pod_node/kernel/native.h"

#define PROCESS_BUCKETS 1024u

static struct lock table_lock;
static struct process *table[PROCESS_BUCKETS];
static u32 next_id; /* under table_lock */

#ifdef __wasm__
/* The thread record is at the bottom of the kernel stack, as Linux's thread_info once was. */
struct thread *current(void)
{
	return (struct thread *)((uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(KERNEL_STACK_SIZE - 1));
}
#endif

struct process *process_create(struct pod *pod, u32 descriptor_limit, bool counted)
{
	struct process *process = memory_allocate(pod->account, sizeof(*process));
	if (!process)
		return NULL;
	process->thread = thread_create(process, counted);
	if (!process->thread) {
		memory_free(pod->account, process, sizeof(*process));
		return NULL;
	}
	process->pod = pod_hold(pod);
	process->descriptors.limit = descriptor_limit;
	process->descriptors.account = pod->account;
	lock_acquire(&table_lock);
	process->id = ++next_id;
	struct process **bucket = &table[process->id % PROCESS_BUCKETS];
	process->next = *bucket;
	*bucket = process;
	lock_release(&table_lock);
	return process;
}

struct process *process_find(u32 id)
{
	lock_acquire(&table_lock);
	struct process *process = table[id % PROCESS_BUCKETS];
	while (process && process->id != id)
		process = process->next;
	lock_release(&table_lock);
	return process;
}

void process_kill(struct process *process)
{
	atomic_store(&process->thread->killed, 1);
	thread_unpark(process->thread);
}

void process_pause(struct process *process)
{
	atomic_store(&process->pod->paused, 1);
	atomic_store(&process->thread->paused, 1);
}

void process_resume(struct process *process)
{
	atomic_store(&process->pod->paused, 0);
	atomic_store(&process->thread->paused, 0);
	thread_unpark(process->thread);
}

void process_reap(struct process *process)
{
	lock_acquire(&table_lock);
	struct process **link = &table[process->id % PROCESS_BUCKETS];
	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	lock_release(&table_lock);
	thread_ended(process->thread);
	descriptors_close(&process->descriptors);
	thread_destroy(process->thread);
	struct pod *pod = process->pod;
	memory_free(pod->account, process, sizeof(*process));
	pod_release(pod);
}

void kernel_enter(void)
{
	store_own(&current()->in_kernel, 1);
}

u32 kernel_leave(u32 result)
{
	struct thread *thread = current();
	if (atomic_load_explicit(&thread->paused, memory_order_relaxed))
		thread_freeze(thread);
	store_own(&thread->in_kernel, 0);
	if (atomic_load_explicit(&thread->killed, memory_order_relaxed))
		native_proc_exit(KILLED_STATUS);
	return result;
}

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

int process_create(struct pids *pids, struct pid *parent, bool counted, struct process **created)
{
	struct account *account = pids->pod->account;
	struct process *process = memory_allocate(account, sizeof(*process));
	if (!process)
		return -E_NOMEM;
	process->thread = thread_create(process, counted);
	int result = process->thread ? pid_create(pids, parent, process, &process->pid) : -E_NOMEM;
	if (result < 0) {
		if (process->thread)
			thread_destroy(process->thread);
		memory_free(account, process, sizeof(*process));
		return result;
	}
	process->pod = pod_hold(pids->pod);
	process->asked = UINT32_MAX;
	process->descriptors.limit = pids->descriptor_limit;
	process->descriptors.host_limit = pids->host_file_limit;
	process->descriptors.account = account;
	lock_acquire(&table_lock);
	process->id = ++next_id;
	struct process **bucket = &table[process->id % PROCESS_BUCKETS];
	process->next = *bucket;
	*bucket = process;
	lock_release(&table_lock);
	*created = process;
	return 0;
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
	atomic_fetch_or(&process->thread->interrupt, INTERRUPT_KILL);
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

u32 process_status(const struct process *process, u32 status)
{
	u32 signal = atomic_load(&process->pid->death);
	return status == SIGNAL_KILL && signal ? signal : status;
}

void process_reap(struct process *process, u32 status)
{
	lock_acquire(&table_lock);
	struct process **link = &table[process->id % PROCESS_BUCKETS];
	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	lock_release(&table_lock);
	thread_ended(process->thread);
	descriptors_close(&process->descriptors);
	struct thread *thread = process->thread;
	struct pod *pod = process->pod;
	struct pid *pid = process->pid;
	if (process->request)
		memory_free(pod->account, process->request, process->request_size);
	pid_end(pid, status); /* from here on no signal finds the thread */
	thread_destroy(thread);
	pid_release(pid);
	memory_free(pod->account, process, sizeof(*process));
	pod_release(pod);
}

void kernel_enter(void)
{
	atomic_store_explicit(&current()->in_kernel, 1, memory_order_relaxed);
}

u32 kernel_leave(u32 result)
{
	struct thread *thread = current();
	if (atomic_load_explicit(&thread->paused, memory_order_relaxed))
		thread_freeze(thread);
	atomic_store_explicit(&thread->in_kernel, 0, memory_order_relaxed);
	if (atomic_load_explicit(&thread->interrupt, memory_order_relaxed) & INTERRUPT_KILL)
		native_proc_exit(KILLED_STATUS);
	return result;
}

#include "pod_node/kernel/process.h"

#include "pod_node/kernel/lock_folders.h"
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
	if (pids->mounts)
		process->mounts = mounts_hold(pids->mounts);
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
	lock_folders_abandon(process);
	mounts_release(process->mounts);
	terminal_release(process->terminal);
	struct thread *thread = process->thread;
	struct pod *pod = process->pod;
	struct pid *pid = process->pid;
	if (process->request)
		memory_free(pod->account, process->request, process->request_size);
	if (process->inherited)
		memory_free(pod->account, process->inherited, process->inherited_count * (u32)sizeof(u32));
	process_give_memory(process, UINT64_MAX);
	pid_end(pid, status); /* from here on no signal finds the thread */
	thread_destroy(thread);
	pid_release(pid);
	memory_free(pod->account, process, sizeof(*process));
	pod_release(pod);
}

static enum file_kind mounted_kind(const struct mount *mount)
{
	if (mount->flags & MOUNT_NET)
		return FILE_NET_DIRECTORY;
	return mount->flags & MOUNT_PROC ? FILE_PROC_DIRECTORY : FILE_HOST;
}

static int open_mount(struct process *process, struct mount *mount)
{
	struct file *file = file_create(process->pod->account, mounted_kind(mount));
	if (!file)
		return -E_NOBUFS;
	file->host_descriptor = mount->host_descriptor;
	file->mount = mount;
	file->is_mount = true;
	int result = descriptor_install(&process->descriptors, file);
	if (result < 0)
		file_release(file);
	return result;
}

int process_open_mounts(struct process *process)
{
	for (u32 i = 0; i < process->mounts->count; i++) {
		struct mount *mount = &process->mounts->list[i];
		if (mount->flags & (MOUNT_ENTRY | MOUNT_DEV))
			continue; /* the guest may have the file, not the folder that it is in; /dev through its root */
		int result = open_mount(process, mount);
		if (result < 0)
			return result;
		if (mount->flags & MOUNT_NET)
			process->net_directory = (u32)result;
		if (mount->flags & MOUNT_PROC)
			process->proc_directory = (u32)result;
	}
	return 0;
}

void kernel_enter(void)
{
	struct thread *thread = current();
	store_own(&thread->in_kernel, 1);
}

u32 kernel_leave(u32 result)
{
	struct thread *thread = current();
	if (atomic_load_explicit(&thread->paused, memory_order_relaxed))
		thread_freeze(thread);
	store_own(&thread->in_kernel, 0);
	if (atomic_load_explicit(&thread->interrupt, memory_order_relaxed) & INTERRUPT_KILL)
		native_proc_exit(KILLED_STATUS);
	return result;
}

/* Processes: a guest program at work, with its descriptors, its thread and its pod.
 *
 * The node creates a process, runs its guest on a thread of the host, and reaps it from another kernel instance
 * when that thread has ended, whatever ended it. Killing sets a flag and wakes the thread's park word; the
 * thread notices on its next way out of the kernel, or in the engine's epoch callback when it computes. Pausing
 * sets a flag that is noticed at the same places and before every wait, and wakes nobody: who is blocked already
 * stays so, as in the cgroup freezer.
 */
#ifndef PODNET_KERNEL_PROCESS_H
#define PODNET_KERNEL_PROCESS_H

#include "pod_node/kernel/file.h"
#include "pod_node/kernel/pids.h"

#define KILLED_STATUS 137 /* 128 + SIGKILL, as a shell shows it */

struct process {
	u32 id;
	struct process *next; /* in the table; under its lock */
	struct pod *pod;      /* held */
	struct pid *pid;      /* held: its number and what others know of it */
	struct thread *thread;
	struct descriptors descriptors;
	_Atomic u64 memory; /* bytes that it has of its pod's limit; its thread, and before and after that the node */
	u64 elements;       /* that its tables have; its thread, and before that the node */
	u32 first_pages;    /* that its memory begins with; fixed when it is given a guest */
	u32 net_directory, proc_directory; /* descriptor numbers that `/net` and `/proc` were given at start */
	struct mounts *mounts;             /* held; NULL until it was told of any */
	struct terminal *terminal; /* that it may set and ask about; held; NULL for none */
	u32 asked;                         /* descriptor whose facts the program asked for last; owner */
	bool opens;                        /* its thread has files to open before it is started; fixed */
	struct lock_folder *lock_folders; /* that it has made and not removed; owner */
	u32 *inherited; /* its descriptors beside 0 to 2 that a request named; owner */
	u32 inherited_count, inherited_told; /* the program was told of so many; owner */
	u8 *request;                       /* what it was spawned with, for the node; NULL later */
	u32 request_size;
	struct process *next_spawn; /* in the queue for the node; under its lock */
};

static inline struct process *current_process(void)
{
	return current()->process;
}

/* A process with nothing open. `parent` waits for it, or with NULL nobody does. 0, -E_AGAIN when the pod has as many
 * as it may, -E_NOMEM. */
int process_create(struct pids *pids, struct pid *parent, bool counted, struct process **created);
struct process *process_find(u32 id);
void process_kill(struct process *process);
/* Its sockets go on taking what peers send and connections to its backlogs. A killed process is not held up. */
void process_pause(struct process *process);
void process_resume(struct process *process);
/* The thread has ended: close everything and forget the process. `status` as `wait` has it. */
void process_reap(struct process *process, u32 status);
/* A status with the signal that ended the process, for one that the node saw only as killed. */
u32 process_status(const struct process *process, u32 status);

/* Growth (growth.c): what it has is free again; its memory may have grown before anybody was asked. */
void process_give_memory(struct process *process, u64 bytes);
void process_count_memory(struct process *process);

/* Give a process without files beside its stdio a descriptor for each of its mounts. 0 or a negative errno. */
int process_open_mounts(struct process *process);

/* Wrap every call from a guest, so that a kill or a pause takes effect before the guest runs on. */
void kernel_enter(void);
u32 kernel_leave(u32 result);

#endif

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

#define KILLED_STATUS 137 /* 128 + SIGKILL, as a shell shows it */

struct process {
	u32 id;
	struct process *next; /* in the table; under its lock */
	struct pod *pod;      /* held */
	struct thread *thread;
	struct descriptors descriptors;
	struct mounts *mounts; /* held; NULL until it was told of any */
	u32 net_directory; /* descriptor number that `/net` was given at start */
};

static inline struct process *current_process(void)
{
	return current()->process;
}

/* A process of `pod` with nothing open; its table holds at most `descriptor_limit`. NULL when out of memory. */
struct process *process_create(struct pod *pod, u32 descriptor_limit, bool counted);
struct process *process_find(u32 id);
void process_kill(struct process *process);
/* Its sockets go on taking what peers send and connections to its backlogs. A killed process is not held up. */
void process_pause(struct process *process);
void process_resume(struct process *process);
/* The thread has ended: close everything and forget the process. */
void process_reap(struct process *process);

/* Give a process without files beside its stdio a descriptor for each of its mounts. 0 or a negative errno. */
int process_open_mounts(struct process *process);

/* Wrap every call from a guest, so that a kill or a pause takes effect before the guest runs on. */
void kernel_enter(void);
u32 kernel_leave(u32 result);

#endif

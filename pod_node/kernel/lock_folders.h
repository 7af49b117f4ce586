/* Locks that are folders: without locks of files, programs lock `x` by making the folder `x.lock`, as SQLite does.
 *
 * Such a lock would outlive whoever holds it. So the kernel keeps in mind which a process has made beside the file that
 * they are for and has not removed; when it ends, however it does, the node removes them.
 */
#ifndef PODNET_KERNEL_LOCK_FOLDERS_H
#define PODNET_KERNEL_LOCK_FOLDERS_H

#include "pod_node/kernel/lookup.h"

struct lock_folder {
	struct lock_folder *next;
	u32 mount;           /* index of the mount that it is in */
	struct place *place; /* held */
};

/* The current process has made or removed the directory that was looked up. */
void lock_folder_made(struct lookup *at);
void lock_folder_removed(struct lookup *at);
/* The process has ended: the folders are its pod's to be removed. */
void lock_folders_abandon(struct process *process);
void lock_folders_forget(struct account *account, struct lock_folder *first);

#endif

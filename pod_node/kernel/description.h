/* Files of the host that several processes have open: one open file description, as POSIX calls it.
 *
 * The engine opens a file for one process. A process that inherits one gets a file of the engine's of its own: its thread
 * opens the same path of the pod before the guest runs, and what is found there has to be the same file (ESTALE). From
 * then on the offset and the flags are kept here and not by the engine, so that processes read on where another one has
 * stopped and write behind one another.
 *
 * A directory has no offset: it is only opened once more.
 */
#ifndef PODNET_KERNEL_DESCRIPTION_H
#define PODNET_KERNEL_DESCRIPTION_H

#include "pod_node/kernel/wasi.h"

#define HOST_DESCRIPTOR_NONE UINT32_MAX /* inherited, and not opened by the engine yet */

struct description {
	_Atomic u32 references;
	struct account *account; /* held */
	u64 device, inode;       /* fixed, as the next two */
	u64 rights;
	bool is_directory;
	/* Held while the engine moves bytes, by processes of one pod only; the first of all locks that a call takes. */
	struct lock lock;
	u64 offset; /* under lock */
	u32 flags;  /* of WASI_FDFLAGS_*; under lock */
};

void description_release(struct description *description);

/* The file for a table that belongs to a process which is being spawned by the current one; see `file_inherit`. */
int description_inherit(struct descriptors *table, struct file *file, struct file **inherited);
/* Open what the current process has inherited. 0, -E_STALE for what is not there any more, or another negative errno. */
int description_open_all(struct descriptors *table);

static inline bool file_is_shared(const struct file *file)
{
	return file->shared && !file->shared->is_directory;
}

/* Calls on shared files. WASI errnos. */
u32 shared_read(struct file *file, uaddr iovs, u32 count, uaddr moved);
u32 shared_write(struct file *file, uaddr iovs, u32 count, uaddr moved);
u32 shared_seek(struct file *file, i64 delta, u32 whence, uaddr position);
u32 shared_tell(struct file *file, uaddr position);
u32 shared_set_flags(struct file *file, u32 flags);
/* Before another call of the engine's: let its file have the flags that are shared. */
u32 shared_flags_follow(struct file *file);

#endif

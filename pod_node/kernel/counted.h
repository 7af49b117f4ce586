/* Calls on files that are counted (disk.h): `file->inode` is set. WASI errnos. */
#ifndef PODNET_KERNEL_COUNTED_H
#define PODNET_KERNEL_COUNTED_H

#include "pod_node/kernel/lookup.h"

/* At `offset`, or where the file stands when it is NULL. */
u32 counted_write(struct file *file, uaddr iovs, u32 count, const u64 *offset, uaddr moved);
u32 counted_set_size(struct file *file, u64 size);
u32 counted_allocate(struct file *file, u64 offset, u64 length);
u32 counted_set_flags(struct file *file, u32 flags);

/* Calls on names; each asks the engine for what its name says, of what the lookups found on a private mount. */
u32 counted_open(struct lookup *at, u32 lookup, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened,
		 struct file *file);
u32 counted_create_directory(struct lookup *at);
u32 counted_symlink(struct span target, struct lookup *at);
u32 counted_remove_directory(struct lookup *at);
u32 counted_unlink(struct lookup *at);
u32 counted_rename(struct lookup *from, struct lookup *to);

#endif

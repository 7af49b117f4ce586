/* The entries of a directory that the root and layers have a part in, each name once.
 *
 * Taken when they are asked for from the beginning, and kept with the open file, so that a cookie goes on to mean the
 * same place: how many entries come before it.
 */
#ifndef PODNET_KERNEL_LISTING_H
#define PODNET_KERNEL_LISTING_H

#include "pod_node/kernel/file.h"

struct listing {
	u32 size, used; /* of `bytes`, which `file->account` pays for */
	u8 *bytes;
	u32 count;
	u32 next, at; /* where the entry number `next` is */
};

/* Whether the directory's entries are not just those of the host's: it is answered by `listing_read`, which has begun. */
bool listing_wanted(struct file *file, u64 cookie);
/* `fd_readdir`. */
u32 listing_read(struct file *file, uaddr buffer, u32 length, u64 cookie, uaddr used);
void listing_release(struct file *file);

#endif

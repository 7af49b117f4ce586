/* Which paths of the layers below a pod's root are seen no more: what a whiteout and an opaque directory are in overlayfs.
 *
 * A path that is hidden takes all that is below it along. Whether the root has something else at that path does not
 * matter here. Kept in memory, at the pod's expense, so that no name has to be set apart for it in the root.
 */
#ifndef PODNET_KERNEL_HIDDEN_H
#define PODNET_KERNEL_HIDDEN_H

#include "vnet/fabric/memory.h"

#define HIDDEN_BUCKETS 64u

struct hidden_path {
	struct hidden_path *next; /* under hidden->lock */
	u32 hash, length;
	char text[];
};

struct hidden {
	struct lock lock; /* innermost but for memory's */
	struct account *account;
	_Atomic u32 count; /* set under lock */
	struct hidden_path *buckets[HIDDEN_BUCKETS]; /* under lock */
};

/* One that is not in it yet; NULL when the account is exhausted. To be put or dropped. */
struct hidden_path *hidden_make(struct hidden *hidden, const char *path, u32 length);
void hidden_drop(struct hidden *hidden, struct hidden_path *made);
/* From now on it is hidden, which it was not; those below a directory need not be any longer. */
void hidden_put(struct hidden *hidden, struct hidden_path *made, bool directory);
/* Whether the path is, or one around it. */
bool hidden_has(struct hidden *hidden, const char *path, u32 length);
/* Copy the paths from the `first` one on, each with a NUL after it, as far as `size` bytes take them. How many. */
u32 hidden_list(struct hidden *hidden, u32 first, char *to, u32 size);
void hidden_clear(struct hidden *hidden);

#endif

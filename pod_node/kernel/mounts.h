/* What a pod sees of the host: folders in one tree, each a preopened directory of the engine.
 *
 * A mount hides what lies below its target in the mount around it. The table is made by the node before the pod
 * runs, belongs to all of its processes and never changes; every process's Store opens the same directories in the
 * same order, so that they have the same numbers everywhere. Private mounts (the pod's root, its tmpfs) are changed
 * by nobody but the pod and the node, and what they take is counted (disk.h). A layer is in the list and yet no mount: its
 * files are seen where the root, which is over it, has none (overlay.h).
 */
#ifndef PODNET_KERNEL_MOUNTS_H
#define PODNET_KERNEL_MOUNTS_H

#include "pod_node/kernel/disk.h"
#include "pod_node/kernel/hidden.h"

#define MOUNTS_MOST 64u
#define MOUNT_NAMES 8u
#define PATH_SIZE 4096u /* Linux's PATH_MAX, with the NUL */

enum mount_flag {
	MOUNT_READ_ONLY = 1,
	MOUNT_ENTRY = 2,   /* one file, `entry` of the preopened directory, that the guest must not have */
	MOUNT_PRIVATE = 4, /* has a disk */
	MOUNT_FOREIGN = 8, /* anybody may put anything into it, FIFOs too */
	MOUNT_NET = 16,    /* /net */
	MOUNT_LINKED = 32, /* symbolic links may be in it */
	MOUNT_PROC = 64,   /* /proc */
	MOUNT_FRESH = 128, /* private; `entry` has all names of its first directory, with slashes between */
	MOUNT_LAYER = 256,  /* read only, and the lower one of a union whose upper one is the root */
	MOUNT_CHANGED = 512, /* a layer that the root has something over */
	MOUNT_DEV = 1024,    /* /dev, which is reached from the root only */
	MOUNT_ALL = 2047,
	MOUNT_KERNEL = MOUNT_NET | MOUNT_PROC | MOUNT_DEV, /* no folder of the host */
};

struct mount {
	u32 flags; /* of enum mount_flag */
	u32 host_descriptor;
	const char *target; /* without a slash at its end: "" is the root */
	u32 target_length;
	const char *entry;
	u32 entry_length;
	struct disk *disk; /* of a private mount */
	bool covers;       /* another mount's target lies below this one's */
	_Atomic bool linked; /* symbolic links may be in it that lead into other mounts */
	/* Of a private mount: what may be in its first directory. A guest's start asks for a dozen files that are not in a
	 * fresh root, and each answer of the host would take as long as thousands of these. Bits are only ever set. */
	_Atomic u32 names[MOUNT_NAMES];
	/* Of a layer. Until it is changed, what is seen in it is its own, and all of it. Both are only ever set. */
	_Atomic bool changed;
	_Atomic bool gone; /* the folder that it was in is hidden: nothing of it is seen any more */
};

/* From now on it may have something called like the first name of `path`; without a path, anything. */
void mount_add_name(struct mount *mount, const char *path, u32 length);
bool mount_may_have(const struct mount *mount, const char *path, u32 length);

struct mounts {
	_Atomic u32 references;
	u32 size; /* of the whole */
	struct account *account; /* held */
	struct mount *upper; /* the root, when there are layers below it */
	struct lock busy; /* of the union (overlay.h); before that of a disk */
	struct hidden hidden; /* of the layers */
	struct lock abandoned_lock;
	struct lock_folder *abandoned; /* by processes that have ended; under abandoned_lock */
	u32 count;
	struct mount list[];
};

/* How the node describes them: `count` mounts, then their texts, a target and an entry each, without NULs. */
struct mount_request {
	u32 flags, host_descriptor;
	u32 target_length, entry_length;
	u64 disk_limit, disk_used; /* in bytes */
};

/* NULL when the account is exhausted or the request makes no sense. */
struct mounts *mounts_create(struct account *account, const struct mount_request *requests, u32 count, u32 size);
struct mounts *mounts_hold(struct mounts *mounts);
void mounts_release(struct mounts *mounts);

/* The mount that `path` (absolute, nothing but names) is in, no layer, with what is left of the path for it. */
struct mount *mounts_find(struct mounts *mounts, const char *path, u32 length, u32 *left);
/* Whether the target of some mount, which is no layer, is below `path`. */
bool mounts_below(const struct mounts *mounts, const char *path, u32 length);
/* Whether that of a layer is, one that is seen. */
bool mounts_layer_below(const struct mounts *mounts, const char *path, u32 length);
/* Whether `path` is the layer's target or below it, and it is seen there as far as it is not hidden. */
bool mount_reaches(const struct mount *layer, const char *path, u32 length);
/* Something of the root is over the layers that reach there, or will be. */
void mounts_changed(struct mounts *mounts, const char *path, u32 length);
/* Nobody sees any more what layers have at `path`, which is in `hidden` from now on. */
void mounts_layers_gone(struct mounts *mounts, const char *path, u32 length);

#endif

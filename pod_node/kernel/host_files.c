/* The node's look at what a pod's files take. `files` is what the reply to `host_pod_create` has: the pod's mounts,
 * which stay until they are released even when all of its processes have ended. */
#include "pod_node/kernel/host.h"

struct disk_statistics {
	u64 used, limit; /* bytes */
	u32 refusals;
	u32 linked; /* there are symbolic links in it */
};

static struct mounts *mounts_at(u32 files)
{
	return (struct mounts *)(uintptr_t)files;
}

/* The disk of the mount at `index` in the node's order, or NULL. */
static struct disk *disk_at(u32 files, u32 index)
{
	struct mounts *mounts = mounts_at(files);
	return index < mounts->count ? mounts->list[index].disk : NULL;
}

EXPORT(host_disk) i32 host_disk(u32 files, u32 index, uaddr at);
i32 host_disk(u32 files, u32 index, uaddr at)
{
	struct disk *disk = disk_at(files, index);
	if (!disk)
		return -E_NOENT;
	lock_acquire(&disk->lock);
	*(struct disk_statistics *)(uintptr_t)at = (struct disk_statistics){
		.used = disk->used * DISK_BLOCK,
		.limit = disk->limit * DISK_BLOCK,
		.refusals = atomic_load(&disk->refusals),
		.linked = atomic_load(&mounts_at(files)->list[index].linked),
	};
	lock_release(&disk->lock);
	return 0;
}

/* The node has put something on the disk, or is about to. 0, -E_NOSPC or -E_DQUOT. */
EXPORT(host_disk_take) i32 host_disk_take(u32 files, u32 index, u64 blocks);
i32 host_disk_take(u32 files, u32 index, u64 blocks)
{
	struct disk *disk = disk_at(files, index);
	if (!disk)
		return -E_NOENT;
	mount_add_name(&mounts_at(files)->list[index], NULL, 0);
	return disk_take(disk, blocks);
}

EXPORT(host_disk_give) i32 host_disk_give(u32 files, u32 index, u64 blocks);
i32 host_disk_give(u32 files, u32 index, u64 blocks)
{
	struct disk *disk = disk_at(files, index);
	if (!disk)
		return -E_NOENT;
	disk_give(disk, blocks);
	return 0;
}

/* From now on symbolic links may be in the mount. */
EXPORT(host_files_linked) i32 host_files_linked(u32 files, u32 index);
i32 host_files_linked(u32 files, u32 index)
{
	if (!disk_at(files, index))
		return -E_NOENT;
	atomic_store(&mounts_at(files)->list[index].linked, true);
	return 0;
}

EXPORT(host_files_release) void host_files_release(u32 files);
void host_files_release(u32 files)
{
	mounts_release(mounts_at(files));
}

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

/* Have a path of the layers hidden: the node has removed what was there, or knows that the pod had. 0 or -E_NOMEM. */
EXPORT(host_layers_hide) i32 host_layers_hide(u32 files, uaddr path, u32 length);
i32 host_layers_hide(u32 files, uaddr path, u32 length)
{
	struct mounts *mounts = mounts_at(files);
	const char *text = (const char *)(uintptr_t)path;
	if (hidden_has(&mounts->hidden, text, length))
		return 0;
	struct hidden_path *made = hidden_make(&mounts->hidden, text, length);
	if (!made)
		return -E_NOMEM;
	mounts_changed(mounts, text, length);
	hidden_put(&mounts->hidden, made, true);
	mounts_layers_gone(mounts, text, length);
	return 0;
}

/* The node puts something over the layers at this path, or is about to. */
EXPORT(host_layers_change) void host_layers_change(u32 files, uaddr path, u32 length);
void host_layers_change(u32 files, uaddr path, u32 length)
{
	mounts_changed(mounts_at(files), (const char *)(uintptr_t)path, length);
}

/* Which paths are hidden, from the `first` one on: each with a NUL after it, in up to `size` bytes. How many. */
EXPORT(host_layers_hidden) u32 host_layers_hidden(u32 files, u32 first, uaddr to, u32 size);
u32 host_layers_hidden(u32 files, u32 first, uaddr to, u32 size)
{
	return hidden_list(&mounts_at(files)->hidden, first, (char *)(uintptr_t)to, size);
}

EXPORT(host_files_release) void host_files_release(u32 files);
void host_files_release(u32 files)
{
	mounts_release(mounts_at(files));
}

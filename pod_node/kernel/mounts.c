#include "pod_node/kernel/mounts.h"

#include "pod_node/kernel/lock_folders.h"

/* Which bit stands for the first name of a path; FNV-1a. */
static u32 name_bit(const char *path, u32 length)
{
	u32 hash = 2166136261u;
	for (u32 i = 0; i < length && path[i] != '/'; i++)
		hash = (hash ^ (u8)path[i]) * 16777619u;
	return (hash ^ hash >> 16) % (MOUNT_NAMES * 32);
}

void mount_add_name(struct mount *mount, const char *path, u32 length)
{
	u32 bit = name_bit(path, length);
	if (length)
		atomic_fetch_or(&mount->names[bit / 32], 1u << bit % 32);
	for (u32 i = 0; !length && i < MOUNT_NAMES; i++)
		atomic_store(&mount->names[i], UINT32_MAX);
}

bool mount_may_have(const struct mount *mount, const char *path, u32 length)
{
	u32 bit = name_bit(path, length);
	return length == 0 || atomic_load(&mount->names[bit / 32]) >> bit % 32 & 1;
}

static void add_names(struct mount *mount)
{
	u32 from = 0;
	if (!(mount->flags & MOUNT_FRESH))
		mount_add_name(mount, NULL, 0);
	while (mount->flags & MOUNT_FRESH && from < mount->entry_length) {
		mount_add_name(mount, mount->entry + from, mount->entry_length - from);
		while (from < mount->entry_length && mount->entry[from] != '/')
			from++;
		from++;
	}
}

static void forget(struct mounts *mounts)
{
	struct account *account = mounts->account;
	for (u32 i = 0; i < mounts->count; i++)
		if (mounts->list[i].disk)
			memory_free(account, mounts->list[i].disk, sizeof(struct disk));
	hidden_clear(&mounts->hidden);
	lock_folders_forget(account, mounts->abandoned);
	memory_free(account, mounts, mounts->size);
	account_release(account);
}

struct mounts *mounts_hold(struct mounts *mounts)
{
	if (mounts)
		atomic_fetch_add(&mounts->references, 1);
	return mounts;
}

void mounts_release(struct mounts *mounts)
{
	if (mounts && atomic_fetch_sub(&mounts->references, 1) == 1)
		forget(mounts);
}

static bool fits(const struct mount_request *requests, u32 count, u32 size)
{
	u64 texts = 0;
	if (count > MOUNTS_MOST)
		return false;
	for (u32 i = 0; i < count; i++) {
		if (requests[i].target_length >= PATH_SIZE || requests[i].entry_length >= PATH_SIZE ||
		    requests[i].flags & ~(u32)MOUNT_ALL)
			return false;
		texts += requests[i].target_length + requests[i].entry_length;
	}
	return texts == size;
}

static const char *take_text(const char **from, char **to, u32 length)
{
	char *text = *to;
	memcpy(text, *from, length);
	*from += length;
	*to += length;
	return text;
}

static bool is_prefix(const char *target, u32 target_length, const char *path, u32 length)
{
	if (target_length > length || (target_length < length && path[target_length] != '/'))
		return false;
	return memcmp(target, path, target_length) == 0;
}

/* The first of them with a disk is the whole that the others are parts of. */
static bool add_disk(struct mounts *mounts, struct mount *mount, const struct mount_request *request)
{
	struct disk *disk = memory_allocate(mounts->account, sizeof(*disk));
	if (!disk)
		return false;
	*disk = (struct disk){
		.account = mounts->account,
		.limit = request->disk_limit / DISK_BLOCK,
		.used = request->disk_used / DISK_BLOCK,
	};
	for (struct mount *other = mounts->list; other < mount && !disk->whole; other++)
		disk->whole = other->disk;
	mount->disk = disk;
	return true;
}

/* Whether another layer has a part in all that this one has. */
static bool is_shared(const struct mounts *mounts, const struct mount *layer)
{
	for (u32 i = 0; i < mounts->count; i++)
		if (&mounts->list[i] != layer && mount_reaches(&mounts->list[i], layer->target, layer->target_length))
			return true;
	return false;
}

/* The root is over the layers, and a way through it may lead over their links. */
static void find_upper(struct mounts *mounts)
{
	struct mount *root = NULL;
	bool has_layers = false, linked = false;
	for (u32 i = 0; i < mounts->count; i++) {
		struct mount *mount = &mounts->list[i];
		if (mount->flags & MOUNT_LAYER) {
			has_layers = true;
			linked |= mount->linked;
			mount->changed = mount->flags & MOUNT_CHANGED || is_shared(mounts, mount);
		} else if (mount->target_length == 0 && mount->flags & MOUNT_PRIVATE)
			root = mount;
	}
	if (!has_layers || !root)
		return;
	mounts->upper = root;
	root->linked |= linked;
}

struct mounts *mounts_create(struct account *account, const struct mount_request *requests, u32 count, u32 size)
{
	if (!fits(requests, count, size))
		return NULL;
	u32 whole = (u32)(sizeof(struct mounts) + count * sizeof(struct mount)) + size;
	struct mounts *mounts = memory_allocate(account, whole);
	if (!mounts)
		return NULL;
	memset(mounts, 0, whole);
	mounts->references = 1;
	mounts->size = whole;
	mounts->account = mounts->hidden.account = account_hold(account);
	const char *from = (const char *)&requests[count];
	char *to = (char *)&mounts->list[count];
	for (u32 i = 0; i < count; i++) {
		struct mount *mount = &mounts->list[i];
		mounts->count = i + 1;
		mount->flags = requests[i].flags;
		mount->host_descriptor = requests[i].host_descriptor;
		mount->target_length = requests[i].target_length;
		mount->target = take_text(&from, &to, mount->target_length);
		mount->entry_length = requests[i].entry_length;
		mount->entry = take_text(&from, &to, mount->entry_length);
		add_names(mount);
		if (mount->flags & MOUNT_PRIVATE && !add_disk(mounts, mount, &requests[i])) {
			forget(mounts);
			return NULL;
		}
	}
	for (u32 i = 0; i < count; i++) {
		struct mount *mount = &mounts->list[i];
		mount->covers = mounts_below(mounts, mount->target, mount->target_length) ||
				mounts_layer_below(mounts, mount->target, mount->target_length);
		mount->linked = mount->flags & MOUNT_LINKED || (mount->covers && mount->flags & MOUNT_FOREIGN);
	}
	find_upper(mounts);
	return mounts;
}

struct mount *mounts_find(struct mounts *mounts, const char *path, u32 length, u32 *left)
{
	struct mount *found = NULL;
	for (u32 i = 0; i < mounts->count; i++) {
		struct mount *mount = &mounts->list[i];
		if (!(mount->flags & MOUNT_LAYER) && (!found || mount->target_length >= found->target_length) &&
		    is_prefix(mount->target, mount->target_length, path, length))
			found = mount;
	}
	if (found)
		*left = MIN(length, found->target_length + 1);
	return found;
}

static bool is_below(const struct mount *mount, const char *path, u32 length)
{
	return mount->target_length > length && is_prefix(path, length, mount->target, mount->target_length);
}

bool mounts_below(const struct mounts *mounts, const char *path, u32 length)
{
	for (u32 i = 0; i < mounts->count; i++)
		if (!(mounts->list[i].flags & MOUNT_LAYER) && is_below(&mounts->list[i], path, length))
			return true;
	return false;
}

bool mounts_layer_below(const struct mounts *mounts, const char *path, u32 length)
{
	for (u32 i = 0; i < mounts->count; i++)
		if (mounts->list[i].flags & MOUNT_LAYER && !mounts->list[i].gone &&
		    is_below(&mounts->list[i], path, length))
			return true;
	return false;
}

bool mount_reaches(const struct mount *layer, const char *path, u32 length)
{
	return layer->flags & MOUNT_LAYER && !layer->gone &&
	       is_prefix(layer->target, layer->target_length, path, length);
}

void mounts_changed(struct mounts *mounts, const char *path, u32 length)
{
	for (u32 i = 0; i < mounts->count; i++)
		if (mount_reaches(&mounts->list[i], path, length))
			mounts->list[i].changed = true;
}

void mounts_layers_gone(struct mounts *mounts, const char *path, u32 length)
{
	for (u32 i = 0; i < mounts->count; i++) {
		struct mount *layer = &mounts->list[i];
		if (layer->flags & MOUNT_LAYER && is_prefix(path, length, layer->target, layer->target_length))
			layer->gone = true;
	}
}

#include "pod_node/kernel/listing.h"

#include "pod_node/kernel/levels.h"
#include "pod_node/kernel/overlay.h"

#define FIRST_SIZE 4096u
#define SLOTS_LEAST 64u

/* In `bytes`, at multiples of its alignment. */
struct listed {
	u64 inode;
	u32 length;
	u32 filetype;
	char name[];
};

static u32 size_of(u32 name_length)
{
	return ((u32)sizeof(struct listed) + name_length + 7) & ~7u;
}

static struct listed *listed_at(const struct listing *listing, u32 at)
{
	return (struct listed *)(void *)(listing->bytes + at);
}

void listing_release(struct file *file)
{
	struct listing *listing = file->listing;
	if (!listing)
		return;
	if (listing->bytes)
		memory_free(file->account, listing->bytes, listing->size);
	memory_free(file->account, listing, sizeof(*listing));
	file->listing = NULL;
}

static bool grow(struct account *account, struct listing *listing)
{
	u32 size = listing->size ? 2 * listing->size : FIRST_SIZE;
	u8 *bytes = memory_allocate(account, size);
	if (!bytes)
		return false;
	if (listing->bytes) {
		memcpy(bytes, listing->bytes, listing->used);
		memory_free(account, listing->bytes, listing->size);
	}
	listing->bytes = bytes;
	listing->size = size;
	return true;
}

static u32 append(struct account *account, struct listing *listing, const struct entry *entry)
{
	u32 size = size_of(entry->length);
	if (listing->size - listing->used < size && !grow(account, listing))
		return WASI_NOMEM;
	struct listed *listed = listed_at(listing, listing->used);
	listed->inode = entry->inode;
	listed->length = entry->length;
	listed->filetype = entry->filetype;
	memcpy(listed->name, entry->name, entry->length);
	listing->used += size;
	listing->count++;
	return WASI_SUCCESS;
}

/* Which names are there already, while those of the next level are added. */
struct names {
	u32 *slots; /* where in `bytes`, plus one; 0: free */
	u32 count;  /* a power of two, of which at most half are in use */
};

static u32 hash_of(const char *name, u32 length)
{
	u32 hash = 2166136261u;
	for (u32 i = 0; i < length; i++)
		hash = (hash ^ (u8)name[i]) * 16777619u;
	return hash ^ hash >> 16;
}

static u32 *slot_of(const struct names *names, const struct listing *listing, const char *name, u32 length)
{
	u32 index = hash_of(name, length) & (names->count - 1);
	for (;; index = (index + 1) & (names->count - 1)) {
		u32 *slot = &names->slots[index];
		const struct listed *listed = *slot ? listed_at(listing, *slot - 1) : NULL;
		if (!listed || (listed->length == length && memcmp(listed->name, name, length) == 0))
			return slot;
	}
}

static bool names_of(struct account *account, const struct listing *listing, struct names *names)
{
	names->count = SLOTS_LEAST;
	while (names->count < 2 * listing->count)
		names->count *= 2;
	names->slots = memory_allocate(account, names->count * (u32)sizeof(u32));
	if (!names->slots)
		return false;
	memset(names->slots, 0, names->count * sizeof(u32));
	for (u32 at = 0; at < listing->used; at += size_of(listed_at(listing, at)->length)) {
		const struct listed *listed = listed_at(listing, at);
		*slot_of(names, listing, listed->name, listed->length) = at + 1;
	}
	return true;
}

/* The directory that is listed; `path` has room for a name after it. */
struct subject {
	struct mounts *mounts;
	struct file *file;
	char *path;
	u32 length;
};

static bool is_hidden(const struct subject *subject, const struct entry *entry)
{
	subject->path[subject->length] = '/';
	memcpy(subject->path + subject->length + 1, entry->name, entry->length);
	return hidden_has(&subject->mounts->hidden, subject->path, subject->length + 1 + entry->length);
}

/* Add what one level has, which is the upper one without a layer. */
static u32 add_level(const struct subject *subject, const struct mount *layer)
{
	struct account *account = subject->file->account;
	struct listing *listing = subject->file->listing;
	struct way way = layer ? way_down(layer, subject->path, subject->length)
			       : way_up(subject->mounts, subject->path, subject->length);
	struct entries entries;
	struct entry entry;
	struct names names;
	u32 error = entries_open(way, &entries);
	if (error) /* there is no such directory there, or something else */
		return error == WASI_NOENT || error == WASI_NOTDIR ? (u32)WASI_SUCCESS : error;
	if (names_of(account, listing, &names)) {
		while (!error && entries_next(&entries, &entry))
			if (!*slot_of(&names, listing, entry.name, entry.length) &&
			    (!layer || !is_hidden(subject, &entry)))
				error = append(account, listing, &entry);
		error = error ? error : entries.error;
		memory_free(account, names.slots, names.count * (u32)sizeof(u32));
	} else {
		error = WASI_NOMEM;
	}
	entries_close(&entries);
	return error;
}

static u32 add_levels(const struct subject *subject)
{
	struct mounts *mounts = subject->mounts;
	struct sight sight;
	u32 error = levels_look(mounts, subject->path, subject->length, &sight);
	if (error || !is_directory(sight_top(&sight)))
		return error; /* it has been removed: nothing is in it */
	struct area area;
	if (!area_borrow(&area, AREA_PATH, AREA_END))
		return WASI_NOMEM;
	if (is_there(&sight.upper))
		error = add_level(subject, NULL);
	for (u32 i = 0; i < mounts->count && is_directory(&sight.lower) && !error; i++)
		if (mount_reaches(&mounts->list[i], subject->path, subject->length))
			error = add_level(subject, &mounts->list[i]);
	area_return(&area);
	return error;
}

static const char *path_of(const struct file *file, u32 *length)
{
	if (file->place) {
		*length = file->place->length;
		return file->place->text;
	}
	*length = file->mount->target_length;
	return file->is_mount ? file->mount->target : NULL;
}

/* Take the whole of it. */
static u32 take(struct file *file)
{
	struct account *account = file->account;
	struct subject subject = {.mounts = current_process()->mounts, .file = file};
	const char *path = path_of(file, &subject.length);
	u32 size = subject.length + 1 + (u32)sizeof(((struct entry *)0)->name);
	listing_release(file);
	file->listing = memory_allocate(account, sizeof(*file->listing));
	subject.path = memory_allocate(account, size);
	u32 error = file->listing && subject.path ? WASI_SUCCESS : WASI_NOMEM;
	if (!error) {
		memcpy(subject.path, path, subject.length);
		lock_acquire(&subject.mounts->busy);
		error = add_levels(&subject);
		lock_release(&subject.mounts->busy);
	}
	if (subject.path)
		memory_free(account, subject.path, size);
	if (error)
		listing_release(file);
	return error;
}

bool listing_wanted(struct file *file, u64 cookie)
{
	struct mounts *mounts = current_process()->mounts;
	u32 length;
	if (file->kind != FILE_HOST || !file->mount || !mounts->upper || file->pure)
		return false;
	if (cookie && file->listing)
		return true;
	if (file->mount != mounts->upper && !(file->mount->flags & MOUNT_LAYER))
		return false;
	const char *path = path_of(file, &length);
	if (!path)
		return false;
	if (file->mount->flags & MOUNT_LAYER)
		return file->mount->changed || file->mount->gone;
	return overlay_shows(mounts, path, length);
}

/* Find the entry with this number; false past the end. */
static bool move_to(struct listing *listing, u64 number)
{
	if (number < listing->next)
		listing->next = listing->at = 0;
	while (listing->next < number && listing->at < listing->used) {
		listing->at += size_of(listed_at(listing, listing->at)->length);
		listing->next++;
	}
	return listing->at < listing->used;
}

u32 listing_read(struct file *file, uaddr buffer, u32 length, u64 cookie, uaddr used)
{
	u32 done = 0;
	if (!user_range_ok(buffer, length) || !user_range_ok(used, sizeof(u32)) || !loan_possible())
		return WASI_FAULT;
	u32 error = cookie == 0 || !file->listing ? take(file) : (u32)WASI_SUCCESS;
	if (error)
		return error;
	struct listing *listing = file->listing;
	for (u64 number = cookie; done < length && move_to(listing, number); number++) {
		const struct listed *listed = listed_at(listing, listing->at);
		struct wasi_dirent head;
		memset(&head, 0, sizeof(head));
		head.next = number + 1;
		head.inode = listed->inode;
		head.name_length = listed->length;
		head.filetype = (u8)listed->filetype;
		done += wasi_put_dirent(buffer + done, length - done, &head, listed->name);
	}
	return guest_store_u32(used, done) ? WASI_SUCCESS : WASI_FAULT;
}

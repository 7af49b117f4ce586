#include "pod_node/kernel/levels.h"

#include "pod_node/kernel/native.h"

#define CHUNK (AREA_END - AREA_BYTES)

struct way way_up(const struct mounts *mounts, const char *path, u32 length)
{
	if (length == 0)
		return (struct way){mounts->upper->host_descriptor, ".", 1};
	return (struct way){mounts->upper->host_descriptor, path + 1, length - 1};
}

struct way way_down(const struct mount *layer, const char *path, u32 length)
{
	u32 skip = layer->target_length + 1;
	if (length < skip)
		return (struct way){layer->host_descriptor, ".", 1};
	return (struct way){layer->host_descriptor, path + skip, length - skip};
}

/* AREA_PATH and AREA_ANSWER are borrowed from here on wherever a way is taken. */
static void put(struct way way)
{
	user_copy_out(AREA_PATH, way.path, way.length);
}

static u32 stat_at(struct way way, struct wasi_filestat *stat)
{
	put(way);
	memset(stat, 0, sizeof(*stat));
	u32 error = native_path_filestat_get(way.descriptor, 0, AREA_PATH, way.length, AREA_ANSWER);
	if (!error)
		user_copy_in(stat, AREA_ANSWER, sizeof(*stat));
	return error;
}

static u32 open_at(struct way way, u32 open, u64 rights, u32 *descriptor)
{
	put(way);
	u32 error = native_path_open(way.descriptor, 0, AREA_PATH, way.length, open, rights, 0, 0, AREA_ANSWER);
	if (!error)
		user_copy_in(descriptor, AREA_ANSWER, sizeof(*descriptor));
	return error;
}

static u32 set_times_at(struct way way, u64 atim, u64 mtim, u32 times)
{
	put(way);
	return native_path_filestat_set_times(way.descriptor, 0, AREA_PATH, way.length, atim, mtim, times);
}

static u32 look_down(struct mounts *mounts, const char *path, u32 length, struct sight *sight)
{
	u32 answer = WASI_SUCCESS;
	for (u32 i = 0; i < mounts->count; i++) {
		struct mount *layer = &mounts->list[i];
		if (!mount_reaches(layer, path, length))
			continue;
		u32 error = stat_at(way_down(layer, path, length), &sight->lower);
		if (!error) {
			sight->layer = layer;
			return WASI_SUCCESS;
		}
		if (error == WASI_NOTDIR)
			answer = error;
		else if (error != WASI_NOENT)
			return error;
	}
	return answer;
}

static u32 look(struct mounts *mounts, const char *path, u32 length, struct sight *sight)
{
	memset(sight, 0, sizeof(*sight));
	u32 error = stat_at(way_up(mounts, path, length), &sight->upper);
	if (error && error != WASI_NOENT)
		return error;
	if (hidden_has(&mounts->hidden, path, length))
		return WASI_SUCCESS;
	u32 below = look_down(mounts, path, length, sight);
	return error ? below : (u32)WASI_SUCCESS;
}

u32 levels_look(struct mounts *mounts, const char *path, u32 length, struct sight *sight)
{
	struct area area;
	if (!area_borrow(&area, AREA_PATH, AREA_SMALL_END))
		return WASI_NOMEM;
	u32 error = look(mounts, path, length, sight);
	area_return(&area);
	return error;
}

static u32 copy_directory(struct mounts *mounts, const char *path, u32 length, const struct wasi_filestat *like)
{
	struct disk *disk = mounts->upper->disk;
	u32 error = wasi_result(disk_take(disk, 1));
	if (error)
		return error;
	struct way way = way_up(mounts, path, length);
	put(way);
	error = native_path_create_directory(way.descriptor, AREA_PATH, way.length);
	if (error)
		disk_give(disk, 1);
	else
		set_times_at(way, like->atim, like->mtim, WASI_FSTFLAGS_ATIM | WASI_FSTFLAGS_MTIM);
	return error;
}

static u32 parent_length(const char *path, u32 length)
{
	while (length && path[--length] != '/')
		;
	return length;
}

/* The directories from the outermost to the innermost. */
static u32 raise(struct mounts *mounts, const char *path, u32 length)
{
	for (u32 end = 1; end <= length; end++) {
		struct sight sight;
		if (end < length && path[end] != '/')
			continue;
		u32 error = look(mounts, path, end, &sight);
		if (error)
			return error;
		if (!is_there(sight_top(&sight)))
			return WASI_NOENT;
		if (!is_directory(sight_top(&sight)))
			return WASI_NOTDIR;
		if (!is_there(&sight.upper))
			error = copy_directory(mounts, path, end, &sight.lower);
		if (error)
			return error;
	}
	return WASI_SUCCESS;
}

u32 levels_raise_around(struct mounts *mounts, const char *path, u32 length)
{
	struct area area;
	struct wasi_filestat parent;
	length = parent_length(path, length);
	if (!area_borrow(&area, AREA_PATH, AREA_SMALL_END))
		return WASI_NOMEM;
	u32 error = stat_at(way_up(mounts, path, length), &parent);
	if (error || !is_directory(&parent))
		error = raise(mounts, path, length);
	area_return(&area);
	return error;
}

void levels_date_around(const struct mounts *mounts, const char *path, u32 length)
{
	levels_set_times(way_up(mounts, path, parent_length(path, length)), 0, 0, WASI_FSTFLAGS_MTIM_NOW);
}

u32 levels_set_times(struct way way, u64 atim, u64 mtim, u32 times)
{
	struct area area;
	if (!area_borrow(&area, AREA_PATH, AREA_SMALL_END))
		return WASI_NOMEM;
	u32 error = set_times_at(way, atim, mtim, times);
	area_return(&area);
	return error;
}

/* Write the `length` bytes of AREA_BYTES. */
static u32 write_bytes(u32 to, u32 length)
{
	u32 done = 0, moved;
	while (done < length) {
		struct wasi_iovec iovec = {AREA_BYTES + done, length - done};
		user_copy_out(AREA_PATH, &iovec, sizeof(iovec));
		u32 error = native_fd_write(to, AREA_PATH, 1, AREA_ANSWER);
		if (error)
			return error;
		user_copy_in(&moved, AREA_ANSWER, sizeof(moved));
		if (moved == 0)
			return WASI_IO;
		done += moved;
	}
	return WASI_SUCCESS;
}

/* A chunk at a time; whoever is killed meanwhile is not kept. */
static u32 copy_content(u32 from, u32 to, u64 size)
{
	const struct wasi_iovec iovec = {AREA_BYTES, CHUNK};
	u32 moved;
	for (u64 copied = 0; copied < size; copied += moved) {
		if (atomic_load_explicit(&current()->interrupt, memory_order_relaxed) & INTERRUPT_KILL)
			return WASI_INTR;
		user_copy_out(AREA_PATH, &iovec, sizeof(iovec));
		u32 error = native_fd_read(from, AREA_PATH, 1, AREA_ANSWER);
		if (error)
			return error;
		user_copy_in(&moved, AREA_ANSWER, sizeof(moved));
		if (moved == 0)
			break;
		error = write_bytes(to, moved);
		if (error)
			return error;
	}
	return WASI_SUCCESS;
}

/* All of the area is borrowed. */
static u32 copy_file(struct way down, struct way up, const struct wasi_filestat *like, bool content)
{
	u32 from, to;
	u32 error = open_at(down, 0, WASI_RIGHTS_FD_READ, &from);
	if (error)
		return error;
	error = open_at(up, WASI_OFLAGS_CREAT | WASI_OFLAGS_EXCL, WASI_RIGHTS_FD_WRITE, &to);
	if (!error) {
		error = content ? copy_content(from, to, like->size) : (u32)WASI_SUCCESS;
		if (!error)
			error = native_fd_filestat_set_times(to, like->atim, like->mtim,
							     WASI_FSTFLAGS_ATIM | WASI_FSTFLAGS_MTIM);
		native_fd_close(to);
		if (error) {
			put(up);
			native_path_unlink_file(up.descriptor, AREA_PATH, up.length);
		}
	}
	native_fd_close(from);
	return error;
}

static u32 copy_link(struct way down, struct way up)
{
	u32 length;
	put(down);
	u32 error = native_path_readlink(down.descriptor, AREA_PATH, down.length, AREA_OTHER, PATH_SIZE, AREA_ANSWER);
	if (error)
		return error;
	user_copy_in(&length, AREA_ANSWER, sizeof(length));
	put(up);
	return native_path_symlink(AREA_OTHER, MIN(length, PATH_SIZE), up.descriptor, AREA_PATH, up.length);
}

static u32 copy_counted(struct mounts *mounts, struct way down, struct way up, const struct wasi_filestat *like,
			bool content)
{
	struct disk *disk = mounts->upper->disk;
	bool is_file = like->filetype == WASI_FILETYPE_REGULAR_FILE;
	u64 blocks = is_file && content ? disk_blocks(like->size) : 1;
	u32 error = wasi_result(disk_take(disk, blocks));
	if (error)
		return error;
	if (is_file) {
		error = copy_file(down, up, like, content);
	} else {
		atomic_store(&mounts->upper->linked, true);
		error = copy_link(down, up);
	}
	if (error)
		disk_give(disk, blocks);
	return error;
}

/* Copy it there; all of the area is borrowed. */
static u32 copy(struct mounts *mounts, const char *path, u32 length, const struct sight *sight, bool content)
{
	struct way down = way_down(sight->layer, path, length), up = way_up(mounts, path, length);
	switch (sight->lower.filetype) {
	case WASI_FILETYPE_DIRECTORY: return copy_directory(mounts, path, length, &sight->lower);
	case WASI_FILETYPE_REGULAR_FILE:
	case WASI_FILETYPE_SYMBOLIC_LINK: return copy_counted(mounts, down, up, &sight->lower, content);
	default: return WASI_NXIO;
	}
}

/* For whoever looks at the tree no name has come into the directory around it. */
u32 levels_copy_up(struct mounts *mounts, const char *path, u32 length, const struct sight *sight, bool content)
{
	struct wasi_filestat parent;
	struct area area;
	mounts_changed(mounts, path, length);
	u32 error = levels_raise_around(mounts, path, length);
	if (error)
		return error;
	if (!area_borrow(&area, AREA_PATH, AREA_END))
		return WASI_NOMEM;
	struct way around = way_up(mounts, path, parent_length(path, length));
	error = stat_at(around, &parent);
	if (!error)
		error = copy(mounts, path, length, sight, content);
	if (!error)
		set_times_at(around, parent.atim, parent.mtim, WASI_FSTFLAGS_ATIM | WASI_FSTFLAGS_MTIM);
	area_return(&area);
	return error;
}

u32 entries_open(struct way way, struct entries *entries)
{
	*entries = (struct entries){0};
	return open_at(way, WASI_OFLAGS_DIRECTORY, WASI_RIGHTS_FD_READ | WASI_RIGHTS_FD_READDIR, &entries->descriptor);
}

void entries_close(const struct entries *entries)
{
	native_fd_close(entries->descriptor);
}

static bool fill(struct entries *entries)
{
	if (entries->last)
		return false;
	entries->error = native_fd_readdir(entries->descriptor, AREA_BYTES, CHUNK, entries->cookie, AREA_ANSWER);
	if (entries->error)
		return false;
	user_copy_in(&entries->used, AREA_ANSWER, sizeof(entries->used));
	entries->at = 0;
	entries->last = entries->used < CHUNK;
	return entries->used;
}

bool entries_next(struct entries *entries, struct entry *entry)
{
	struct wasi_dirent head;
	for (;;) {
		u32 left = entries->used - entries->at;
		if (left >= sizeof(head)) {
			user_copy_in(&head, AREA_BYTES + entries->at, sizeof(head));
			if (head.name_length >= sizeof(entry->name)) {
				entries->error = WASI_NAMETOOLONG;
				return false;
			}
			if (left - sizeof(head) >= head.name_length)
				break;
		}
		if (!fill(entries))
			return false;
	}
	*entry = (struct entry){.inode = head.inode, .length = head.name_length, .filetype = head.filetype};
	user_copy_in(entry->name, AREA_BYTES + entries->at + (u32)sizeof(head), head.name_length);
	entries->at += (u32)sizeof(head) + head.name_length;
	entries->cookie = head.next;
	return true;
}

static bool is_dots(const struct entry *entry)
{
	return entry->length <= 2 && entry->name[0] == '.' && entry->name[entry->length - 1] == '.';
}

/* Whether the layer's directory at `path` shows something; `below` has room for a name after the path. */
static u32 empty_in(struct mounts *mounts, const struct mount *layer, char *below, u32 length)
{
	struct entries entries;
	struct entry entry;
	u32 error = entries_open(way_down(layer, below, length), &entries);
	if (error)
		return error == WASI_NOENT || error == WASI_NOTDIR ? (u32)WASI_SUCCESS : error;
	below[length] = '/';
	while (!error && entries_next(&entries, &entry)) {
		memcpy(below + length + 1, entry.name, entry.length);
		if (!is_dots(&entry) && !hidden_has(&mounts->hidden, below, length + 1 + entry.length))
			error = WASI_NOTEMPTY;
	}
	if (!error)
		error = entries.error;
	entries_close(&entries);
	return error;
}

u32 levels_empty(struct mounts *mounts, const char *path, u32 length)
{
	struct account *account = current_process()->pod->account;
	u32 size = length + 1 + (u32)sizeof(((struct entry *)0)->name), error = WASI_NOMEM;
	char *below = memory_allocate(account, size);
	struct area area;
	if (!below)
		return error;
	if (area_borrow(&area, AREA_PATH, AREA_END)) {
		error = WASI_SUCCESS;
		memcpy(below, path, length);
		for (u32 i = 0; i < mounts->count && !error; i++)
			if (mount_reaches(&mounts->list[i], path, length))
				error = empty_in(mounts, &mounts->list[i], below, length);
		area_return(&area);
	}
	memory_free(account, below, size);
	return error;
}

#include "pod_node/kernel/lookup.h"

#include "pod_node/kernel/overlay.h"

#define LINKS_MOST 40u /* Linux's MAXSYMLINKS */

bool link_is_marked(const char *text, u32 length)
{
	return length > LINK_MARK_LENGTH && memcmp(text, LINK_MARK, LINK_MARK_LENGTH) == 0 &&
	       text[LINK_MARK_LENGTH] == '/';
}

/* The path in the pod of the directory that a lookup begins at; -1 when it is not known. */
static i32 place_of(const struct file *file, const char **text)
{
	if (file->place) {
		*text = file->place->text;
		return (i32)file->place->length;
	}
	if (!file->is_mount)
		return -1;
	*text = file->mount->target;
	return (i32)file->mount->target_length;
}

static bool may_resolve_itself(const struct lookup *at)
{
	const struct mount *mount = at->from->mount;
	if (mount->covers || mount->flags & (MOUNT_PRIVATE | MOUNT_ENTRY | MOUNT_KERNEL))
		return false;
	if (mount->flags & MOUNT_LAYER && (mount->changed || mount->gone || mount->linked))
		return false;
	return !(at->how & LOOKUP_WRITE && mount->flags & MOUNT_READ_ONLY);
}

static void give_directly(struct lookup *at)
{
	at->direct = at->again = true;
	at->descriptor = at->from->host_descriptor;
	at->path = at->given;
	at->mount = at->from->mount;
}

/* Take the place and the given path together into `text`. */
static u32 gather(struct lookup *at, const char *place, u32 place_length)
{
	if (place_length + 1 + at->given.size >= PATH_SIZE)
		return WASI_NAMETOOLONG;
	if (!at->text)
		at->text = memory_allocate(current_process()->pod->account, PATH_SIZE);
	if (!at->text)
		return WASI_NOMEM;
	memcpy(at->text, place, place_length);
	at->text[place_length] = '/';
	user_copy_in(at->text + place_length + 1, at->given.at, at->given.size);
	at->length = place_length + 1 + at->given.size;
	at->absolute = at->given.size && at->text[place_length + 1] == '/';
	if (at->absolute) {
		at->length = at->given.size;
		__builtin_memmove(at->text, at->text + place_length + 1, at->length);
	}
	return WASI_SUCCESS;
}

/* A name of a path, with its slashes and dots before it. */
struct step {
	const char *name;
	u32 length;
	u32 end;   /* where the rest begins */
	bool last; /* nothing but slashes and dots comes after it */
};

static bool is_dots(const char *text, u32 length, u32 dots)
{
	return length == dots && text[0] == '.' && text[dots - 1] == '.';
}

/* Find the next name from `at` on; false when there is none. */
static bool next_step(const char *path, u32 length, u32 at, struct step *step)
{
	for (;;) {
		while (at < length && path[at] == '/')
			at++;
		if (at == length)
			return false;
		u32 end = at;
		while (end < length && path[end] != '/')
			end++;
		*step = (struct step){.name = path + at, .length = end - at, .end = end};
		if (!is_dots(step->name, step->length, 1))
			return true;
		at = end;
	}
}

static bool is_last(const char *path, u32 length, u32 at)
{
	struct step after;
	return !next_step(path, length, at, &after);
}

static bool goes_up(const char *path, u32 length)
{
	struct step step;
	u32 from = 0;
	while (next_step(path, length, from, &step)) {
		if (is_dots(step.name, step.length, 2))
			return true;
		from = step.end;
	}
	return false;
}

/* Bring `text` to nothing but names; `..` only where no link can be before it. */
static void scan(struct lookup *at)
{
	struct step step;
	u32 from = 0, to = 0;
	while (next_step(at->text, at->length, from, &step)) {
		from = step.end;
		if (is_dots(step.name, step.length, 2)) {
			while (to && at->text[--to] != '/')
				;
			continue;
		}
		at->text[to++] = '/';
		__builtin_memmove(at->text + to, step.name, step.length);
		to += step.length;
	}
	at->length = to;
}

static u32 make_scratch(struct lookup *at)
{
	if (!at->scratch)
		at->scratch = memory_allocate(current_process()->pod->account, sizeof(*at->scratch));
	return at->scratch ? WASI_SUCCESS : (u32)WASI_NOMEM;
}

u32 lookup_lend(struct lookup *at, const char *text, u32 length, bool slash)
{
	u32 error = make_scratch(at);
	if (error)
		return error;
	at->path = (struct span){loan_place(at->keep, at->keeps), length + slash};
	if (at->path.size > PATH_SIZE)
		return WASI_NAMETOOLONG;
	user_copy_in(at->scratch->saved, at->path.at, at->path.size);
	user_copy_out(at->path.at, text, length);
	if (slash)
		user_copy_out(at->path.at + length, "/", 1);
	at->lent = true;
	return WASI_SUCCESS;
}

static void unlend(struct lookup *at)
{
	if (at->lent)
		user_copy_out(at->path.at, at->scratch->saved, at->path.size);
	at->lent = false;
}

/* `text` names what is looked for: find its mount and give the rest to the engine. */
static u32 give(struct lookup *at, bool slash)
{
	u32 left = 0;
	struct mounts *mounts = current_process()->mounts;
	struct mount *mount = mounts_find(mounts, at->text, at->length, &left);
	if (!mount)
		return WASI_PERM; /* the pod has no root, and no mount is there */
	at->overlaid = false;
	if (mount == mounts->upper && overlay_shows(mounts, at->text, at->length)) {
		struct mount *layer = at->how & LOOKUP_WRITE ? NULL : overlay_unchanged(mounts, at->text, at->length);
		at->overlaid = !layer;
		at->slash = slash;
		left = layer ? MIN(at->length, layer->target_length + 1) : 0;
		mount = layer ? layer : mount;
	}
	at->mount = mount;
	at->descriptor = mount->host_descriptor;
	at->whole = !at->overlaid && at->length == mount->target_length;
	if (mount->flags & MOUNT_KERNEL || at->overlaid)
		return WASI_SUCCESS;
	if (mount->flags & MOUNT_ENTRY)
		return at->whole && !slash ? lookup_lend(at, mount->entry, mount->entry_length, false)
					   : (u32)WASI_NOTDIR;
	if (at->whole)
		return lookup_lend(at, ".", 1, false);
	return lookup_lend(at, at->text + left, at->length - left, slash);
}

static u32 stat_here(struct lookup *at, struct wasi_filestat *stat)
{
	u32 error = give(at, false);
	if (!error)
		error = at->overlaid ? overlay_stat(at->text, at->length, stat)
				     : loan_stat(at->descriptor, 0, at->path, stat);
	unlend(at);
	return error;
}

/* The text of a link goes before what is left of the path. */
static u32 follow(struct lookup *at, u32 *rest, u32 end)
{
	char *path = at->scratch->rest;
	u32 remaining = *rest - end, length;
	char *text = memory_allocate(current_process()->pod->account, 2 * PATH_SIZE);
	if (!text)
		return WASI_NOMEM;
	u32 error = give(at, false);
	if (!error && at->overlaid)
		error = overlay_give(at);
	if (!error)
		error = loan_readlink(at->descriptor, at->path, text, &length, text + PATH_SIZE);
	overlay_leave(at);
	unlend(at);
	const char *target = text;
	if (!error && at->mount->flags & MOUNT_PRIVATE && link_is_marked(text, length))
		target += LINK_MARK_LENGTH, length -= LINK_MARK_LENGTH;
	if (!error && (length == 0 || length + remaining >= 2 * PATH_SIZE))
		error = length ? WASI_NAMETOOLONG : WASI_NOENT;
	if (!error) {
		__builtin_memmove(path + length, path + end, remaining);
		memcpy(path, target, length);
		*rest = length + remaining;
		while (at->length && at->text[--at->length] != '/') /* the link's own name */
			;
		if (target[0] == '/')
			at->length = 0;
	}
	memory_free(current_process()->pod->account, text, 2 * PATH_SIZE);
	return error;
}

static bool is_way_to_mount(const struct lookup *at)
{
	u32 left;
	const struct mounts *mounts = current_process()->mounts;
	const struct mount *mount = mounts_find(current_process()->mounts, at->text, at->length, &left);
	return (mount && mount->target_length == at->length && !(mount->flags & MOUNT_ENTRY)) ||
	       (mount && mount->flags & MOUNT_KERNEL) || mounts_below(mounts, at->text, at->length);
}

enum found { FOUND_DIRECTORY, FOUND_OTHER, FOUND_LINK, FOUND_NOTHING };

static u32 look(struct lookup *at, enum found *found)
{
	struct wasi_filestat stat;
	*found = FOUND_DIRECTORY;
	if (is_way_to_mount(at))
		return WASI_SUCCESS;
	u32 error = stat_here(at, &stat);
	if (error == WASI_NOENT) {
		*found = FOUND_NOTHING;
		return WASI_SUCCESS;
	}
	if (!error && stat.filetype != WASI_FILETYPE_DIRECTORY)
		*found = stat.filetype == WASI_FILETYPE_SYMBOLIC_LINK ? FOUND_LINK : FOUND_OTHER;
	return error;
}

static u32 push(struct lookup *at, const struct step *step)
{
	if (at->length + 1 + step->length >= PATH_SIZE)
		return WASI_NAMETOOLONG;
	at->text[at->length++] = '/';
	memcpy(at->text + at->length, step->name, step->length);
	at->length += step->length;
	return WASI_SUCCESS;
}

/* Go through the names of scratch->rest, of which `length` characters are left, and give what is found. */
static u32 walk_names(struct lookup *at, u32 length)
{
	char *rest = at->scratch->rest;
	struct step step;
	u32 position = 0, links = 0;
	bool slash = false;
	while (next_step(rest, length, position, &step)) {
		position = step.end;
		if (is_dots(step.name, step.length, 2)) {
			while (at->length && at->text[--at->length] != '/')
				;
			continue;
		}
		u32 error = push(at, &step);
		if (error)
			return error;
		enum found found;
		bool last = is_last(rest, length, position);
		slash = last && position < length; /* what comes after it wants a directory */
		error = look(at, &found);
		if (error)
			return error;
		if (found == FOUND_LINK && (!last || slash || at->how & LOOKUP_FOLLOW)) {
			if (++links > LINKS_MOST)
				return WASI_LOOP;
			error = follow(at, &length, position);
			if (error)
				return error;
			position = 0;
		} else if (found == FOUND_NOTHING && !last) {
			return WASI_NOENT;
		} else if (found == FOUND_OTHER && (!last || slash)) {
			return WASI_NOTDIR;
		}
	}
	return give(at, slash && at->length);
}

static u32 walk(struct lookup *at)
{
	u32 error = make_scratch(at);
	if (error)
		return error;
	u32 length = at->length;
	memcpy(at->scratch->rest, at->text, length);
	at->length = 0;
	return walk_names(at, length);
}

/* Answer for what was never put into a private mount's first directory. */
static bool is_absent(const struct lookup *at)
{
	u32 left = MIN(at->length, at->mount->target_length + 1), rest = at->length - left;
	const char *path = at->text + left;
	if (!(at->mount->flags & MOUNT_PRIVATE) || at->whole)
		return false;
	bool deeper = false;
	for (u32 i = 0; i < rest && !deeper; i++)
		deeper = path[i] == '/';
	if (at->how & LOOKUP_APPEAR && !deeper)
		mount_add_name(at->mount, path, rest);
	return !mount_may_have(at->mount, path, rest);
}

/* What the kernel answers by itself. */
static u32 check(struct lookup *at)
{
	u32 how = at->how;
	struct wasi_filestat stat;
	if (is_absent(at))
		return WASI_NOENT;
	if (at->mount->flags & MOUNT_KERNEL)
		return how & LOOKUP_CHANGE ? (u32)WASI_ROFS : (u32)WASI_SUCCESS;
	if (at->whole && how & LOOKUP_CREATE)
		return WASI_EXIST;
	if (how & LOOKUP_REMOVE && (at->whole || mounts_below(current_process()->mounts, at->text, at->length)))
		return WASI_BUSY;
	if (!(how & LOOKUP_WRITE) || !(at->mount->flags & MOUNT_READ_ONLY))
		return WASI_SUCCESS;
	if (how & LOOKUP_CREATE && loan_stat(at->descriptor, 0, at->path, &stat) == WASI_SUCCESS)
		return WASI_EXIST;
	return WASI_ROFS;
}

/* The path stays in its mount: it can be given as it is, and goes on to mean the same when directories are renamed. */
static void give_as_it_is(struct lookup *at)
{
	at->descriptor = at->from->host_descriptor;
	at->path = at->given;
	at->mount = at->from->mount;
	at->whole = at->length == at->mount->target_length;
}

static bool is_linked(const struct mount *mount)
{
	return mount && atomic_load_explicit(&mount->linked, memory_order_relaxed);
}

/* Layers may have a part in what `text` names. */
static bool is_in_union(const struct lookup *at, const struct mount *mount)
{
	struct mounts *mounts = current_process()->mounts;
	return mount == mounts->upper && overlay_shows(mounts, at->text, at->length);
}

static u32 resolve(struct lookup *at)
{
	const char *place;
	i32 length = place_of(at->from, &place);
	if (length < 0) {
		give_directly(at);
		return WASI_SUCCESS;
	}
	if (at->given.size == 0)
		return WASI_NOENT;
	u32 error = gather(at, place, (u32)length), left;
	if (error)
		return error;
	if (is_linked(at->from->mount) || at->absolute || goes_up(at->text, at->length)) {
		error = walk(at);
		return error ? error : check(at);
	}
	bool slash = at->text[at->length - 1] == '/';
	scan(at);
	const struct mount *mount = mounts_find(current_process()->mounts, at->text, at->length, &left);
	if (mount == at->from->mount && (at->from->pure || !is_in_union(at, mount)))
		give_as_it_is(at);
	else
		error = is_linked(mount) ? walk(at) : give(at, slash);
	/* links that somebody else made may lead out of it */
	at->again = !error && mount != at->from->mount && !(mount->flags & MOUNT_PRIVATE);
	return error ? error : check(at);
}

u32 lookup_begin(struct lookup *at, u32 fd, struct span path, u32 how)
{
	struct file *file = descriptor_get(&current_process()->descriptors, fd);
	at->fd = fd;
	at->from = file;
	at->given = path;
	at->how = how;
	if (!file)
		return WASI_BADF;
	if (file_is_kernel_directory(file)) {
		at->path = path;
		return WASI_SUCCESS;
	}
	if (file->kind != FILE_HOST)
		return WASI_NOTDIR;
	if (!file->mount || may_resolve_itself(at)) {
		give_directly(at);
		return WASI_SUCCESS;
	}
	if (path.size >= PATH_SIZE)
		return WASI_NAMETOOLONG;
	if (!user_range_ok(path.at, path.size) || !loan_possible())
		return WASI_FAULT;
	return resolve(at);
}

u32 lookup_place_again(struct lookup *at, const struct place *place, u32 how)
{
	at->how = how | LOOKUP_FOLLOW;
	at->text = memory_allocate(current_process()->pod->account, PATH_SIZE);
	if (!at->text)
		return WASI_NOMEM;
	at->length = place->length;
	memcpy(at->text, place->text, place->length);
	u32 error = walk(at);
	return error ? error : check(at);
}

bool lookup_again(struct lookup *at, u32 *error)
{
	const char *place;
	i32 length;
	if (!at->again || (*error != WASI_PERM && *error != WASI_NOTCAPABLE) || at->given.size >= PATH_SIZE ||
	    !at->from->mount || !loan_possible() || (length = place_of(at->from, &place)) < 0)
		return false;
	at->direct = at->again = false;
	unlend(at);
	u32 refusal = gather(at, place, (u32)length);
	if (!refusal)
		refusal = walk(at);
	if (!refusal)
		refusal = check(at);
	if (refusal)
		*error = refusal;
	return !refusal;
}

u32 lookup_end(struct lookup *at, u32 error)
{
	struct account *account = current_process()->pod->account;
	overlay_leave(at);
	unlend(at);
	if (at->text)
		memory_free(account, at->text, PATH_SIZE);
	if (at->scratch)
		memory_free(account, at->scratch, sizeof(*at->scratch));
	return error;
}

/* In a layer without links a path that the engine resolved can be told as it is from the root. */
static bool settle(struct lookup *at)
{
	const char *start;
	i32 length = place_of(at->from, &start);
	if (length < 0 || gather(at, start, (u32)length) != WASI_SUCCESS)
		return false;
	scan(at);
	return true;
}

struct place *lookup_place(struct lookup *at)
{
	bool settled = at->direct && at->mount->flags & MOUNT_LAYER;
	if (settled && !settle(at))
		return NULL;
	const char *start = at->text;
	i32 length = (i32)at->length;
	u32 extra = 0;
	if (at->direct && !settled) {
		length = place_of(at->from, &start);
		extra = at->given.size + 1;
	}
	if (length < 0 || (u32)length + extra >= PATH_SIZE)
		return NULL;
	struct account *account = current_process()->pod->account;
	struct place *place = memory_allocate(account, (u32)sizeof(*place) + (u32)length + extra);
	if (!place)
		return NULL;
	place->references = 1;
	place->length = (u32)length + extra;
	memcpy(place->text, start, (u32)length);
	if (extra) {
		place->text[length] = '/';
		user_copy_in(place->text + length + 1, at->given.at, at->given.size);
	}
	return place;
}

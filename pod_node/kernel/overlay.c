#include "pod_node/kernel/overlay.h"

#include "pod_node/kernel/counted.h"
#include "pod_node/kernel/levels.h"
#include "pod_node/kernel/native.h"

static struct mounts *union_of(void)
{
	return current_process()->mounts;
}

static u32 layers_at(const struct mounts *mounts, const char *path, u32 length, struct mount **first)
{
	u32 count = 0;
	for (u32 i = 0; i < mounts->count; i++) {
		const struct mount *layer = &mounts->list[i];
		if (mount_reaches(layer, path, length) && count++ == 0)
			*first = (struct mount *)layer;
	}
	return count;
}

bool overlay_shows(struct mounts *mounts, const char *path, u32 length)
{
	struct mount *first;
	return layers_at(mounts, path, length, &first) && !hidden_has(&mounts->hidden, path, length);
}

struct mount *overlay_unchanged(struct mounts *mounts, const char *path, u32 length)
{
	struct mount *first;
	return layers_at(mounts, path, length, &first) == 1 && !first->changed ? first : NULL;
}

static void enter(struct lookup *at)
{
	lock_acquire(&union_of()->busy);
	at->locked = true;
}

void overlay_leave(struct lookup *at)
{
	if (at->locked)
		lock_release(&union_of()->busy);
	at->locked = false;
}

static u32 look(const struct lookup *at, struct sight *sight)
{
	return levels_look(union_of(), at->text, at->length, sight);
}

static u32 give(struct lookup *at, struct mount *mount, struct way way)
{
	at->mount = mount;
	at->descriptor = way.descriptor;
	return lookup_lend(at, way.path, way.length, false);
}

static u32 give_up(struct lookup *at)
{
	struct mounts *mounts = union_of();
	return give(at, mounts->upper, way_up(mounts, at->text, at->length));
}

/* What is seen. */
static u32 give_top(struct lookup *at, const struct sight *sight)
{
	at->pure = is_directory(&sight->upper) && !is_there(&sight->lower);
	if (is_there(&sight->upper))
		return give_up(at);
	return give(at, sight->layer, way_down(sight->layer, at->text, at->length));
}

u32 overlay_stat(const char *path, u32 length, struct wasi_filestat *stat)
{
	struct mounts *mounts = union_of();
	struct sight sight;
	lock_acquire(&mounts->busy);
	u32 error = levels_look(mounts, path, length, &sight);
	lock_release(&mounts->busy);
	if (error)
		return error;
	*stat = *sight_top(&sight);
	return is_there(stat) ? WASI_SUCCESS : WASI_NOENT;
}

/* Look at what has to be there; NOTDIR when its name ends with a slash and it is no directory. */
static u32 look_at_top(const struct lookup *at, struct sight *sight)
{
	u32 error = look(at, sight);
	if (error)
		return error;
	if (!is_there(sight_top(sight)))
		return WASI_NOENT;
	return at->slash && !is_directory(sight_top(sight)) ? WASI_NOTDIR : WASI_SUCCESS;
}

u32 overlay_give(struct lookup *at)
{
	struct sight sight;
	enter(at);
	u32 error = look_at_top(at, &sight);
	return error ? error : give_top(at, &sight);
}

u32 overlay_give_again(struct lookup *at, struct mount *layer)
{
	bool given = !at->overlaid && at->mount == layer;
	at->overlaid = false;
	return given ? WASI_SUCCESS : give(at, layer, way_down(layer, at->text, at->length));
}

/* Make room for a name that is not there. */
static u32 prepare_name(const struct lookup *at)
{
	mounts_changed(union_of(), at->text, at->length);
	return levels_raise_around(union_of(), at->text, at->length);
}

static u32 make_name(struct lookup *at)
{
	struct sight sight;
	u32 error = look(at, &sight);
	if (!error && is_there(sight_top(&sight)))
		error = WASI_EXIST;
	if (!error)
		error = prepare_name(at);
	return error;
}

u32 overlay_make(struct lookup *at)
{
	enter(at);
	u32 error = make_name(at);
	return error ? error : give_up(at);
}

static u32 raise_itself(const struct lookup *at, const struct sight *sight, bool content)
{
	if (is_there(&sight->upper))
		return WASI_SUCCESS;
	return levels_copy_up(union_of(), at->text, at->length, sight, content);
}

u32 overlay_change(struct lookup *at)
{
	struct sight sight;
	enter(at);
	u32 error = look_at_top(at, &sight);
	if (!error)
		error = raise_itself(at, &sight, true);
	return error ? error : give_up(at);
}

static u32 open_new(struct lookup *at, u32 open)
{
	if (!(open & WASI_OFLAGS_CREAT))
		return WASI_NOENT;
	u32 error = prepare_name(at);
	return error ? error : give_up(at);
}

static u32 open_seen(struct lookup *at, u32 *open, u64 *rights, const struct sight *sight)
{
	const struct wasi_filestat *top = sight_top(sight);
	u32 flags = *open;
	bool writes = *rights & WASI_RIGHTS_FD_WRITE || flags & WASI_OFLAGS_TRUNC,
	     whole = flags & WASI_OFLAGS_DIRECTORY;
	if (flags & WASI_OFLAGS_CREAT && flags & WASI_OFLAGS_EXCL)
		return WASI_EXIST;
	if (at->slash && !is_directory(top))
		return WASI_NOTDIR;
	if (is_directory(top) && !whole && (writes || flags & WASI_OFLAGS_CREAT))
		return WASI_ISDIR;
	if (!is_there(&sight->upper) && (!writes || whole || top->filetype != WASI_FILETYPE_REGULAR_FILE)) {
		*rights &= ~(u64)WASI_RIGHTS_FD_WRITE;
		*open &= ~(u32)WASI_OFLAGS_CREAT;
		return give_top(at, sight);
	}
	at->pure = is_directory(&sight->upper) && !is_there(&sight->lower);
	u32 error = raise_itself(at, sight, !(flags & WASI_OFLAGS_TRUNC));
	return error ? error : give_up(at);
}

u32 overlay_open(struct lookup *at, u32 *open, u64 *rights)
{
	struct sight sight;
	enter(at);
	u32 error = look(at, &sight);
	if (!error && at->slash && *open & WASI_OFLAGS_CREAT)
		error = WASI_ISDIR;
	if (error)
		return error;
	return is_there(sight_top(&sight)) ? open_seen(at, open, rights, &sight) : open_new(at, *open);
}

/* Prepare for the layers' part of `at` to be hidden, if they have one. */
static u32 prepare_hiding(const struct lookup *at, const struct sight *sight, struct hidden_path **hiding)
{
	*hiding = NULL;
	if (!is_there(&sight->lower))
		return WASI_SUCCESS;
	u32 error = prepare_name(at);
	if (error)
		return error;
	*hiding = hidden_make(&union_of()->hidden, at->text, at->length);
	return *hiding ? WASI_SUCCESS : WASI_NOMEM;
}

/* Hide it, if the call has succeeded. */
static void hide(const struct lookup *at, const struct sight *sight, struct hidden_path *hiding, u32 error)
{
	struct mounts *mounts = union_of();
	if (error || !hiding) {
		hidden_drop(&mounts->hidden, hiding);
		return;
	}
	hidden_put(&mounts->hidden, hiding, is_directory(&sight->lower));
	mounts_layers_gone(mounts, at->text, at->length);
	if (!is_there(&sight->upper))
		levels_date_around(mounts, at->text, at->length);
}

/* Take the name away from both parts; `remove` does that in the upper. */
static u32 remove_name(struct lookup *at, const struct sight *sight, u32 (*remove)(struct lookup *at))
{
	struct hidden_path *hiding;
	u32 error = prepare_hiding(at, sight, &hiding);
	if (!error && is_there(&sight->upper))
		error = give_up(at);
	if (!error && is_there(&sight->upper))
		error = remove(at);
	hide(at, sight, hiding, error);
	return error;
}

u32 overlay_unlink(struct lookup *at)
{
	struct sight sight;
	enter(at);
	u32 error = look_at_top(at, &sight);
	if (error)
		return error;
	if (is_directory(sight_top(&sight)))
		return WASI_ISDIR;
	return remove_name(at, &sight, counted_unlink);
}

u32 overlay_remove_directory(struct lookup *at)
{
	struct sight sight;
	enter(at);
	u32 error = look_at_top(at, &sight);
	if (error)
		return error;
	if (!is_directory(sight_top(&sight)))
		return WASI_NOTDIR;
	if (is_directory(&sight.lower))
		error = levels_empty(union_of(), at->text, at->length);
	return error ? error : remove_name(at, &sight, counted_remove_directory);
}

/* One of a pair; what is not overlaid is all in the upper. */
static u32 look_at_one(const struct lookup *at, struct sight *sight)
{
	if (at->overlaid)
		return look(at, sight);
	memset(sight, 0, sizeof(*sight));
	u32 error = loan_stat(at->descriptor, 0, at->path, &sight->upper);
	return error == WASI_NOENT ? (u32)WASI_SUCCESS : error;
}

/* Whether one path is above another. */
static bool is_around(const struct lookup *outer, const struct lookup *inner)
{
	return outer->overlaid && inner->overlaid && outer->length < inner->length &&
	       inner->text[outer->length] == '/' && memcmp(outer->text, inner->text, outer->length) == 0;
}

/* Whether `from` may get the name that `to` is. */
static u32 may_rename(const struct lookup *from, const struct sight *from_sight, const struct lookup *to,
		      const struct sight *to_sight)
{
	const struct wasi_filestat *moved = sight_top(from_sight), *replaced = sight_top(to_sight);
	if (!is_there(moved))
		return WASI_NOENT;
	if (to->slash && !is_directory(moved))
		return WASI_NOTDIR;
	if (is_around(from, to))
		return WASI_INVAL;
	if (is_around(to, from))
		return WASI_NOTEMPTY;
	if (is_directory(&from_sight->lower))
		return WASI_XDEV;
	if (!is_there(replaced))
		return WASI_SUCCESS;
	if (is_directory(moved) != is_directory(replaced))
		return is_directory(moved) ? WASI_NOTDIR : WASI_ISDIR;
	return is_directory(&to_sight->lower) ? levels_empty(union_of(), to->text, to->length) : (u32)WASI_SUCCESS;
}

/* Both paths are given to the engine, neither over the other. */
static u32 give_pair(struct lookup *from, struct lookup *to)
{
	u32 error = from->overlaid ? give_up(from) : (u32)WASI_SUCCESS;
	to->keep[0] = from->path;
	if (!error && to->overlaid)
		error = give_up(to);
	return error;
}

static bool is_same(const struct lookup *from, const struct lookup *to)
{
	return from->overlaid && to->overlaid && from->length == to->length &&
	       memcmp(from->text, to->text, from->length) == 0;
}

/* What a rename leaves behind and what it replaces. */
struct hidings {
	struct hidden_path *from, *to;
};

static u32 prepare_rename(struct lookup *from, const struct sight *from_sight, struct lookup *to,
			  const struct sight *to_sight, struct hidings *hidings)
{
	u32 error = WASI_SUCCESS;
	if (from->overlaid)
		error = raise_itself(from, from_sight, true);
	if (!error && from->overlaid)
		error = prepare_hiding(from, from_sight, &hidings->from);
	if (!error && to->overlaid)
		error = prepare_name(to);
	if (!error && is_directory(&to_sight->lower)) /* what comes there is not to be seen as one with it */
		error = prepare_hiding(to, to_sight, &hidings->to);
	return error ? error : give_pair(from, to);
}

u32 overlay_rename(struct lookup *from, struct lookup *to)
{
	struct sight from_sight, to_sight;
	struct hidings hidings = {0};
	enter(from);
	u32 error = look_at_one(from, &from_sight);
	if (!error && from->slash && !is_directory(sight_top(&from_sight)))
		error = is_there(sight_top(&from_sight)) ? WASI_NOTDIR : WASI_NOENT;
	if (!error)
		error = look_at_one(to, &to_sight);
	if (!error && is_same(from, to))
		return is_there(sight_top(&from_sight)) ? WASI_SUCCESS : WASI_NOENT;
	if (!error)
		error = may_rename(from, &from_sight, to, &to_sight);
	if (error)
		return error;
	error = prepare_rename(from, &from_sight, to, &to_sight, &hidings);
	if (!error)
		error = counted_rename(from, to);
	hide(from, &from_sight, hidings.from, error);
	hide(to, &to_sight, hidings.to, error);
	return error;
}

/* A name for a link that is not there yet. */
static u32 make_link_name(struct lookup *to)
{
	struct sight sight;
	if (to->overlaid)
		return make_name(to);
	u32 error = look_at_one(to, &sight);
	return !error && is_there(&sight.upper) ? (u32)WASI_EXIST : error;
}

u32 overlay_begin_link(struct lookup *from, struct lookup *to)
{
	struct sight sight;
	enter(from);
	u32 error = from->overlaid ? look_at_top(from, &sight) : look_at_one(from, &sight);
	if (!error && !is_there(sight_top(&sight)))
		error = WASI_NOENT;
	if (!error)
		error = make_link_name(to);
	if (!error && is_directory(sight_top(&sight)))
		error = WASI_PERM;
	if (!error && from->overlaid)
		error = raise_itself(from, &sight, true);
	return error ? error : give_pair(from, to);
}

u32 overlay_set_times(const struct file *file, u64 atim, u64 mtim, u32 times)
{
	struct mounts *mounts = union_of();
	const struct place *place = file->place;
	struct sight sight;
	lock_acquire(&mounts->busy);
	u32 error = levels_look(mounts, place->text, place->length, &sight);
	if (!error && !is_there(&sight.upper))
		error = is_there(&sight.lower) ? levels_copy_up(mounts, place->text, place->length, &sight, true)
					       : (u32)WASI_ROFS; /* it has no name any more */
	if (!error)
		error = levels_set_times(way_up(mounts, place->text, place->length), atim, mtim, times);
	lock_release(&mounts->busy);
	return error;
}

/* The upper and the lower of a union, each by itself: questions and changes at paths of the pod, which are not followed.
 *
 * All of it borrows guest memory (loan.h), and what changes something wants `mounts->busy`. WASI errnos.
 */
#ifndef PODNET_KERNEL_LEVELS_H
#define PODNET_KERNEL_LEVELS_H

#include "pod_node/kernel/loan.h"

/* What a path is to the engine: beneath which folder. */
struct way {
	u32 descriptor;
	const char *path;
	u32 length;
};

struct way way_up(const struct mounts *mounts, const char *path, u32 length);
struct way way_down(const struct mount *layer, const char *path, u32 length);

/* What there is at a path; of no type where there is nothing. */
struct sight {
	struct wasi_filestat upper, lower;
	struct mount *layer; /* that `lower` is in */
};

/* Nothing at all is a success, too; not so a way over what is no directory. */
u32 levels_look(struct mounts *mounts, const char *path, u32 length, struct sight *sight);

static inline bool is_there(const struct wasi_filestat *stat)
{
	return stat->filetype != WASI_FILETYPE_UNKNOWN;
}

static inline bool is_directory(const struct wasi_filestat *stat)
{
	return stat->filetype == WASI_FILETYPE_DIRECTORY;
}

/* What is seen of it. */
static inline const struct wasi_filestat *sight_top(const struct sight *sight)
{
	return is_there(&sight->upper) ? &sight->upper : &sight->lower;
}

/* Have the directories around `path` in the upper as well. NOENT and NOTDIR when they are in neither. */
u32 levels_raise_around(struct mounts *mounts, const char *path, u32 length);
/* Copy what is only in a layer up, with its times; without its content when that is not wanted. */
u32 levels_copy_up(struct mounts *mounts, const char *path, u32 length, const struct sight *sight, bool content);
/* NOTEMPTY when a layer shows something below the directory at `path`. */
u32 levels_empty(struct mounts *mounts, const char *path, u32 length);
/* The upper directory around `path` has changed, although nothing in the upper has. */
void levels_date_around(const struct mounts *mounts, const char *path, u32 length);
u32 levels_set_times(struct way way, u64 atim, u64 mtim, u32 times);

/* A directory's entries as the engine has them. AREA_ANSWER and AREA_BYTES must be borrowed. */
struct entries {
	u32 descriptor;
	u32 at, used; /* in AREA_BYTES */
	u64 cookie; /* of what comes after it */
	bool last;
	u32 error;
};
struct entry {
	u64 inode;
	u32 length;
	u8 filetype;
	char name[256];
};
u32 entries_open(struct way way, struct entries *entries);
/* False at the end, or when `error` says why not. */
bool entries_next(struct entries *entries, struct entry *entry);
void entries_close(const struct entries *entries);

#endif

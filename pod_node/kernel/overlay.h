/* The union of a pod's root and the layers of its image: one tree, of which the root is the upper part.
 *
 * What the root has at a path is seen; where it has nothing, what the first layer has that reaches there, unless that is
 * hidden (hidden.h). Directories of both are seen as one. Nothing is ever written to a layer: a file is copied up into
 * the root before it is changed, with its directories, and what is removed is hidden. Semantics are overlayfs's, with its
 * defaults: a directory that a layer has a part in cannot be renamed (EXDEV), and who has a file open to read goes on
 * reading what it was.
 *
 * A layer that nothing lies over yet takes none of this: lookups lead to its own folder at once (lookup.c). After that
 * calls on paths that a layer reaches hold `mounts->busy` from their look at both until the engine has done the rest, as
 * calls that change a disk do with its `busy`, which comes after it. Both are held while a file is copied up, so that
 * nobody sees half of one; whoever is killed does not finish that.
 */
#ifndef PODNET_KERNEL_OVERLAY_H
#define PODNET_KERNEL_OVERLAY_H

#include "pod_node/kernel/lookup.h"

/* Whether a layer may have a part in what is at `path`. */
bool overlay_shows(struct mounts *mounts, const char *path, u32 length);
/* The only layer that reaches there, if nothing lies over it; NULL otherwise. */
struct mount *overlay_unchanged(struct mounts *mounts, const char *path, u32 length);

/* What is at a path, not followed. */
u32 overlay_stat(const char *path, u32 length, struct wasi_filestat *stat);

/* Prepare a call for a lookup that is `overlaid`: afterwards descriptor, path and mount say what to give to the engine.
 * The union's lock is held until `overlay_leave`, which `lookup_end` does. */

/* To read what is there. */
u32 overlay_give(struct lookup *at);
/* To open once more what was opened in a layer, whatever is over it by now; without the lock. */
u32 overlay_give_again(struct lookup *at, struct mount *layer);
/* For `path_open` with these flags and rights. From them is taken what the engine grants nobody in a layer and what is not
 * needed for what was found there: to make a file, and to write, as directories may be opened. */
u32 overlay_open(struct lookup *at, u32 *open, u64 *rights);
/* For a name that must not be there yet. */
u32 overlay_make(struct lookup *at);
/* To change what is there without replacing it. */
u32 overlay_change(struct lookup *at);
void overlay_leave(struct lookup *at);

/* Whole calls. One of a pair may be no part of the union. */
u32 overlay_unlink(struct lookup *at);
u32 overlay_remove_directory(struct lookup *at);
u32 overlay_rename(struct lookup *from, struct lookup *to);
u32 overlay_begin_link(struct lookup *from, struct lookup *to);

/* futimens of a file that was opened in a layer. */
u32 overlay_set_times(const struct file *file, u64 atim, u64 mtim, u32 times);

#endif

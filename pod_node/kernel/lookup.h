/* From a directory's descriptor and a path to what the engine is to be given.
 *
 * Three ways, from the quickest:
 *   direct   a mount that nothing is mounted below, an unchanged layer too: the engine resolves the path beneath that directory, and refuses
 *            (EPERM) what leads out of it; only then the kernel looks at the path at all.
 *   scanned  no symbolic link can be in the way and the path has no `..`: it names its mount by its words.
 *   walked   name by name from the root of the pod, following links, each into whatever mount it leads to.
 * In all of them the engine has the last word: it opens nothing outside of the directory of a mount, so a mistake here, or
 * a race between two processes of a pod, leads to the wrong file of the same pod and never out of it.
 */
#ifndef PODNET_KERNEL_LOOKUP_H
#define PODNET_KERNEL_LOOKUP_H

#include "pod_node/kernel/loan.h"

enum lookup_how {
	LOOKUP_FOLLOW = 1, /* a symbolic link at the end of the path */
	LOOKUP_WRITE = 2,  /* not on a read-only mount */
	LOOKUP_CREATE = 4, /* what must not be there yet */
	LOOKUP_REMOVE = 8, /* takes a name away */
	LOOKUP_CHANGE = 16, /* of the tree itself, as nobody can in /net */
	LOOKUP_APPEAR = 32, /* may be there afterwards */
};

struct scratch {
	char rest[2 * PATH_SIZE]; /* what is still to be walked */
	u8 saved[PATH_SIZE];      /* what was where the path is lent to */
};

struct lookup {
	/* What to give to the engine. */
	u32 descriptor;
	struct span path;
	struct mount *mount; /* NULL in /net */
	bool whole;          /* the path is the mount's target */
	bool overlaid; /* layers may show through at `text`: nothing of the above is set before a call of overlay.h */
	bool pure; /* a directory that no layer has a part in */
	bool slash; /* overlaid: only a directory will do */
	bool locked; /* holds the union's lock */

	u32 fd;
	struct file *from;
	struct span given;
	u32 how;
	bool direct;
	bool again; /* what the engine refuses may be a link into another mount */
	bool absolute;
	bool lent;
	u32 length; /* of `text` */
	char *text; /* the path in the pod, nothing but names; not when direct */
	struct scratch *scratch;
	struct span keep[LOAN_SPANS]; /* guest memory that the engine is given beside this path */
	u32 keeps;
};

/* A WASI errno. What is given to the engine beside this path, up to two spans, is put into `keep` before. `lookup_end` in
 * any case. */
u32 lookup_begin(struct lookup *at, u32 fd, struct span path, u32 how);
/* The engine has answered `*error`: whether to ask it once more, since the path leads into another mount. When that is
 * refused, `*error` says why. */
bool lookup_again(struct lookup *at, u32 *error);
u32 lookup_end(struct lookup *at, u32 error);

static inline void lookup_keep(struct lookup *at, uaddr start, u32 size)
{
	at->keep[at->keeps++] = (struct span){start, size};
}

/* Put a path of the kernel's into the guest's memory as `at->path`, until `lookup_end`. */
u32 lookup_lend(struct lookup *at, const char *text, u32 length, bool slash);

/* The same for what was opened at `place` before, perhaps by another process of the pod. */
u32 lookup_place_again(struct lookup *at, const struct place *place, u32 how);

/* The path in the pod of what was found; NULL when it is not known. */
struct place *lookup_place(struct lookup *at);

/* An absolute link cannot be stored by the engine: on private mounts its text begins with this. */
#define LINK_MARK ".pod-root"
#define LINK_MARK_LENGTH ((u32)sizeof(LINK_MARK) - 1)
bool link_is_marked(const char *text, u32 length);

#endif

/* Guest memory that the kernel borrows for the length of one call of the engine's.
 *
 * The engine takes paths from the memory of the guest and puts answers there. Where the kernel has a path of its own,
 * or wants an answer for itself, it saves what is in a piece of the guest's first page, uses that, and puts it back; the
 * memory's only other user is the guest's thread, which is waiting here. So whoever calls these has seen that the
 * guest owns the first page (`loan_possible`), which is the least memory but none that there is.
 */
#ifndef PODNET_KERNEL_LOAN_H
#define PODNET_KERNEL_LOAN_H

#include "pod_node/kernel/wasi.h"

/* A part of the guest's memory, of at most PATH_SIZE bytes. */
struct span {
	uaddr at;
	u32 size;
};

static inline bool loan_possible(void)
{
	return user_range_ok(0, 1u << 16);
}

/* Where PATH_SIZE bytes may be borrowed that are no part of `spans`, of which there are up to LOAN_SPANS. */
#define LOAN_SPANS 3u
uaddr loan_place(const struct span *spans, u32 count);

/* Questions of the kernel's own; the path is in the guest's memory. WASI errnos. */
u32 loan_stat(u32 descriptor, u32 flags, struct span path, struct wasi_filestat *stat);
u32 loan_stat_open(u32 descriptor, struct wasi_filestat *stat);
u32 loan_fdstat(u32 descriptor, struct wasi_fdstat *fdstat);
u32 loan_position(u32 descriptor, u64 *position);
/* A link's text, which is not terminated. */
u32 loan_readlink(u32 descriptor, struct span path, char text[PATH_SIZE], u32 *length, void *saved);

/* A larger piece of the first page, for several calls of the engine in a row; nothing else is borrowed meanwhile, and
 * spans of the guest's may be in it. */
enum loan_area {
	AREA_PATH = 4096,    /* PATH_SIZE bytes each */
	AREA_OTHER = 8192,
	AREA_ANSWER = 12288, /* a little less */
	AREA_SMALL_END = AREA_ANSWER + 256,
	AREA_BYTES = 16384,
	AREA_END = AREA_BYTES + (32 << 10),
};

struct area {
	u8 *saved;
	u32 from, end;
};
/* From AREA_PATH, or from AREA_BYTES, up to `end`; false when the pod's account is exhausted. */
bool area_borrow(struct area *area, u32 from, u32 end);
void area_return(struct area *area);

#endif

#include "pod_node/kernel/loan.h"

#include "pod_node/kernel/native.h"

/* With gaps between them, so that a span reaches into one of them at most. */
#define PLACES (LOAN_SPANS + 1)
#define PLACE_FIRST 4096u
#define PLACE_STRIDE 8192u

uaddr loan_place(const struct span *spans, u32 count)
{
	uaddr place = PLACE_FIRST;
	for (u32 i = 0; i < PLACES; i++, place += PLACE_STRIDE) {
		u32 free = 0;
		while (free < count &&
		       (spans[free].at >= place + PATH_SIZE || (u64)spans[free].at + spans[free].size <= place))
			free++;
		if (free == count)
			break;
	}
	return place;
}

u32 loan_stat(u32 descriptor, u32 flags, struct span path, struct wasi_filestat *stat)
{
	struct wasi_filestat saved;
	uaddr at = loan_place(&path, 1);
	user_copy_in(&saved, at, sizeof(saved));
	memset(stat, 0, sizeof(*stat));
	u32 error = native_path_filestat_get(descriptor, flags, path.at, path.size, at);
	if (!error)
		user_copy_in(stat, at, sizeof(*stat));
	user_copy_out(at, &saved, sizeof(saved));
	return error;
}

u32 loan_stat_open(u32 descriptor, struct wasi_filestat *stat)
{
	struct wasi_filestat saved;
	user_copy_in(&saved, PLACE_FIRST, sizeof(saved));
	memset(stat, 0, sizeof(*stat));
	u32 error = native_fd_filestat_get(descriptor, PLACE_FIRST);
	if (!error)
		user_copy_in(stat, PLACE_FIRST, sizeof(*stat));
	user_copy_out(PLACE_FIRST, &saved, sizeof(saved));
	return error;
}

u32 loan_fdstat(u32 descriptor, struct wasi_fdstat *fdstat)
{
	struct wasi_fdstat saved;
	user_copy_in(&saved, PLACE_FIRST, sizeof(saved));
	memset(fdstat, 0, sizeof(*fdstat));
	u32 error = native_fd_fdstat_get(descriptor, PLACE_FIRST);
	if (!error)
		user_copy_in(fdstat, PLACE_FIRST, sizeof(*fdstat));
	user_copy_out(PLACE_FIRST, &saved, sizeof(saved));
	return error;
}

u32 loan_position(u32 descriptor, u64 *position)
{
	u64 saved;
	user_copy_in(&saved, PLACE_FIRST, sizeof(saved));
	u32 error = native_fd_tell(descriptor, PLACE_FIRST);
	user_copy_in(position, PLACE_FIRST, sizeof(*position));
	user_copy_out(PLACE_FIRST, &saved, sizeof(saved));
	return error;
}

u32 loan_readlink(u32 descriptor, struct span path, char text[PATH_SIZE], u32 *length, void *saved)
{
	u32 saved_used;
	struct span spans[] = {path, {loan_place(&path, 1), PATH_SIZE}};
	uaddr at = spans[1].at, used = loan_place(spans, 2);
	user_copy_in(saved, at, PATH_SIZE);
	user_copy_in(&saved_used, used, sizeof(saved_used));
	u32 error = native_path_readlink(descriptor, path.at, path.size, at, PATH_SIZE, used);
	user_copy_in(length, used, sizeof(*length));
	*length = error ? 0 : MIN(*length, PATH_SIZE);
	user_copy_in(text, at, *length);
	user_copy_out(at, saved, PATH_SIZE);
	user_copy_out(used, &saved_used, sizeof(saved_used));
	return error;
}

bool area_borrow(struct area *area, u32 from, u32 end)
{
	area->from = from;
	area->end = end;
	area->saved = memory_allocate(current_process()->pod->account, end - from);
	if (area->saved)
		user_copy_in(area->saved, from, end - from);
	return area->saved;
}

void area_return(struct area *area)
{
	user_copy_out(area->from, area->saved, area->end - area->from);
	memory_free(current_process()->pod->account, area->saved, area->end - area->from);
}

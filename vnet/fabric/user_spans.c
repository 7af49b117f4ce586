#include "vnet/fabric/user_spans.h"

u32 user_spans_size(const struct user_spans *spans)
{
	u32 size = 0;
	for (u32 i = 0; i < spans->count; i++)
		size += spans->list[i].size;
	return size;
}

bool user_spans_skip(struct user_spans *spans, u32 size)
{
	if (size > user_spans_size(spans))
		return false;
	for (u32 i = 0; size; i++) {
		u32 part = MIN(size, spans->list[i].size);
		spans->list[i].at += part;
		spans->list[i].size -= part;
		size -= part;
	}
	return true;
}

u32 user_spans_copy_out(const struct user_spans *to, const void *from, u32 size)
{
	u32 done = 0;
	for (u32 i = 0; i < to->count && done < size; i++) {
		u32 part = MIN(size - done, to->list[i].size);
		user_copy_out(to->list[i].at, (const u8 *)from + done, part);
		done += part;
	}
	return done;
}

u32 user_spans_copy_in(void *to, const struct user_spans *from, u32 size)
{
	u32 done = 0;
	for (u32 i = 0; i < from->count && done < size; i++) {
		u32 part = MIN(size - done, from->list[i].size);
		user_copy_in((u8 *)to + done, from->list[i].at, part);
		done += part;
	}
	return done;
}

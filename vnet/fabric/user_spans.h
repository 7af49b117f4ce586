/* A list of pieces of a guest's memory, as vectored calls give them; all checked before the list is made. */
#ifndef PODNET_FABRIC_USER_SPANS_H
#define PODNET_FABRIC_USER_SPANS_H

#include "vnet/fabric/platform.h"

#define USER_SPANS_MOST 64u

struct user_span {
	uaddr at;
	u32 size;
};

struct user_spans {
	u32 count;
	struct user_span list[USER_SPANS_MOST];
};

static inline struct user_spans user_spans_of(uaddr at, u32 size)
{
	return (struct user_spans){.count = 1, .list = {{at, size}}};
}

u32 user_spans_size(const struct user_spans *spans);
/* Have the list begin `size` bytes later; false when it is shorter than that. */
bool user_spans_skip(struct user_spans *spans, u32 size);
/* Copy as far as both reach; the bytes copied. */
u32 user_spans_copy_out(const struct user_spans *to, const void *from, u32 size);
u32 user_spans_copy_in(void *to, const struct user_spans *from, u32 size);

#endif

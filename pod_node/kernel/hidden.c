#include "pod_node/kernel/hidden.h"

#define HASH_BASIS 2166136261u
#define HASH_PRIME 16777619u

/* FNV-1a, which can be gone on with from a path to one below it. */
static u32 hash_on(u32 hash, const char *text, u32 length)
{
	for (u32 i = 0; i < length; i++)
		hash = (hash ^ (u8)text[i]) * HASH_PRIME;
	return hash;
}

static struct hidden_path **bucket_of(struct hidden *hidden, u32 hash)
{
	return &hidden->buckets[(hash ^ hash >> 16) % HIDDEN_BUCKETS];
}

/* Under the lock. */
static bool is_in(struct hidden *hidden, u32 hash, const char *path, u32 length)
{
	const struct hidden_path *one = *bucket_of(hidden, hash);
	while (one && (one->hash != hash || one->length != length || memcmp(one->text, path, length) != 0))
		one = one->next;
	return one;
}

static u32 size_of(const struct hidden_path *one)
{
	return (u32)sizeof(*one) + one->length;
}

struct hidden_path *hidden_make(struct hidden *hidden, const char *path, u32 length)
{
	struct hidden_path *made = memory_allocate(hidden->account, (u32)sizeof(*made) + length);
	if (!made)
		return NULL;
	made->hash = hash_on(HASH_BASIS, path, length);
	made->length = length;
	memcpy(made->text, path, length);
	return made;
}

void hidden_drop(struct hidden *hidden, struct hidden_path *made)
{
	if (made)
		memory_free(hidden->account, made, size_of(made));
}

static bool is_at_or_below(const struct hidden_path *one, const struct hidden_path *around)
{
	return one->length >= around->length && memcmp(one->text, around->text, around->length) == 0 &&
	       (one->length == around->length || one->text[around->length] == '/');
}

/* Under the lock. */
static void remove_below(struct hidden *hidden, const struct hidden_path *around)
{
	for (u32 i = 0; i < HIDDEN_BUCKETS; i++) {
		struct hidden_path **link = &hidden->buckets[i];
		while (*link) {
			struct hidden_path *one = *link;
			if (!is_at_or_below(one, around)) {
				link = &one->next;
				continue;
			}
			*link = one->next;
			hidden->count--;
			hidden_drop(hidden, one);
		}
	}
}

void hidden_put(struct hidden *hidden, struct hidden_path *made, bool directory)
{
	lock_acquire(&hidden->lock);
	if (directory)
		remove_below(hidden, made);
	struct hidden_path **bucket = bucket_of(hidden, made->hash);
	made->next = *bucket;
	*bucket = made;
	hidden->count++;
	lock_release(&hidden->lock);
}

bool hidden_has(struct hidden *hidden, const char *path, u32 length)
{
	u32 hash = HASH_BASIS;
	bool found = false;
	if (!atomic_load_explicit(&hidden->count, memory_order_relaxed))
		return false;
	lock_acquire(&hidden->lock);
	for (u32 from = 0; from < length && !found;) {
		u32 end = from + 1; /* after a slash */
		while (end < length && path[end] != '/')
			end++;
		hash = hash_on(hash, path + from, end - from);
		found = is_in(hidden, hash, path, end);
		from = end;
	}
	lock_release(&hidden->lock);
	return found;
}

u32 hidden_list(struct hidden *hidden, u32 first, char *to, u32 size)
{
	u32 number = 0, copied = 0;
	bool fits = true;
	lock_acquire(&hidden->lock);
	for (u32 i = 0; i < HIDDEN_BUCKETS && fits; i++) {
		for (const struct hidden_path *one = hidden->buckets[i]; one && fits; one = one->next) {
			if (number++ < first)
				continue;
			fits = one->length < size;
			if (!fits)
				continue;
			memcpy(to, one->text, one->length);
			to[one->length] = 0;
			to += one->length + 1;
			size -= one->length + 1;
			copied++;
		}
	}
	lock_release(&hidden->lock);
	return copied;
}

void hidden_clear(struct hidden *hidden)
{
	for (u32 i = 0; i < HIDDEN_BUCKETS; i++) {
		while (hidden->buckets[i]) {
			struct hidden_path *one = hidden->buckets[i];
			hidden->buckets[i] = one->next;
			hidden_drop(hidden, one);
		}
	}
	atomic_store(&hidden->count, 0);
}

/* Paths that layers show no more, under threads: each hides files of a folder of its own and then the folder, while all
 * look and list. What somebody has hidden stays so for everybody, and in the end only the folders are left. */
#include "tests/native/stress.h"

#include "pod_node/kernel/hidden.h"
#include "vnet/fabric/text.h"

#define THREADS 4u
#define FILES 200u
#define LOOKS 8u

struct worker {
	pthread_t thread;
	struct hidden *hidden;
	u32 number;
	u64 random;
	_Atomic u32 done; /* files that are hidden */
};

static struct worker workers[THREADS];

static u32 write_path(char path[64], u32 number, u32 file)
{
	struct writer writer = {path, path + 64};
	write_text(&writer, "/layer/folder-");
	write_number(&writer, number);
	if (file < FILES) {
		write_text(&writer, "/file-");
		write_number(&writer, file);
	}
	return (u32)(writer.at - path);
}

static void hide(struct worker *self, u32 file)
{
	char path[64];
	u32 length = write_path(path, self->number, file);
	struct hidden_path *made = hidden_make(self->hidden, path, length);
	CHECK(made != NULL);
	hidden_put(self->hidden, made, file == FILES);
	CHECK(hidden_has(self->hidden, path, length));
}

/* What another one has hidden before is. */
static void look(struct worker *self)
{
	char path[64], texts[512];
	struct worker *other = &workers[random_below(&self->random, THREADS)];
	u32 done = atomic_load(&other->done);
	if (done) {
		u32 length = write_path(path, other->number, random_below(&self->random, done));
		CHECK(hidden_has(self->hidden, path, length));
	}
	CHECK(hidden_list(self->hidden, random_below(&self->random, 300), texts, sizeof(texts)) <= sizeof(texts));
	CHECK(!hidden_has(self->hidden, "/layer", 6) && !hidden_has(self->hidden, "/layer/folder", 13));
}

static void *work(void *argument)
{
	struct worker *self = argument;
	struct thread thread = {0};
	identity_set((struct identity){.thread = &thread, .noise = self->random | 1});
	for (u32 file = 0; file < FILES; file++) {
		hide(self, file);
		atomic_store(&self->done, file + 1);
		for (u32 i = 0; i < LOOKS; i++)
			look(self);
	}
	hide(self, FILES);
	return NULL;
}

void stress_hidden(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		struct hidden hidden = {.account = account_create(1 << 20, 0)};
		char texts[1024];
		CHECK(hidden.account != NULL);
		for (u32 i = 0; i < THREADS; i++)
			workers[i] = (struct worker){.hidden = &hidden, .number = i, .random = seed + round * 100 + i};
		for (u32 i = 0; i < THREADS; i++)
			CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
		for (u32 i = 0; i < THREADS; i++)
			CHECK(pthread_join(workers[i].thread, NULL) == 0);
		CHECK(hidden_list(&hidden, 0, texts, sizeof(texts)) == THREADS);
		hidden_clear(&hidden);
		CHECK(hidden.account->bytes == 0);
		account_release(hidden.account);
		node_expect(before);
	}
}

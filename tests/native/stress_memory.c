/* The allocator under threads: random sizes, freed by other threads than the ones that allocated, on accounts
 * that are too small, with every byte owned by one object at a time. */
#include "tests/native/stress.h"

#define THREADS 4u
#define SLOTS 64u
#define STEPS 4000u

struct block {
	u32 size;
	u32 salt;
	struct account *account;
	u8 bytes[];
};

static struct block *_Atomic slots[SLOTS];
static struct account *accounts[3];

static u32 random_size(u64 *random)
{
	u32 bound = 32u << random_below(random, 15);
	return (u32)sizeof(struct block) + random_below(random, bound);
}

static void stamp(struct block *block)
{
	for (u32 i = 0; i < block->size - sizeof(*block); i += 61)
		block->bytes[i] = (u8)(block->salt + i);
}

static void discard(struct block *block)
{
	for (u32 i = 0; i < block->size - sizeof(*block); i += 61)
		CHECK(block->bytes[i] == (u8)(block->salt + i));
	memory_free(block->account, block, block->size);
}

static void *torture(void *argument)
{
	u64 random = *(const u64 *)argument;
	struct thread thread = {0};
	identity_set((struct identity){.thread = &thread, .noise = random | 1});
	for (u32 step = 0; step < STEPS; step++) {
		struct account *account = accounts[random_below(&random, COUNT_OF(accounts))];
		u32 size = random_size(&random);
		struct block *block = memory_allocate(account, size);
		if (block) {
			for (u32 i = 0; size <= 2048 && i < size; i++)
				CHECK(((u8 *)block)[i] == 0); /* small objects come zeroed */
			*block = (struct block){.size = size, .salt = (u32)random, .account = account};
			stamp(block);
		}
		block = atomic_exchange(&slots[random_below(&random, SLOTS)], block);
		if (block)
			discard(block);
	}
	return NULL;
}

void stress_memory(u64 seed, u32 rounds)
{
	for (u32 round = 0; round < rounds; round++) {
		struct usage before = node_usage();
		pthread_t threads[THREADS];
		u64 seeds[THREADS];
		accounts[1] = account_create(100000, 0);
		accounts[2] = account_create(8u << 20, 0);
		CHECK(accounts[1] && accounts[2]);
		for (u32 i = 0; i < THREADS; i++) {
			seeds[i] = seed + round * 100 + i;
			CHECK(pthread_create(&threads[i], NULL, torture, &seeds[i]) == 0);
		}
		for (u32 i = 0; i < THREADS; i++)
			CHECK(pthread_join(threads[i], NULL) == 0);
		for (u32 i = 0; i < SLOTS; i++) {
			struct block *block = atomic_exchange(&slots[i], NULL);
			if (block)
				discard(block);
		}
		CHECK(accounts[1]->bytes == 0 && accounts[2]->bytes == 0 && accounts[1]->refusals > 0);
		account_release(accounts[1]);
		account_release(accounts[2]);
		node_expect(before);
	}
}

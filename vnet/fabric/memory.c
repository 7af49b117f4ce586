#include "vnet/fabric/memory.h"

#define PAGE_SHIFT 12u
#define ORDERS 15u /* largest block: 4 KiB << 14 = 64 MiB */
#define SMALLEST_CLASS_SHIFT 5u
#define CLASSES 7u /* 32, 64, ..., 2048 bytes */
#define LARGEST_SLAB_OBJECT (1u << (SMALLEST_CLASS_SHIFT + CLASSES - 1))

/* A free block of pages, stored in the block itself. */
struct free_block {
	struct free_block *next, *previous;
};

/* A page cut into objects of one class. Its header occupies the first object's place. */
struct slab {
	struct slab *next, *previous; /* among slabs of the class that have room */
	void *free;                   /* singly linked free objects */
	u32 used;
	u32 fresh; /* bytes from the page's start that have been cut so far */
};

enum page_state { PAGE_INNER = 0, PAGE_TAKEN = 1, PAGE_FREE = 2 };

static struct {
	struct lock lock;
	uintptr_t start;
	u32 pages;
	u8 *state; /* for the first page of each block: enum page_state | order << 2 */
	struct free_block *free[ORDERS];
} buddy;

static struct slab_class {
	struct lock lock;
	struct slab *with_room;
} classes[CLASSES];

static _Atomic u64 used_bytes;

static u32 order_of(u32 size)
{
	u32 order = 0;
	while (((u64)PAGE_SIZE << order) < size)
		order++;
	return order;
}

static struct free_block *block_at(u32 page)
{
	return (struct free_block *)(buddy.start + ((uintptr_t)page << PAGE_SHIFT));
}

static u32 page_of(const void *address)
{
	return (u32)(((uintptr_t)address - buddy.start) >> PAGE_SHIFT);
}

static void push_block(u32 page, u32 order)
{
	struct free_block *block = block_at(page);
	memory_reveal(block, sizeof(*block));
	block->previous = NULL;
	block->next = buddy.free[order];
	if (block->next)
		block->next->previous = block;
	buddy.free[order] = block;
	buddy.state[page] = (u8)(PAGE_FREE | order << 2);
}

static void remove_block(struct free_block *block, u32 order)
{
	if (block->previous)
		block->previous->next = block->next;
	else
		buddy.free[order] = block->next;
	if (block->next)
		block->next->previous = block->previous;
	buddy.state[page_of(block)] = PAGE_INNER;
}

void memory_initialize(uintptr_t start, u64 size)
{
	uintptr_t begin = (start + PAGE_SIZE - 1) & ~(uintptr_t)(PAGE_SIZE - 1);
	u64 pages = (size - (begin - start)) >> PAGE_SHIFT;
	u64 table = (pages + PAGE_SIZE - 1) >> PAGE_SHIFT;
	buddy.state = (u8 *)begin;
	/* Blocks are aligned to their size relative to `start`; kernel stacks need true alignment. */
	buddy.start = (begin + (table << PAGE_SHIFT) + KERNEL_STACK_SIZE - 1) & ~(uintptr_t)(KERNEL_STACK_SIZE - 1);
	buddy.pages = (u32)((start + size - buddy.start) >> PAGE_SHIFT);
	memory_conceal((void *)buddy.start, (u64)buddy.pages << PAGE_SHIFT);
	for (u32 page = 0; page < buddy.pages;) {
		u32 order = ORDERS - 1;
		while ((page & ((1u << order) - 1)) || page + (1u << order) > buddy.pages)
			order--;
		push_block(page, order);
		page += 1u << order;
	}
}

static void *pages_allocate(u32 order)
{
	lock_acquire(&buddy.lock);
	u32 from = order;
	while (from < ORDERS && !buddy.free[from])
		from++;
	if (from >= ORDERS) {
		lock_release(&buddy.lock);
		return NULL;
	}
	struct free_block *block = buddy.free[from];
	u32 page = page_of(block);
	remove_block(block, from);
	while (from > order) {
		from--;
		push_block(page + (1u << from), from);
	}
	buddy.state[page] = (u8)(PAGE_TAKEN | order << 2);
	memory_reveal(block, (u64)PAGE_SIZE << order);
	lock_release(&buddy.lock);
	return block;
}

static void pages_free(void *address, u32 order)
{
	lock_acquire(&buddy.lock);
	u32 page = page_of(address);
	if (buddy.state[page] != (u8)(PAGE_TAKEN | order << 2))
		kernel_panic(); /* freed twice, or with another size */
	buddy.state[page] = PAGE_INNER;
	memory_conceal(address, (u64)PAGE_SIZE << order);
	while (order + 1 < ORDERS) {
		u32 other = page ^ (1u << order);
		if (other + (1u << order) > buddy.pages || buddy.state[other] != (u8)(PAGE_FREE | order << 2))
			break;
		remove_block(block_at(other), order);
		page &= ~(1u << order);
		order++;
	}
	push_block(page, order);
	lock_release(&buddy.lock);
}

static u32 class_of(u32 size)
{
	u32 class = 0;
	while ((1u << (SMALLEST_CLASS_SHIFT + class)) < size)
		class++;
	return class;
}

/* The header takes the room of whole objects, so that every object is aligned to its class. */
static u32 first_object(u32 object_size)
{
	return MAX(object_size, (u32)((sizeof(struct slab) + 31) & ~31u));
}

static void slab_link(struct slab_class *class, struct slab *slab)
{
	slab->previous = NULL;
	slab->next = class->with_room;
	if (slab->next)
		slab->next->previous = slab;
	class->with_room = slab;
}

static void slab_unlink(struct slab_class *class, struct slab *slab)
{
	if (slab->previous)
		slab->previous->next = slab->next;
	else
		class->with_room = slab->next;
	if (slab->next)
		slab->next->previous = slab->previous;
}

static bool slab_full(const struct slab *slab, u32 object_size)
{
	return !slab->free && slab->fresh + object_size > PAGE_SIZE;
}

static void *object_allocate(u32 index)
{
	struct slab_class *class = &classes[index];
	u32 object_size = 1u << (SMALLEST_CLASS_SHIFT + index);
	lock_acquire(&class->lock);
	struct slab *slab = class->with_room;
	if (!slab) {
		slab = pages_allocate(0);
		if (!slab) {
			lock_release(&class->lock);
			return NULL;
		}
		*slab = (struct slab){.fresh = first_object(object_size)};
		memory_conceal((u8 *)slab + slab->fresh, PAGE_SIZE - slab->fresh);
		slab_link(class, slab);
	}
	void *object = slab->free ? slab->free : (u8 *)slab + slab->fresh;
	memory_reveal(object, object_size);
	if (slab->free)
		slab->free = *(void **)object;
	else
		slab->fresh += object_size;
	slab->used++;
	if (slab_full(slab, object_size))
		slab_unlink(class, slab);
	lock_release(&class->lock);
	return object;
}

static void object_free(void *object, u32 index)
{
	struct slab_class *class = &classes[index];
	u32 object_size = 1u << (SMALLEST_CLASS_SHIFT + index);
	struct slab *slab = (struct slab *)((uintptr_t)object & ~(uintptr_t)(PAGE_SIZE - 1));
	lock_acquire(&class->lock);
	bool was_full = slab_full(slab, object_size);
	memory_reveal(object, sizeof(void *)); /* it may have been smaller than a link */
	*(void **)object = slab->free;
	slab->free = object;
	memory_conceal(object, object_size);
	slab->used--;
	if (was_full)
		slab_link(class, slab);
	/* Keep the last slab with room, so that one object coming and going does not move a page each time. */
	bool empty = slab->used == 0 && (slab->next || slab->previous);
	if (empty)
		slab_unlink(class, slab);
	lock_release(&class->lock);
	if (empty)
		pages_free(slab, 0);
}

u32 memory_occupied(u32 size)
{
	if (size <= LARGEST_SLAB_OBJECT)
		return 1u << (SMALLEST_CLASS_SHIFT + class_of(size));
	return PAGE_SIZE << order_of(size);
}

static bool account_charge(struct account *account, u32 bytes)
{
	if (!account)
		return true;
	if (atomic_fetch_add(&account->bytes, bytes) + bytes <= account->byte_limit)
		return true;
	atomic_fetch_sub(&account->bytes, bytes);
	atomic_fetch_add(&account->refusals, 1);
	return false;
}

void *memory_allocate(struct account *account, u32 size)
{
	if (size > PAGE_SIZE << (ORDERS - 1))
		return NULL;
	u32 bytes = memory_occupied(size);
	if (!account_charge(account, bytes))
		return NULL;
	void *object = size <= LARGEST_SLAB_OBJECT ? object_allocate(class_of(size)) : pages_allocate(order_of(size));
	if (!object) {
		if (account)
			atomic_fetch_sub(&account->bytes, bytes);
		return NULL;
	}
	atomic_fetch_add(&used_bytes, bytes);
	if (size <= LARGEST_SLAB_OBJECT)
		memset(object, 0, bytes);
	memory_conceal((u8 *)object + size, bytes - size);
	return object;
}

void memory_free(struct account *account, void *object, u32 size)
{
	u32 bytes = memory_occupied(size);
	if (size <= LARGEST_SLAB_OBJECT)
		object_free(object, class_of(size));
	else
		pages_free(object, order_of(size));
	atomic_fetch_sub(&used_bytes, bytes);
	if (!account)
		return;
	atomic_fetch_sub(&account->bytes, bytes);
	waitq_wake(&account->room);
}

bool memory_transfer(struct account *from, struct account *to, u32 size)
{
	u32 bytes = memory_occupied(size);
	if (!account_charge(to, bytes))
		return false;
	atomic_fetch_sub(&from->bytes, bytes);
	return true;
}

struct account *account_create(u64 byte_limit, u32 socket_limit)
{
	struct account *account = memory_allocate(NULL, sizeof(*account));
	if (account) {
		account->references = 1;
		account->byte_limit = byte_limit;
		account->socket_limit = socket_limit;
	}
	return account;
}

struct account *account_hold(struct account *account)
{
	atomic_fetch_add(&account->references, 1);
	return account;
}

void account_release(struct account *account)
{
	if (atomic_fetch_sub(&account->references, 1) == 1)
		memory_free(NULL, account, sizeof(*account));
}

bool account_add_socket(struct account *account)
{
	if (atomic_fetch_add(&account->sockets, 1) < account->socket_limit)
		return true;
	atomic_fetch_sub(&account->sockets, 1);
	atomic_fetch_add(&account->refusals, 1);
	return false;
}

void account_remove_socket(struct account *account)
{
	atomic_fetch_sub(&account->sockets, 1);
	waitq_wake(&account->room);
}

struct memory_statistics memory_statistics(void)
{
	return (struct memory_statistics){
		.total = (u64)buddy.pages << PAGE_SHIFT,
		.used = atomic_load(&used_bytes),
	};
}

static struct {
	struct lock lock;
	struct thread *free;
	u32 next_slot; /* each record takes two, for as long as the fabric lives */
} thread_pool;

/* Under the pool's lock. NULL when the fabric or the park slots are used up. */
static struct thread *thread_record(void)
{
	struct thread *thread = thread_pool.free;
	if (thread) {
		thread_pool.free = thread->next_free;
		return thread;
	}
	if (thread_pool.next_slot + 2 > PARK_SLOTS)
		return NULL;
	thread = pages_allocate(order_of(KERNEL_STACK_SIZE));
	if (thread) {
		thread->slot = thread_pool.next_slot;
		thread_pool.next_slot += 2;
	}
	return thread;
}

struct thread *thread_create(struct process *process, bool counted)
{
	lock_acquire(&thread_pool.lock);
	struct thread *thread = thread_record();
	lock_release(&thread_pool.lock);
	if (thread)
		*thread = (struct thread){.slot = thread->slot, .process = process, .counted = counted};
	return thread;
}

void thread_destroy(struct thread *thread)
{
	lock_acquire(&thread_pool.lock);
	thread->next_free = thread_pool.free;
	thread_pool.free = thread;
	lock_release(&thread_pool.lock);
}

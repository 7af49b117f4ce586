#include "pod_node/kernel/disk.h"

#include "pod_node/kernel/spawn.h"

#include "vnet/fabric/errno.h"

u64 disk_blocks(u64 size)
{
	return size ? (size - 1) / DISK_BLOCK + 1 : 1;
}

/* Under the lock of `disk` and of its whole. */
static u64 room_of(const struct disk *disk)
{
	u64 room = disk->limit > disk->used ? disk->limit - disk->used : 0;
	return disk->whole ? MIN(room, room_of(disk->whole)) : room;
}

/* The order is that of the parts to the whole. */
static void lock_all(struct disk *disk)
{
	for (; disk; disk = disk->whole)
		lock_acquire(&disk->lock);
}

static void unlock_all(struct disk *disk)
{
	for (; disk; disk = disk->whole)
		lock_release(&disk->lock);
}

static void add(struct disk *disk, u64 blocks)
{
	for (; disk; disk = disk->whole)
		disk->used += blocks;
}

static void subtract(struct disk *disk, u64 blocks)
{
	for (; disk; disk = disk->whole)
		disk->used -= MIN(blocks, disk->used);
}

/* Which of the disks has no room for `blocks`. */
static int refuse(struct disk *disk, u64 blocks)
{
	for (struct disk *full = disk; full; full = full->whole) {
		if (full->used + blocks > full->limit) {
			atomic_fetch_add(&full->refusals, 1);
			return full->whole ? -E_NOSPC : -E_DQUOT;
		}
	}
	return -E_DQUOT;
}

static int take(struct disk *disk, u64 blocks)
{
	if (blocks > room_of(disk))
		return refuse(disk, blocks);
	add(disk, blocks);
	return 0;
}

/* The node hears of the first refusal, without any lock. */
static void tell_refusals(struct disk *disk)
{
	for (; disk; disk = disk->whole)
		if (atomic_load(&disk->refusals) && !atomic_exchange(&disk->told, true))
			spawns_tell_refusal();
}

int disk_take(struct disk *disk, u64 blocks)
{
	lock_all(disk);
	int result = take(disk, blocks);
	unlock_all(disk);
	if (result < 0)
		tell_refusals(disk);
	return result;
}

void disk_give(struct disk *disk, u64 blocks)
{
	lock_all(disk);
	subtract(disk, blocks);
	unlock_all(disk);
}

static struct inode **bucket_of(struct disk *disk, u64 number)
{
	return &disk->open[number % DISK_INODES];
}

/* Under the disk's lock. */
static struct inode *find(struct disk *disk, u64 number)
{
	struct inode *inode = *bucket_of(disk, number);
	while (inode && inode->number != number)
		inode = inode->next;
	return inode;
}

struct inode *disk_open(struct disk *disk, u64 number, u64 size)
{
	struct inode *fresh = memory_allocate(disk->account, sizeof(*fresh)), *unused = NULL;
	if (!fresh)
		return NULL;
	lock_acquire(&disk->lock);
	struct inode *inode = find(disk, number);
	if (inode) {
		unused = fresh;
	} else {
		struct inode **bucket = bucket_of(disk, number);
		inode = fresh;
		*inode = (struct inode){.number = number, .next = *bucket, .disk = disk, .size = size};
		*bucket = inode;
	}
	inode->opens++;
	lock_release(&disk->lock);
	if (unused)
		memory_free(disk->account, unused, sizeof(*unused));
	return inode;
}

struct inode *disk_hold(struct inode *inode)
{
	lock_acquire(&inode->disk->lock);
	inode->opens++;
	lock_release(&inode->disk->lock);
	return inode;
}

void disk_close(struct inode *inode)
{
	struct disk *disk = inode->disk;
	lock_all(disk);
	bool last = --inode->opens == 0;
	if (last) {
		struct inode **link = bucket_of(disk, inode->number);
		while (*link != inode)
			link = &(*link)->next;
		*link = inode->next;
		if (inode->unlinked)
			subtract(disk, disk_blocks(inode->size));
	}
	unlock_all(disk);
	if (last)
		memory_free(disk->account, inode, sizeof(*inode));
}

void disk_unlinked(struct disk *disk, u64 number, u64 size)
{
	lock_all(disk);
	struct inode *inode = find(disk, number);
	if (inode)
		inode->unlinked = true;
	else
		subtract(disk, disk_blocks(size));
	unlock_all(disk);
}

void disk_truncated(struct disk *disk, u64 number, u64 size)
{
	lock_all(disk);
	struct inode *inode = find(disk, number);
	subtract(disk, disk_blocks(inode ? inode->size : size) - 1);
	if (inode)
		inode->size = 0;
	unlock_all(disk);
}

int disk_grow(struct inode *inode, u64 size, u64 *most)
{
	struct disk *disk = inode->disk;
	int result = 0;
	*most = size;
	lock_all(disk);
	u64 has = disk_blocks(inode->size), wants = disk_blocks(MAX(size, inode->size)), room = room_of(disk);
	if (wants - has > room) {
		wants = has + room;
		*most = MAX(wants * DISK_BLOCK, inode->size);
		result = refuse(disk, disk_blocks(size) - has);
	}
	add(disk, wants - has);
	unlock_all(disk);
	if (result < 0)
		tell_refusals(disk);
	return result;
}

void disk_settle(struct inode *inode, u64 planned, u64 size)
{
	struct disk *disk = inode->disk;
	lock_all(disk);
	subtract(disk, disk_blocks(MAX(planned, inode->size)) - disk_blocks(size));
	inode->size = size;
	unlock_all(disk);
}

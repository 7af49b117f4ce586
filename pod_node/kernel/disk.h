/* What a pod's files take of the host's disk or memory, counted by the calls that change it.
 *
 * The unit is a block, as on most Linux file systems: a file takes one for each 4 KiB that it has begun and one when
 * it is empty; a directory or symbolic link takes one. A file that is unlinked is counted until nobody has it open,
 * which is why open files are known by their inode. Calls that change a disk hold `busy` from before they look until
 * the engine has done it: a lock that is held during a system call of the host, contended only by the processes of one
 * pod, and never taken by the node. `lock` is for the numbers alone, and innermost.
 */
#ifndef PODNET_KERNEL_DISK_H
#define PODNET_KERNEL_DISK_H

#include "vnet/fabric/memory.h"

#define DISK_BLOCK 4096u
#define DISK_INODES 16u

struct inode {
	u64 number;
	struct inode *next; /* under disk->lock */
	struct disk *disk;
	u32 opens;     /* under disk->lock */
	bool unlinked; /* under disk->lock */
	u64 size;      /* under disk->lock */
};

struct disk {
	struct lock busy;
	struct lock lock;
	struct account *account; /* pays for inodes; outlives the disk */
	struct disk *whole;      /* the disk that this one is a part of, or NULL */
	u64 limit, used;         /* in blocks; used under lock */
	_Atomic u32 refusals;
	_Atomic bool told; /* that it refused something; the node hears of it once */
	struct inode *open[DISK_INODES]; /* under lock */
};

u64 disk_blocks(u64 size);
/* 0, -E_NOSPC when the disk is full, -E_DQUOT when the whole is. */
int disk_take(struct disk *disk, u64 blocks);
void disk_give(struct disk *disk, u64 blocks);

/* One more has the file open. NULL when out of memory. */
struct inode *disk_open(struct disk *disk, u64 number, u64 size);
/* The same for an inode that the caller has open. */
struct inode *disk_hold(struct inode *inode);
void disk_close(struct inode *inode);
/* A file lost its last name. */
void disk_unlinked(struct disk *disk, u64 number, u64 size);
/* A file that may be open became empty; it had `size`, if it was not. */
void disk_truncated(struct disk *disk, u64 number, u64 size);

/* Under `busy`: prepare for a file to grow up to `size`. As `disk_take`, and then how far it may grow: at least one
 * byte more, or as far as it is long. */
int disk_grow(struct inode *inode, u64 size, u64 *most);
/* It was to grow to `planned`, and has become `size` long. */
void disk_settle(struct inode *inode, u64 planned, u64 size);

#endif

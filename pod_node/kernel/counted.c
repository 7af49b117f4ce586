#include "pod_node/kernel/counted.h"

#include "pod_node/kernel/native.h"

/* Largest offset of a file on Linux. */
#define OFFSET_MOST ((u64)INT64_MAX)

/* Where a write begins at the latest. The engine keeps a file's position, and Linux writes at the end of one that was
 * opened to append, whatever position is asked for. */
static u32 start_of(const struct file *file, const u64 *offset, u64 *start)
{
	u32 error = WASI_SUCCESS;
	if (offset)
		*start = *offset;
	else
		error = loan_position(file->host_descriptor, start);
	if (file->appends)
		*start = MAX(*start, file->inode->size);
	return error;
}

static u64 size_after(const struct file *file, u64 start, u32 done)
{
	struct wasi_filestat stat;
	if (file->appends && loan_stat_open(file->host_descriptor, &stat) == WASI_SUCCESS)
		return stat.size;
	return done ? MAX(file->inode->size, start + done) : file->inode->size;
}

static u32 give_to_engine(const struct file *file, uaddr iovec, const u64 *offset, uaddr moved)
{
	return offset ? native_fd_pwrite(file->host_descriptor, iovec, 1, *offset, moved)
		      : native_fd_write(file->host_descriptor, iovec, 1, moved);
}

/* Write one buffer as far as the disk has room: less than all of it is a success, nothing is none. */
static u32 write_buffer(const struct file *file, uaddr iovec, u32 size, const u64 *offset, uaddr moved)
{
	struct inode *inode = file->inode;
	u64 start = 0, most;
	u32 error = start_of(file, offset, &start), done = 0;
	if (error)
		return error;
	if (start > OFFSET_MOST - size)
		return WASI_FBIG;
	int refusal = disk_grow(inode, start + size, &most);
	u32 room = most > start ? (u32)MIN((u64)size, most - start) : 0;
	if (room == 0) {
		error = wasi_result(refusal);
	} else {
		if (room < size)
			guest_store_u32(iovec + sizeof(u32), room);
		error = give_to_engine(file, iovec, offset, moved);
		if (room < size)
			guest_store_u32(iovec + sizeof(u32), size);
		if (!error)
			guest_load(&done, moved, sizeof(done));
	}
	disk_settle(inode, most, size_after(file, start, done));
	return error;
}

/* One buffer at a time, as the engine does it. */
u32 counted_write(struct file *file, uaddr iovs, u32 count, const u64 *offset, uaddr moved)
{
	struct wasi_iovec list[WASI_IOVS_MOST];
	int buffers = wasi_read_iovs(iovs, count, list);
	if (buffers < 0)
		return wasi_result(buffers);
	if (iovs % sizeof(u32) || moved % sizeof(u32))
		return WASI_INVAL;
	if (!user_range_ok(moved, sizeof(u32)) || !loan_possible())
		return WASI_FAULT;
	int i = 0;
	while (i < buffers && list[i].length == 0)
		i++;
	if (i == buffers)
		return give_to_engine(file, iovs, offset, moved);
	struct lock *busy = &file->inode->disk->busy;
	lock_acquire(busy);
	u32 error = write_buffer(file, iovs + (u32)i * (u32)sizeof(list[0]), list[i].length, offset, moved);
	lock_release(busy);
	return error;
}

u32 counted_set_size(struct file *file, u64 size)
{
	struct inode *inode = file->inode;
	if (size > OFFSET_MOST)
		return WASI_INVAL;
	lock_acquire(&inode->disk->busy);
	u64 before = inode->size, most = before;
	u32 error = size > before ? wasi_result(disk_grow(inode, size, &most)) : (u32)WASI_SUCCESS;
	if (!error)
		error = native_fd_filestat_set_size(file->host_descriptor, size);
	disk_settle(inode, most, error ? before : size);
	lock_release(&inode->disk->busy);
	return error;
}

u32 counted_allocate(struct file *file, u64 offset, u64 length)
{
	struct inode *inode = file->inode;
	if (offset > OFFSET_MOST || length > OFFSET_MOST - offset)
		return WASI_FBIG;
	lock_acquire(&inode->disk->busy);
	u64 before = inode->size, most = before;
	u32 error = wasi_result(disk_grow(inode, offset + length, &most));
	if (!error)
		error = native_fd_allocate(file->host_descriptor, offset, length);
	disk_settle(inode, most, error ? before : MAX(before, offset + length));
	lock_release(&inode->disk->busy);
	return error;
}

u32 counted_set_flags(struct file *file, u32 flags)
{
	u32 error = native_fd_fdstat_set_flags(file->host_descriptor, flags);
	if (!error)
		file->appends |= flags & WASI_FDFLAGS_APPEND; /* it may still append, to be on the safe side */
	return error;
}

/* Learn the inode of a file that was opened. */
static u32 learn(struct lookup *at, struct file *file)
{
	struct wasi_filestat stat;
	u32 error = loan_stat_open(file->host_descriptor, &stat);
	if (error)
		return error;
	if (stat.filetype == WASI_FILETYPE_DIRECTORY)
		return WASI_SUCCESS;
	file->inode = disk_open(at->mount->disk, stat.inode, stat.size);
	return file->inode ? WASI_SUCCESS : (u32)WASI_NOMEM;
}

u32 counted_open(struct lookup *at, u32 lookup, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened,
		 struct file *file)
{
	struct disk *disk = at->mount->disk;
	struct wasi_filestat before = {0};
	lock_acquire(&disk->busy);
	bool asks = open & (WASI_OFLAGS_CREAT | WASI_OFLAGS_TRUNC);
	bool exists = !asks || loan_stat(at->descriptor, lookup, at->path, &before) == WASI_SUCCESS;
	u32 error = exists ? (u32)WASI_SUCCESS : wasi_result(disk_take(disk, 1));
	bool taken = !exists && !error;
	if (!error)
		error = native_path_open(at->descriptor, lookup, at->path.at, at->path.size, open, base, inheriting,
					 flags, opened);
	if (error) {
		if (taken)
			disk_give(disk, 1);
	} else {
		guest_load(&file->host_descriptor, opened, sizeof(u32));
		file->appends = flags & WASI_FDFLAGS_APPEND;
		if (open & WASI_OFLAGS_TRUNC && before.filetype == WASI_FILETYPE_REGULAR_FILE)
			disk_truncated(disk, before.inode, before.size);
		error = learn(at, file);
		if (error)
			native_fd_close(file->host_descriptor);
	}
	lock_release(&disk->busy);
	return error;
}

u32 counted_create_directory(struct lookup *at)
{
	struct disk *disk = at->mount->disk;
	u32 error = wasi_result(disk_take(disk, 1));
	if (error)
		return error;
	error = native_path_create_directory(at->descriptor, at->path.at, at->path.size);
	if (error)
		disk_give(disk, 1);
	return error;
}

u32 counted_symlink(struct span target, struct lookup *at)
{
	struct disk *disk = at->mount->disk;
	u32 error = wasi_result(disk_take(disk, 1));
	if (error)
		return error;
	atomic_store(&at->mount->linked, true); /* before anybody can meet it */
	error = native_path_symlink(target.at, target.size, at->descriptor, at->path.at, at->path.size);
	if (error)
		disk_give(disk, 1);
	return error;
}

u32 counted_remove_directory(struct lookup *at)
{
	u32 error = native_path_remove_directory(at->descriptor, at->path.at, at->path.size);
	if (!error)
		disk_give(at->mount->disk, 1);
	return error;
}

/* The name that led to `stat` is gone. */
static void name_gone(struct disk *disk, const struct wasi_filestat *stat)
{
	if (stat->filetype == WASI_FILETYPE_REGULAR_FILE) {
		if (stat->links <= 1)
			disk_unlinked(disk, stat->inode, stat->size);
	} else if (stat->filetype == WASI_FILETYPE_DIRECTORY || stat->links <= 1) {
		disk_give(disk, 1);
	}
}

u32 counted_unlink(struct lookup *at)
{
	struct disk *disk = at->mount->disk;
	struct wasi_filestat stat;
	lock_acquire(&disk->busy);
	u32 error = loan_stat(at->descriptor, 0, at->path, &stat);
	if (!error)
		error = native_path_unlink_file(at->descriptor, at->path.at, at->path.size);
	if (!error)
		name_gone(disk, &stat);
	lock_release(&disk->busy);
	return error;
}

u32 counted_rename(struct lookup *from, struct lookup *to)
{
	struct disk *disk = to->mount->disk;
	struct wasi_filestat moved, replaced;
	lock_acquire(&disk->busy);
	u32 error = loan_stat(from->descriptor, 0, from->path, &moved);
	bool replaces = !error && loan_stat(to->descriptor, 0, to->path, &replaced) == WASI_SUCCESS &&
			replaced.inode != moved.inode;
	if (!error)
		error = native_path_rename(from->descriptor, from->path.at, from->path.size, to->descriptor,
					   to->path.at, to->path.size);
	if (!error && replaces)
		name_gone(disk, &replaced);
	lock_release(&disk->busy);
	return error;
}

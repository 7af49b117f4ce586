#include "pod_node/kernel/description.h"

#include "pod_node/kernel/counted.h"
#include "pod_node/kernel/native.h"
#include "pod_node/kernel/overlay.h"
#include "pod_node/kernel/wasi_paths.h"

enum { WHENCE_SET = 0, WHENCE_CUR, WHENCE_END };

static struct description *description_hold(struct description *description)
{
	atomic_fetch_add(&description->references, 1);
	return description;
}

void description_release(struct description *description)
{
	if (!description || atomic_fetch_sub(&description->references, 1) != 1)
		return;
	struct account *account = description->account;
	memory_free(account, description, sizeof(*description));
	account_release(account);
}

/* What the engine knows of an open file. */
static u32 ask_engine(const struct file *file, struct description *known)
{
	struct wasi_filestat stat;
	struct wasi_fdstat fdstat;
	u32 error = loan_stat_open(file->host_descriptor, &stat);
	if (!error)
		error = loan_fdstat(file->host_descriptor, &fdstat);
	if (error)
		return error;
	known->device = stat.device;
	known->inode = stat.inode;
	known->is_directory = stat.filetype == WASI_FILETYPE_DIRECTORY;
	known->rights = fdstat.rights_base;
	known->flags = fdstat.flags;
	return known->is_directory ? (u32)WASI_SUCCESS : loan_position(file->host_descriptor, &known->offset);
}

/* From now on the file can be shared. */
static int begin_sharing(struct file *file)
{
	if (!file->place || !loan_possible())
		return -E_OPNOTSUPP;
	struct description *description = memory_allocate(file->account, sizeof(*description));
	if (!description)
		return -E_NOBUFS;
	if (ask_engine(file, description)) {
		memory_free(file->account, description, sizeof(*description));
		return -E_IO;
	}
	description->references = 1;
	description->account = account_hold(file->account);
	file->engine_flags = description->flags;
	file->shared = description;
	return 0;
}

/* What the table's process has inherited already under another number. */
static struct file *find_shared(const struct descriptors *table, const struct description *description)
{
	for (u32 number = 0; number < table->size; number++) {
		struct file *file = descriptor_get(table, number);
		if (file && file->kind == FILE_HOST && file->shared == description)
			return file;
	}
	return NULL;
}

/* The mounts of all processes of a pod are the same, and so are their engines' numbers. */
static struct file *copy_of(struct file *file)
{
	struct file *copy = file_create(file->account, FILE_HOST);
	if (!copy)
		return NULL;
	copy->mount = file->mount;
	copy->is_mount = file->is_mount;
	copy->pure = file->pure;
	copy->host_descriptor = file->is_mount ? file->host_descriptor : HOST_DESCRIPTOR_NONE;
	if (file->shared)
		copy->shared = description_hold(file->shared);
	if (file->place)
		copy->place = place_hold(file->place);
	if (file->inode)
		copy->inode = disk_hold(file->inode);
	return copy;
}

int description_inherit(struct descriptors *table, struct file *file, struct file **inherited)
{
	int result = file->shared || file->is_mount ? 0 : begin_sharing(file);
	if (result < 0)
		return result;
	struct file *same = file->shared ? find_shared(table, file->shared) : NULL;
	if (!same && table->host_files >= table->host_limit)
		return -E_MFILE;
	*inherited = same ? file_hold(same) : copy_of(file);
	return *inherited ? 0 : -E_NOBUFS;
}

static u32 check_same(const struct description *description, u32 host_descriptor)
{
	struct wasi_filestat stat;
	u32 error = loan_stat_open(host_descriptor, &stat);
	if (!error && (stat.device != description->device || stat.inode != description->inode))
		error = WASI_STALE;
	return error;
}

/* `file` is as `place` was looked up for it; the engine opens what is there now. */
static u32 open_again(struct file *file, uaddr opened)
{
	struct description *shared = file->shared;
	struct file found = {.kind = FILE_HOST};
	struct lookup at = {0};
	lock_acquire(&shared->lock);
	u32 flags = shared->flags;
	lock_release(&shared->lock);
	u32 how = shared->rights & WASI_RIGHTS_FD_WRITE && !shared->is_directory ? LOOKUP_WRITE : 0;
	lookup_keep(&at, opened, sizeof(u32));
	u32 error = lookup_place_again(&at, file->place, how);
	if (!error && file->mount->flags & MOUNT_LAYER)
		error = overlay_give_again(&at, file->mount);
	if (!error)
		error = open_on_host(&at, 0, shared->is_directory ? WASI_OFLAGS_DIRECTORY : 0, shared->rights,
				     shared->rights, flags, opened, &found);
	lookup_end(&at, error);
	if (error)
		return error;
	if (found.inode)
		disk_close(found.inode); /* it has been counted since it was inherited */
	place_release(file->account, found.place);
	error = check_same(shared, found.host_descriptor);
	if (error) {
		native_fd_close(found.host_descriptor);
		return error;
	}
	file->host_descriptor = found.host_descriptor;
	file->engine_flags = flags;
	file->appends = found.appends;
	return WASI_SUCCESS;
}

static int open_inherited(struct file *file)
{
	u32 saved;
	uaddr opened = loan_place(NULL, 0);
	if (!loan_possible())
		return -E_OPNOTSUPP;
	user_copy_in(&saved, opened, sizeof(saved));
	u32 error = open_again(file, opened);
	user_copy_out(opened, &saved, sizeof(saved));
	switch (error) {
	case WASI_SUCCESS: return 0;
	case WASI_NOMEM: return -E_NOMEM;
	case WASI_MFILE: return -E_MFILE;
	default: return -E_STALE; /* another file, or none, or nothing that can be opened like this */
	}
}

int description_open_all(struct descriptors *table)
{
	int result = 0;
	for (u32 number = 0; number < table->size && result == 0; number++) {
		struct file *file = descriptor_get(table, number);
		if (file && file->kind == FILE_HOST && file->host_descriptor == HOST_DESCRIPTOR_NONE)
			result = open_inherited(file);
	}
	return result;
}

/* Under the description's lock. */
static u32 follow_flags(struct file *file)
{
	u32 flags = file->shared->flags;
	if (file->engine_flags == flags)
		return WASI_SUCCESS;
	u32 error =
		file->inode ? counted_set_flags(file, flags) : native_fd_fdstat_set_flags(file->host_descriptor, flags);
	if (!error)
		file->engine_flags = flags;
	return error;
}

u32 shared_flags_follow(struct file *file)
{
	lock_acquire(&file->shared->lock);
	u32 error = follow_flags(file);
	lock_release(&file->shared->lock);
	return error;
}

u32 shared_set_flags(struct file *file, u32 flags)
{
	struct description *shared = file->shared;
	lock_acquire(&shared->lock);
	u32 before = shared->flags;
	shared->flags = flags;
	u32 error = follow_flags(file);
	if (error)
		shared->flags = before;
	lock_release(&shared->lock);
	return error;
}

u32 shared_read(struct file *file, uaddr iovs, u32 count, uaddr moved)
{
	struct description *shared = file->shared;
	u32 done = 0;
	lock_acquire(&shared->lock);
	u32 error = native_fd_pread(file->host_descriptor, iovs, count, shared->offset, moved);
	if (!error && guest_load(&done, moved, sizeof(done)))
		shared->offset += done;
	lock_release(&shared->lock);
	return error;
}

/* The engine appends in one step, also beside others that have the file open by themselves. */
static u32 append(struct file *file, uaddr iovs, u32 count, uaddr moved)
{
	struct wasi_filestat stat;
	u32 error = file->inode ? counted_write(file, iovs, count, NULL, moved)
				: native_fd_write(file->host_descriptor, iovs, count, moved);
	if (!error && loan_stat_open(file->host_descriptor, &stat) == WASI_SUCCESS)
		file->shared->offset = stat.size;
	return error;
}

static u32 write_at_offset(struct file *file, uaddr iovs, u32 count, uaddr moved)
{
	u64 *offset = &file->shared->offset;
	u32 done = 0;
	u32 error = file->inode ? counted_write(file, iovs, count, offset, moved)
				: native_fd_pwrite(file->host_descriptor, iovs, count, *offset, moved);
	if (!error && guest_load(&done, moved, sizeof(done)))
		*offset += done;
	return error;
}

u32 shared_write(struct file *file, uaddr iovs, u32 count, uaddr moved)
{
	struct description *shared = file->shared;
	lock_acquire(&shared->lock);
	u32 error = follow_flags(file);
	if (!error)
		error = shared->flags & WASI_FDFLAGS_APPEND ? append(file, iovs, count, moved)
							    : write_at_offset(file, iovs, count, moved);
	lock_release(&shared->lock);
	return error;
}

/* Under the description's lock: where a seek counts from. */
static u32 origin_of(const struct file *file, u32 whence, u64 *origin)
{
	struct wasi_filestat stat;
	u32 error = WASI_SUCCESS;
	switch (whence) {
	case WHENCE_SET: *origin = 0; break;
	case WHENCE_CUR: *origin = file->shared->offset; break;
	case WHENCE_END:
		error = loan_possible() ? loan_stat_open(file->host_descriptor, &stat) : (u32)WASI_FAULT;
		if (!error)
			*origin = stat.size;
		break;
	default: error = WASI_INVAL;
	}
	return error;
}

u32 shared_seek(struct file *file, i64 delta, u32 whence, uaddr position)
{
	struct description *shared = file->shared;
	u64 origin = 0;
	i64 target = 0;
	if (!user_range_ok(position, sizeof(u64)))
		return WASI_FAULT;
	lock_acquire(&shared->lock);
	u32 error = origin_of(file, whence, &origin);
	if (!error && (__builtin_add_overflow((i64)origin, delta, &target) || target < 0))
		error = WASI_INVAL;
	if (!error)
		shared->offset = (u64)target;
	lock_release(&shared->lock);
	if (!error)
		guest_store(position, &target, sizeof(target));
	return error;
}

u32 shared_tell(struct file *file, uaddr position)
{
	lock_acquire(&file->shared->lock);
	u64 offset = file->shared->offset;
	lock_release(&file->shared->lock);
	return guest_store(position, &offset, sizeof(offset)) ? WASI_SUCCESS : WASI_FAULT;
}

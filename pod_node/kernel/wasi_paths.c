/* WASI calls on paths: each looks its path up, then asks the engine, or answers for /net itself. */
#include "pod_node/kernel/wasi_paths.h"

#include "pod_node/kernel/counted.h"
#include "pod_node/kernel/dev.h"
#include "pod_node/kernel/lock_folders.h"
#include "pod_node/kernel/native.h"
#include "pod_node/kernel/overlay.h"
#include "pod_node/kernel/proc.h"

#include "vnet/fabric/text.h"

#define NET_PATH_MOST 512u

/* What every call of the kind `native(directory, path...)` does; `call` may ask the engine twice. */
#define AT_PATH(at, error, call)                                  \
	do {                                                      \
		while (!error) {                                  \
			error = call;                             \
			if (!error || !lookup_again(&at, &error)) \
				break;                            \
			error = WASI_SUCCESS;                     \
		}                                                 \
	} while (0)

/* In /net, /proc or /dev. */
static bool is_kernel(const struct lookup *at)
{
	return !at->mount || at->mount->flags & MOUNT_KERNEL;
}

/* Which of the kernel's trees it is in: that of the directory where the lookup began, or of the mount. */
static enum file_kind kernel_tree(const struct lookup *at)
{
	if (!at->mount)
		return at->from->kind;
	if (at->mount->flags & MOUNT_DEV)
		return FILE_DEV_DIRECTORY;
	return at->mount->flags & MOUNT_PROC ? FILE_PROC_DIRECTORY : FILE_NET_DIRECTORY;
}

static bool is_counted(const struct lookup *at)
{
	return at->mount && at->mount->flags & MOUNT_PRIVATE;
}

/* The path below it, NUL-terminated. */
static int load_kernel_path(char *path, const struct lookup *at)
{
	u32 skip = at->mount && at->mount->flags & MOUNT_KERNEL ? MIN(at->length, at->mount->target_length + 1) : 0;
	u32 length = at->text ? at->length - skip : at->given.size;
	if (length >= NET_PATH_MOST)
		return -E_NAMETOOLONG;
	if (at->text)
		memcpy(path, at->text + skip, length);
	else if (!guest_load(path, at->given.at, length))
		return -E_FAULT;
	path[length] = 0;
	return 0;
}

static int open_in_tree(enum file_kind tree, const char *path, bool nonblocking, struct file **file)
{
	switch (tree) {
	case FILE_PROC_DIRECTORY: return proc_open(current_process(), path, nonblocking, file);
	case FILE_DEV_DIRECTORY: return dev_open(current_process(), path, nonblocking, file);
	default: return net_open(current_process(), path, nonblocking, file);
	}
}

static u32 open_in_kernel(const struct lookup *at, u32 flags, uaddr opened)
{
	char text[NET_PATH_MOST];
	struct file *file = NULL;
	bool nonblocking = flags & WASI_FDFLAGS_NONBLOCK;
	int result = load_kernel_path(text, at);
	if (result == 0)
		result = open_in_tree(kernel_tree(at), text, nonblocking, &file);
	return result < 0 ? wasi_result(result) : wasi_install(file, opened);
}

/* Opening a FIFO or a device of the host would wait in the host, where nobody could end the pod. */
static u32 refuse_special(const struct lookup *at, u32 lookup)
{
	struct wasi_filestat stat;
	if (!at->mount || !(at->mount->flags & MOUNT_FOREIGN) || !loan_possible() ||
	    !user_range_ok(at->path.at, at->path.size) || at->path.size >= PATH_SIZE)
		return WASI_SUCCESS;
	if (loan_stat(at->descriptor, lookup & WASI_LOOKUP_FOLLOW, at->path, &stat) != WASI_SUCCESS)
		return WASI_SUCCESS;
	switch (stat.filetype) {
	case WASI_FILETYPE_REGULAR_FILE:
	case WASI_FILETYPE_DIRECTORY:
	case WASI_FILETYPE_SYMBOLIC_LINK: return WASI_SUCCESS;
	default: return WASI_NXIO;
	}
}

static u32 open_uncounted(struct lookup *at, u32 lookup, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened,
			  struct file *file)
{
	u32 error = refuse_special(at, lookup);
	if (!error)
		error = native_path_open(at->descriptor, lookup, at->path.at, at->path.size, open, base, inheriting,
					 flags, opened);
	if (!error && !guest_load(&file->host_descriptor, opened, sizeof(u32)))
		error = WASI_FAULT;
	return error;
}

u32 open_on_host(struct lookup *at, u32 lookup, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened,
		 struct file *file)
{
	u32 error = at->overlaid ? overlay_open(at, &open, &base) : (u32)WASI_SUCCESS;
	if (!error)
		error = is_counted(at) ? counted_open(at, lookup, open, base, inheriting, flags, opened, file)
				       : open_uncounted(at, lookup, open, base, inheriting, flags, opened, file);
	if (error)
		return error;
	file->mount = at->mount;
	file->pure = at->pure;
	if (at->mount)
		file->place = lookup_place(at);
	return WASI_SUCCESS;
}

static u32 open_and_install(struct lookup *at, u32 lookup, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened)
{
	struct process *process = current_process();
	if (process->descriptors.host_files >= process->descriptors.host_limit)
		return WASI_MFILE;
	struct file *file = file_create(process->pod->account, FILE_HOST);
	if (!file)
		return WASI_NOMEM;
	u32 error = open_on_host(at, lookup, open, base, inheriting, flags, opened, file);
	if (error) {
		file_release(file);
		return error;
	}
	u32 host_descriptor = file->host_descriptor;
	error = wasi_install(file, opened);
	if (error)
		native_fd_close(host_descriptor);
	return error;
}

static u32 open_found(struct lookup *at, u32 lookup, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened)
{
	if (is_kernel(at))
		return open_in_kernel(at, flags, opened);
	return open_and_install(at, lookup, open, base, inheriting, flags, opened);
}

static u32 how_to_open(u32 lookup, u32 open, u64 rights)
{
	bool writes = open & (WASI_OFLAGS_CREAT | WASI_OFLAGS_TRUNC) ||
		      (rights & WASI_RIGHTS_FD_WRITE && !(open & WASI_OFLAGS_DIRECTORY));
	u32 follow = lookup & WASI_LOOKUP_FOLLOW && !(open & WASI_OFLAGS_EXCL) ? LOOKUP_FOLLOW : 0;
	return follow | (writes ? LOOKUP_WRITE : 0) | (open & WASI_OFLAGS_CREAT ? LOOKUP_APPEAR : 0);
}

WASI_CALL(path_open,
	  (u32 fd, u32 lookup, uaddr path, u32 length, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened),
	  (fd, lookup, path, length, open, base, inheriting, flags, opened))
{
	struct lookup at = {0};
	if (!user_range_ok(opened, sizeof(u32)))
		return WASI_FAULT;
	lookup_keep(&at, opened, sizeof(u32));
	u32 error = lookup_begin(&at, fd, (struct span){path, length}, how_to_open(lookup, open, base));
	AT_PATH(at, error, open_found(&at, lookup, open, base, inheriting, flags, opened));
	return lookup_end(&at, error);
}

static enum wasi_filetype net_filetype(const char *text)
{
	static const char *const directories[] = {".",          "",           "tcp", "tcp/connect",
						  "tcp/listen", "tcp/accept", "udp", "udp/connect",
						  "udp/bind",   "dns",        "sock"};
	static const char *const files[] = {"ctl", "hostname", "hosts", "interfaces"};
	for (u32 i = 0; i < COUNT_OF(directories); i++)
		if (text_equal(text, directories[i]))
			return WASI_FILETYPE_DIRECTORY;
	for (u32 i = 0; i < COUNT_OF(files); i++)
		if (text_equal(text, files[i]))
			return WASI_FILETYPE_REGULAR_FILE;
	return WASI_FILETYPE_UNKNOWN;
}

static enum wasi_filetype filetype_in_tree(enum file_kind tree, const char *path)
{
	switch (tree) {
	case FILE_PROC_DIRECTORY: return proc_filetype(current_process(), path);
	case FILE_DEV_DIRECTORY: return dev_filetype(path);
	default: return net_filetype(path);
	}
}

static u32 stat_in_kernel(const struct lookup *at, uaddr stat)
{
	char text[NET_PATH_MOST];
	int result = load_kernel_path(text, at);
	if (result < 0)
		return wasi_result(result);
	struct wasi_filestat filestat;
	memset(&filestat, 0, sizeof(filestat));
	filestat.filetype = (u8)filetype_in_tree(kernel_tree(at), text);
	if (!filestat.filetype)
		return WASI_NOENT;
	filestat.links = 1;
	return guest_store(stat, &filestat, sizeof(filestat)) ? WASI_SUCCESS : WASI_FAULT;
}

static u32 stat_on_host(struct lookup *at, u32 flags, uaddr stat)
{
	u32 error = at->overlaid ? overlay_give(at) : (u32)WASI_SUCCESS;
	return error ? error : native_path_filestat_get(at->descriptor, flags, at->path.at, at->path.size, stat);
}

WASI_CALL(path_filestat_get, (u32 fd, u32 flags, uaddr path, u32 length, uaddr stat), (fd, flags, path, length, stat))
{
	struct lookup at = {0};
	lookup_keep(&at, stat, sizeof(struct wasi_filestat));
	u32 error = lookup_begin(&at, fd, (struct span){path, length}, flags & WASI_LOOKUP_FOLLOW ? LOOKUP_FOLLOW : 0);
	AT_PATH(at, error, is_kernel(&at) ? stat_in_kernel(&at, stat) : stat_on_host(&at, flags, stat));
	return lookup_end(&at, error);
}

/* Begin a call that changes something; nothing below /net, /proc and /dev can be made, changed or removed. */
static u32 begin_change(struct lookup *at, u32 fd, struct span path, u32 how)
{
	u32 error = lookup_begin(at, fd, path, how | LOOKUP_WRITE | LOOKUP_CHANGE);
	return error ? error : is_kernel(at) ? (u32)WASI_ROFS : (u32)WASI_SUCCESS;
}

static u32 create_directory(struct lookup *at)
{
	u32 error = at->overlaid ? overlay_make(at) : (u32)WASI_SUCCESS;
	if (error)
		return error;
	return is_counted(at) ? counted_create_directory(at)
			      : native_path_create_directory(at->descriptor, at->path.at, at->path.size);
}

WASI_CALL(path_create_directory, (u32 fd, uaddr path, u32 length), (fd, path, length))
{
	struct lookup at = {0};
	u32 error = begin_change(&at, fd, (struct span){path, length}, LOOKUP_CREATE | LOOKUP_APPEAR);
	AT_PATH(at, error, create_directory(&at));
	if (!error)
		lock_folder_made(&at);
	return lookup_end(&at, error);
}

static u32 set_times(struct lookup *at, u32 flags, u64 atim, u64 mtim, u32 times)
{
	u32 error = at->overlaid ? overlay_change(at) : (u32)WASI_SUCCESS;
	return error ? error
		     : native_path_filestat_set_times(at->descriptor, flags, at->path.at, at->path.size, atim, mtim,
						      times);
}

WASI_CALL(path_filestat_set_times, (u32 fd, u32 flags, uaddr path, u32 length, u64 atim, u64 mtim, u32 times),
	  (fd, flags, path, length, atim, mtim, times))
{
	struct lookup at = {0};
	u32 error = begin_change(&at, fd, (struct span){path, length}, flags & WASI_LOOKUP_FOLLOW ? LOOKUP_FOLLOW : 0);
	AT_PATH(at, error, set_times(&at, flags, atim, mtim, times));
	return lookup_end(&at, error);
}

/* A link on a private mount: the guest is given its text without the mark. */
static u32 readlink_marked(const struct lookup *at, uaddr to, u32 size, uaddr used)
{
	struct account *account = current_process()->pod->account;
	u32 length;
	char *text = memory_allocate(account, 2 * PATH_SIZE);
	if (!text)
		return WASI_NOMEM;
	u32 error = loan_readlink(at->descriptor, at->path, text, &length, text + PATH_SIZE);
	if (!error) {
		u32 skip = link_is_marked(text, length) ? LINK_MARK_LENGTH : 0;
		length = MIN(length - skip, size);
		error = guest_store(to, text + skip, length) && guest_store_u32(used, length) ? WASI_SUCCESS
											      : (u32)WASI_FAULT;
	}
	memory_free(account, text, 2 * PATH_SIZE);
	return error;
}

static u32 read_link(struct lookup *at, uaddr to, u32 size, uaddr used)
{
	u32 error = at->overlaid ? overlay_give(at) : (u32)WASI_SUCCESS;
	if (error)
		return error;
	return is_counted(at) ? readlink_marked(at, to, size, used)
			      : native_path_readlink(at->descriptor, at->path.at, at->path.size, to, size, used);
}

WASI_CALL(path_readlink, (u32 fd, uaddr path, u32 length, uaddr to, u32 size, uaddr used),
	  (fd, path, length, to, size, used))
{
	struct lookup at = {0};
	size = MIN(size, PATH_SIZE); /* a link's text is shorter */
	lookup_keep(&at, to, size);
	lookup_keep(&at, used, sizeof(u32));
	u32 error = lookup_begin(&at, fd, (struct span){path, length}, 0);
	if (!error && is_kernel(&at))
		error = WASI_INVAL;
	AT_PATH(at, error, read_link(&at, to, size, used));
	return lookup_end(&at, error);
}

static u32 remove_directory(struct lookup *at)
{
	if (at->overlaid)
		return overlay_remove_directory(at);
	return is_counted(at) ? counted_remove_directory(at)
			      : native_path_remove_directory(at->descriptor, at->path.at, at->path.size);
}

WASI_CALL(path_remove_directory, (u32 fd, uaddr path, u32 length), (fd, path, length))
{
	struct lookup at = {0};
	u32 error = begin_change(&at, fd, (struct span){path, length}, LOOKUP_REMOVE);
	AT_PATH(at, error, remove_directory(&at));
	if (!error)
		lock_folder_removed(&at);
	return lookup_end(&at, error);
}

static u32 unlink_file(struct lookup *at)
{
	if (at->overlaid)
		return overlay_unlink(at);
	return is_counted(at) ? counted_unlink(at)
			      : native_path_unlink_file(at->descriptor, at->path.at, at->path.size);
}

WASI_CALL(path_unlink_file, (u32 fd, uaddr path, u32 length), (fd, path, length))
{
	struct lookup at = {0};
	u32 error = begin_change(&at, fd, (struct span){path, length}, LOOKUP_REMOVE);
	AT_PATH(at, error, unlink_file(&at));
	return lookup_end(&at, error);
}

/* Make a link with a text of the kernel's: an absolute one has a mark before it, because the engine takes none. */
static u32 symlink_marked(struct span target, struct lookup *at)
{
	u8 saved[LINK_MARK_LENGTH + PATH_SIZE / 4];
	char text[sizeof(saved)];
	struct span spans[] = {at->path, {loan_place(&at->path, 1), LINK_MARK_LENGTH + target.size}};
	if (spans[1].size > sizeof(saved))
		return WASI_NAMETOOLONG;
	memcpy(text, LINK_MARK, LINK_MARK_LENGTH);
	user_copy_in(text + LINK_MARK_LENGTH, target.at, target.size);
	user_copy_in(saved, spans[1].at, spans[1].size);
	user_copy_out(spans[1].at, text, spans[1].size);
	u32 error = counted_symlink(spans[1], at);
	user_copy_out(spans[1].at, saved, spans[1].size);
	return error;
}

static u32 symlink_to(struct span target, struct lookup *at)
{
	char first;
	u32 error = at->overlaid ? overlay_make(at) : (u32)WASI_SUCCESS;
	if (error)
		return error;
	if (!is_counted(at))
		return native_path_symlink(target.at, target.size, at->descriptor, at->path.at, at->path.size);
	if (target.size && guest_load(&first, target.at, 1) && first == '/' && user_range_ok(target.at, target.size))
		return symlink_marked(target, at);
	return counted_symlink(target, at);
}

WASI_CALL(path_symlink, (uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),
	  (old, old_length, fd, new, new_length))
{
	struct lookup at = {0};
	if (old_length >= PATH_SIZE)
		return WASI_NAMETOOLONG;
	lookup_keep(&at, old, old_length);
	u32 error = begin_change(&at, fd, (struct span){new, new_length}, LOOKUP_CREATE | LOOKUP_APPEAR);
	AT_PATH(at, error, symlink_to((struct span){old, old_length}, &at));
	return lookup_end(&at, error);
}

/* Two paths of one call. Each is given to the engine while the other one is, so neither may be lent over the other. */
static u32 begin_pair(struct lookup *from, struct lookup *to, u32 from_how, u32 to_how)
{
	if (from->given.size >= PATH_SIZE || to->given.size >= PATH_SIZE)
		return WASI_NAMETOOLONG;
	lookup_keep(from, to->given.at, to->given.size);
	u32 error = begin_change(from, from->fd, from->given, from_how);
	if (error)
		return error;
	lookup_keep(to, from->path.at, from->path.size);
	lookup_keep(to, from->given.at, from->given.size);
	error = begin_change(to, to->fd, to->given, to_how);
	if (!error && from->mount != to->mount)
		error = WASI_XDEV;
	return error;
}

/* The engine refused one of two paths: which one is not known, so both are looked up once more. */
static bool pair_again(struct lookup *from, struct lookup *to, u32 *error)
{
	if (!from->again && !to->again)
		return false;
	from->keep[0] = to->path;
	if (from->again && !lookup_again(from, error))
		return false;
	to->keep[0] = from->path;
	if (to->again && !lookup_again(to, error))
		return false;
	if (from->mount != to->mount)
		*error = WASI_XDEV;
	return from->mount == to->mount;
}

static u32 link_pair(struct lookup *from, u32 flags, struct lookup *to)
{
	u32 error = from->overlaid || to->overlaid ? overlay_begin_link(from, to) : (u32)WASI_SUCCESS;
	if (error)
		return error;
	return native_path_link(from->descriptor, flags, from->path.at, from->path.size, to->descriptor, to->path.at,
				to->path.size);
}

WASI_CALL(path_link, (u32 old_fd, u32 flags, uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),
	  (old_fd, flags, old, old_length, fd, new, new_length))
{
	struct lookup from = {.fd = old_fd, .given = {old, old_length}}, to = {.fd = fd, .given = {new, new_length}};
	u32 error =
		begin_pair(&from, &to, flags & WASI_LOOKUP_FOLLOW ? LOOKUP_FOLLOW : 0, LOOKUP_CREATE | LOOKUP_APPEAR);
	if (!error) {
		error = link_pair(&from, flags, &to);
		if (error && pair_again(&from, &to, &error))
			error = link_pair(&from, flags, &to);
	}
	error = lookup_end(&to, error);
	return lookup_end(&from, error);
}

static u32 rename_pair(struct lookup *from, struct lookup *to)
{
	if (from->mount == current_process()->mounts->upper &&
	    mounts_layer_below(current_process()->mounts, from->text, from->length))
		return WASI_XDEV;
	if (from->overlaid || to->overlaid)
		return overlay_rename(from, to);
	if (is_counted(to))
		return counted_rename(from, to);
	return native_path_rename(from->descriptor, from->path.at, from->path.size, to->descriptor, to->path.at,
				  to->path.size);
}

WASI_CALL(path_rename, (u32 old_fd, uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),
	  (old_fd, old, old_length, fd, new, new_length))
{
	struct lookup from = {.fd = old_fd, .given = {old, old_length}}, to = {.fd = fd, .given = {new, new_length}};
	u32 error = begin_pair(&from, &to, LOOKUP_REMOVE, LOOKUP_REMOVE | LOOKUP_APPEAR);
	if (!error) {
		error = rename_pair(&from, &to);
		if (error && pair_again(&from, &to, &error))
			error = rename_pair(&from, &to);
	}
	error = lookup_end(&to, error);
	return lookup_end(&from, error);
}

/* WASI calls on descriptors and paths. Files of the host go to the engine's WASI under their own numbers;
 * kernel objects answer here. */
#include "pod_node/kernel/native.h"
#include "pod_node/kernel/proc.h"
#include "pod_node/kernel/wasi.h"

#include "vnet/fabric/text.h"

#define PATH_MOST 512u
#define NET_PATH "/net"

static struct file *file_of(u32 fd)
{
	return descriptor_get(&current_process()->descriptors, fd);
}

static bool is_kernel_directory(const struct file *file)
{
	return file->kind == FILE_NET_DIRECTORY || file->kind == FILE_PROC_DIRECTORY;
}

/* Answer for anything that is not a file of the host: a bad descriptor, or an object that cannot do this. */
static u32 refuse(const struct file *file, u32 error)
{
	return file ? error : (u32)WASI_BADF;
}

#define ON_HOST(fd, call, other)                       \
	do {                                           \
		const struct file *host = file_of(fd); \
		if (!host || host->kind != FILE_HOST)  \
			return refuse(host, other);    \
		fd = host->host_descriptor;            \
		return call;                           \
	} while (0)

WASI_CALL(fd_advise, (u32 fd, u64 offset, u64 length, u32 advice), (fd, offset, length, advice))
{
	ON_HOST(fd, native_fd_advise(fd, offset, length, advice), WASI_SPIPE);
}

WASI_CALL(fd_allocate, (u32 fd, u64 offset, u64 length), (fd, offset, length))
{
	ON_HOST(fd, native_fd_allocate(fd, offset, length), WASI_SPIPE);
}

WASI_CALL(fd_datasync, (u32 fd), (fd))
{
	ON_HOST(fd, native_fd_datasync(fd), WASI_INVAL);
}

WASI_CALL(fd_sync, (u32 fd), (fd))
{
	ON_HOST(fd, native_fd_sync(fd), WASI_INVAL);
}

WASI_CALL(fd_fdstat_set_rights, (u32 fd, u64 base, u64 inheriting), (fd, base, inheriting))
{
	ON_HOST(fd, native_fd_fdstat_set_rights(fd, base, inheriting), WASI_SUCCESS);
}

WASI_CALL(fd_filestat_set_size, (u32 fd, u64 size), (fd, size))
{
	ON_HOST(fd, native_fd_filestat_set_size(fd, size), WASI_INVAL);
}

WASI_CALL(fd_filestat_set_times, (u32 fd, u64 atim, u64 mtim, u32 flags), (fd, atim, mtim, flags))
{
	ON_HOST(fd, native_fd_filestat_set_times(fd, atim, mtim, flags), WASI_INVAL);
}

WASI_CALL(fd_pread, (u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size), (fd, iovs, count, offset, size))
{
	ON_HOST(fd, native_fd_pread(fd, iovs, count, offset, size), WASI_SPIPE);
}

WASI_CALL(fd_pwrite, (u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size), (fd, iovs, count, offset, size))
{
	ON_HOST(fd, native_fd_pwrite(fd, iovs, count, offset, size), WASI_SPIPE);
}

WASI_CALL(fd_seek, (u32 fd, u64 offset, u32 whence, uaddr position), (fd, offset, whence, position))
{
	ON_HOST(fd, native_fd_seek(fd, offset, whence, position), WASI_SPIPE);
}

WASI_CALL(fd_tell, (u32 fd, uaddr position), (fd, position))
{
	ON_HOST(fd, native_fd_tell(fd, position), WASI_SPIPE);
}

WASI_CALL(fd_readdir, (u32 fd, uaddr buffer, u32 length, u64 cookie, uaddr size), (fd, buffer, length, cookie, size))
{
	struct file *file = file_of(fd);
	if (file && is_kernel_directory(file)) /* its names are questions, not entries */
		return guest_store_u32(size, 0) ? WASI_SUCCESS : WASI_FAULT;
	ON_HOST(fd, native_fd_readdir(fd, buffer, length, cookie, size), WASI_NOTDIR);
}

/* The name of a directory of the kernel's that the process was given at its start; NULL for anything else. */
static const char *preopened_name(u32 fd)
{
	const struct process *process = current_process();
	const struct file *file = file_of(fd);
	if (file && file->kind == FILE_NET_DIRECTORY && fd == process->net_directory)
		return NET_PATH;
	if (file && file->kind == FILE_PROC_DIRECTORY && fd == process->proc_directory)
		return PROC_PATH;
	return NULL;
}

WASI_CALL(fd_prestat_get, (u32 fd, uaddr stat), (fd, stat))
{
	const char *name = preopened_name(fd);
	if (name) {
		u32 prestat[2] = {0, text_length(name)}; /* tag: a directory; length of its name */
		return guest_store(stat, prestat, sizeof(prestat)) ? WASI_SUCCESS : WASI_FAULT;
	}
	ON_HOST(fd, native_fd_prestat_get(fd, stat), WASI_BADF);
}

WASI_CALL(fd_prestat_dir_name, (u32 fd, uaddr path, u32 size), (fd, path, size))
{
	const char *name = preopened_name(fd);
	if (name) {
		if (size < text_length(name))
			return WASI_NAMETOOLONG;
		return guest_store(path, name, text_length(name)) ? WASI_SUCCESS : WASI_FAULT;
	}
	ON_HOST(fd, native_fd_prestat_dir_name(fd, path, size), WASI_BADF);
}

static u8 filetype_of(const struct file *file)
{
	switch (file->kind) {
	case FILE_SOCKET:
		return file->socket->kind == SOCKET_DATAGRAM ? WASI_FILETYPE_SOCKET_DGRAM : WASI_FILETYPE_SOCKET_STREAM;
	case FILE_PROC_DIRECTORY:
	case FILE_NET_DIRECTORY: return WASI_FILETYPE_DIRECTORY;
	case FILE_TEXT:
	case FILE_PROC_CONTROL:
	case FILE_CONTROL: return WASI_FILETYPE_REGULAR_FILE;
	default: /* WASI has no type for pipes; with the right to seek this is no terminal */
		return WASI_FILETYPE_CHARACTER_DEVICE;
	}
}

WASI_CALL(fd_fdstat_get, (u32 fd, uaddr stat), (fd, stat))
{
	struct file *file = file_of(fd);
	if (!file || file->kind == FILE_HOST)
		ON_HOST(fd, native_fd_fdstat_get(fd, stat), WASI_BADF);
	struct wasi_fdstat fdstat;
	memset(&fdstat, 0, sizeof(fdstat));
	fdstat.filetype = filetype_of(file);
	fdstat.flags = file->nonblocking ? WASI_FDFLAGS_NONBLOCK : 0;
	fdstat.rights_base = fdstat.rights_inheriting = WASI_RIGHTS_ALL;
	return guest_store(stat, &fdstat, sizeof(fdstat)) ? WASI_SUCCESS : WASI_FAULT;
}

WASI_CALL(fd_fdstat_set_flags, (u32 fd, u32 flags), (fd, flags))
{
	struct file *file = file_of(fd);
	if (!file || file->kind == FILE_HOST)
		ON_HOST(fd, native_fd_fdstat_set_flags(fd, flags), WASI_BADF);
	file->nonblocking = flags & WASI_FDFLAGS_NONBLOCK;
	return WASI_SUCCESS;
}

WASI_CALL(fd_filestat_get, (u32 fd, uaddr stat), (fd, stat))
{
	struct file *file = file_of(fd);
	current_process()->asked = fd;
	if (!file || file->kind == FILE_HOST)
		ON_HOST(fd, native_fd_filestat_get(fd, stat), WASI_BADF);
	struct wasi_filestat filestat;
	memset(&filestat, 0, sizeof(filestat));
	filestat.filetype = filetype_of(file);
	filestat.inode = file->kind == FILE_SOCKET ? file->socket->id : 0;
	filestat.links = 1;
	return guest_store(stat, &filestat, sizeof(filestat)) ? WASI_SUCCESS : WASI_FAULT;
}

WASI_CALL(fd_read, (u32 fd, uaddr iovs, u32 count, uaddr size), (fd, iovs, count, size))
{
	struct file *file = file_of(fd);
	if (!file || file->kind == FILE_HOST)
		ON_HOST(fd, native_fd_read(fd, iovs, count, size), WASI_BADF);
	if (!user_range_ok(size, sizeof(u32)))
		return WASI_FAULT;
	i32 moved = wasi_transfer_in(file, iovs, count, !file->nonblocking, false, false);
	if (moved >= 0)
		guest_store_u32(size, (u32)moved);
	return wasi_result(moved);
}

/* A write to a file of `/net` is one command; it does not continue over several calls. */
static i32 write_command(struct file *file, uaddr iovs, u32 count)
{
	struct wasi_iovec list[WASI_IOVS_MOST];
	char command[TEXT_SIZE];
	int buffers = wasi_read_iovs(iovs, count, list);
	if (buffers < 0)
		return buffers;
	u32 length = 0;
	for (int i = 0; i < buffers; i++) {
		if (list[i].length > sizeof(command) - length)
			return -E_MSGSIZE;
		user_copy_in(command + length, list[i].buffer, list[i].length);
		length += list[i].length;
	}
	if (file->kind == FILE_PROC_CONTROL)
		return proc_control(current_process(), file, command, length);
	if (file->kind == FILE_CONTROL)
		return net_control(current_process(), file, command, length);
	return net_write_options(current_process(), file, command, length);
}

WASI_CALL(fd_write, (u32 fd, uaddr iovs, u32 count, uaddr size), (fd, iovs, count, size))
{
	struct file *file = file_of(fd);
	if (!file || file->kind == FILE_HOST)
		ON_HOST(fd, native_fd_write(fd, iovs, count, size), WASI_BADF);
	if (!user_range_ok(size, sizeof(u32)))
		return WASI_FAULT;
	i32 moved = file->kind == FILE_CONTROL || file->kind == FILE_PROC_CONTROL || file->option_socket
			    ? write_command(file, iovs, count)
			    : wasi_transfer_out(file, iovs, count, !file->nonblocking);
	if (moved >= 0)
		guest_store_u32(size, (u32)moved);
	return wasi_result(moved);
}

static u32 close_file(struct file *file)
{
	u32 error = WASI_SUCCESS;
	if (file->kind == FILE_HOST && atomic_load(&file->references) == 1)
		error = native_fd_close(file->host_descriptor);
	file_release(file);
	return error;
}

WASI_CALL(fd_close, (u32 fd), (fd))
{
	struct file *file = descriptor_remove(&current_process()->descriptors, fd);
	return file ? close_file(file) : (u32)WASI_BADF;
}

WASI_CALL(fd_renumber, (u32 from, u32 to), (from, to))
{
	struct descriptors *table = &current_process()->descriptors;
	struct file *replaced = descriptor_get(table, to);
	if (!replaced || !descriptor_get(table, from))
		return WASI_BADF;
	file_hold(replaced);
	int result = descriptor_move(table, from, to);
	close_file(replaced);
	return wasi_result(result);
}

/* A path below /net, copied in and NUL-terminated. */
static int load_path(char *path, uaddr from, u32 length)
{
	if (length >= PATH_MOST)
		return -E_NAMETOOLONG;
	if (!guest_load(path, from, length))
		return -E_FAULT;
	path[length] = 0;
	return 0;
}

static u32 open_in_kernel(const struct file *directory, uaddr path, u32 length, u32 flags, uaddr opened)
{
	char text[PATH_MOST];
	struct file *file = NULL;
	bool nonblocking = flags & WASI_FDFLAGS_NONBLOCK;
	int result = load_path(text, path, length);
	if (result == 0)
		result = directory->kind == FILE_PROC_DIRECTORY ? proc_open(current_process(), text, nonblocking, &file)
								: net_open(current_process(), text, nonblocking, &file);
	return result < 0 ? wasi_result(result) : wasi_install(file, opened);
}

static u32 open_on_host(const struct file *directory, u32 lookup, uaddr path, u32 length, u32 open, u64 base,
			u64 inheriting, u32 flags, uaddr opened)
{
	struct process *process = current_process();
	if (process->descriptors.host_files >= process->descriptors.host_limit)
		return WASI_MFILE;
	struct file *file = file_create(process->pod->account, FILE_HOST);
	if (!file)
		return WASI_NOMEM;
	u32 error = native_path_open(directory->host_descriptor, lookup, path, length, open, base, inheriting, flags,
				     opened);
	if (error || !guest_load(&file->host_descriptor, opened, sizeof(u32))) {
		file_release(file);
		return error ? error : (u32)WASI_FAULT;
	}
	u32 host_descriptor = file->host_descriptor;
	error = wasi_install(file, opened);
	if (error)
		native_fd_close(host_descriptor);
	return error;
}

WASI_CALL(path_open,
	  (u32 fd, u32 lookup, uaddr path, u32 length, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened),
	  (fd, lookup, path, length, open, base, inheriting, flags, opened))
{
	struct file *file = file_of(fd);
	if (file && is_kernel_directory(file))
		return open_in_kernel(file, path, length, flags, opened);
	if (!file || file->kind != FILE_HOST)
		return refuse(file, WASI_NOTDIR);
	return open_on_host(file, lookup, path, length, open, base, inheriting, flags, opened);
}

static u32 stat_below_proc(uaddr path, u32 length, uaddr stat)
{
	char text[PATH_MOST];
	int result = load_path(text, path, length);
	if (result < 0)
		return wasi_result(result);
	struct wasi_filestat filestat;
	memset(&filestat, 0, sizeof(filestat));
	filestat.filetype = (u8)proc_filetype(current_process(), text);
	if (!filestat.filetype)
		return WASI_NOENT;
	filestat.links = 1;
	return guest_store(stat, &filestat, sizeof(filestat)) ? WASI_SUCCESS : WASI_FAULT;
}

static u32 stat_below_net(uaddr path, u32 length, uaddr stat)
{
	static const char *const directories[] = {".",          "",           "tcp", "tcp/connect",
						  "tcp/listen", "tcp/accept", "udp", "udp/connect",
						  "udp/bind",   "dns",        "sock"};
	static const char *const files[] = {"ctl", "hostname", "hosts", "interfaces"};
	char text[PATH_MOST];
	int result = load_path(text, path, length);
	if (result < 0)
		return wasi_result(result);
	struct wasi_filestat filestat;
	memset(&filestat, 0, sizeof(filestat));
	for (u32 i = 0; i < COUNT_OF(directories); i++)
		if (text_equal(text, directories[i]))
			filestat.filetype = WASI_FILETYPE_DIRECTORY;
	for (u32 i = 0; i < COUNT_OF(files); i++)
		if (text_equal(text, files[i]))
			filestat.filetype = WASI_FILETYPE_REGULAR_FILE;
	if (!filestat.filetype)
		return WASI_NOENT;
	filestat.links = 1;
	return guest_store(stat, &filestat, sizeof(filestat)) ? WASI_SUCCESS : WASI_FAULT;
}

WASI_CALL(path_filestat_get, (u32 fd, u32 flags, uaddr path, u32 length, uaddr stat), (fd, flags, path, length, stat))
{
	struct file *file = file_of(fd);
	if (file && file->kind == FILE_PROC_DIRECTORY)
		return stat_below_proc(path, length, stat);
	if (file && file->kind == FILE_NET_DIRECTORY)
		return stat_below_net(path, length, stat);
	ON_HOST(fd, native_path_filestat_get(fd, flags, path, length, stat), WASI_NOTDIR);
}

/* Nothing below /net can be made, changed or removed. */
static u32 refuse_change(const struct file *file)
{
	return refuse(file, file && is_kernel_directory(file) ? WASI_ROFS : WASI_NOTDIR);
}

WASI_CALL(path_create_directory, (u32 fd, uaddr path, u32 length), (fd, path, length))
{
	ON_HOST(fd, native_path_create_directory(fd, path, length), refuse_change(host));
}

WASI_CALL(path_filestat_set_times, (u32 fd, u32 flags, uaddr path, u32 length, u64 atim, u64 mtim, u32 times),
	  (fd, flags, path, length, atim, mtim, times))
{
	ON_HOST(fd, native_path_filestat_set_times(fd, flags, path, length, atim, mtim, times), refuse_change(host));
}

WASI_CALL(path_readlink, (u32 fd, uaddr path, u32 length, uaddr to, u32 size, uaddr used),
	  (fd, path, length, to, size, used))
{
	ON_HOST(fd, native_path_readlink(fd, path, length, to, size, used), WASI_INVAL);
}

WASI_CALL(path_remove_directory, (u32 fd, uaddr path, u32 length), (fd, path, length))
{
	ON_HOST(fd, native_path_remove_directory(fd, path, length), refuse_change(host));
}

WASI_CALL(path_unlink_file, (u32 fd, uaddr path, u32 length), (fd, path, length))
{
	ON_HOST(fd, native_path_unlink_file(fd, path, length), refuse_change(host));
}

WASI_CALL(path_symlink, (uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),
	  (old, old_length, fd, new, new_length))
{
	ON_HOST(fd, native_path_symlink(old, old_length, fd, new, new_length), refuse_change(host));
}

WASI_CALL(path_link, (u32 old_fd, u32 flags, uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),
	  (old_fd, flags, old, old_length, fd, new, new_length))
{
	const struct file *source = file_of(old_fd);
	if (!source || source->kind != FILE_HOST)
		return refuse_change(source);
	ON_HOST(fd, native_path_link(source->host_descriptor, flags, old, old_length, fd, new, new_length),
		refuse_change(host));
}

WASI_CALL(path_rename, (u32 old_fd, uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),
	  (old_fd, old, old_length, fd, new, new_length))
{
	const struct file *source = file_of(old_fd);
	if (!source || source->kind != FILE_HOST)
		return refuse_change(source);
	ON_HOST(fd, native_path_rename(source->host_descriptor, old, old_length, fd, new, new_length),
		refuse_change(host));
}

WASI_CALL(sched_yield, (void), ())
{
	return WASI_SUCCESS;
}

WASI_CALL(clock_time_get, (u32 id, u64 precision, uaddr time), (id, precision, time))
{
	(void)precision;
	if (id > CLOCK_ID_MONOTONIC)
		return WASI_INVAL; /* no CPU time clocks */
	u64 now = clock_now(id);
	return guest_store(time, &now, sizeof(now)) ? WASI_SUCCESS : WASI_FAULT;
}

/* WASI calls on descriptors. Files of the host go to the engine's WASI under their own numbers;
 * kernel objects answer here. */
#include "pod_node/kernel/counted.h"
#include "pod_node/kernel/description.h"
#include "pod_node/kernel/dev.h"
#include "pod_node/kernel/listing.h"
#include "pod_node/kernel/native.h"
#include "pod_node/kernel/overlay.h"
#include "pod_node/kernel/proc.h"
#include "pod_node/kernel/wasi.h"

#include "vnet/fabric/text.h"

#define NET_PATH "/net"

static struct file *file_of(u32 fd)
{
	return descriptor_get(&current_process()->descriptors, fd);
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
	struct file *file = file_of(fd);
	if (file && file->inode)
		return counted_allocate(file, offset, length);
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
	struct file *file = file_of(fd);
	if (file && file->inode)
		return counted_set_size(file, size);
	ON_HOST(fd, native_fd_filestat_set_size(fd, size), WASI_INVAL);
}

WASI_CALL(fd_filestat_set_times, (u32 fd, u64 atim, u64 mtim, u32 flags), (fd, atim, mtim, flags))
{
	struct file *file = file_of(fd);
	if (file && file->kind == FILE_HOST && file->mount && file->mount->flags & MOUNT_LAYER && file->place)
		return loan_possible() ? overlay_set_times(file, atim, mtim, flags) : (u32)WASI_FAULT;
	ON_HOST(fd, native_fd_filestat_set_times(fd, atim, mtim, flags), WASI_INVAL);
}

WASI_CALL(fd_pread, (u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size), (fd, iovs, count, offset, size))
{
	ON_HOST(fd, native_fd_pread(fd, iovs, count, offset, size), WASI_SPIPE);
}

WASI_CALL(fd_pwrite, (u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size), (fd, iovs, count, offset, size))
{
	struct file *file = file_of(fd);
	u32 error = file && file_is_shared(file) ? shared_flags_follow(file) : (u32)WASI_SUCCESS;
	if (error)
		return error;
	if (file && file->inode)
		return counted_write(file, iovs, count, &offset, size);
	ON_HOST(fd, native_fd_pwrite(fd, iovs, count, offset, size), WASI_SPIPE);
}

WASI_CALL(fd_seek, (u32 fd, u64 offset, u32 whence, uaddr position), (fd, offset, whence, position))
{
	struct file *file = file_of(fd);
	if (file && file_is_shared(file))
		return shared_seek(file, (i64)offset, whence, position);
	ON_HOST(fd, native_fd_seek(fd, offset, whence, position), WASI_SPIPE);
}

WASI_CALL(fd_tell, (u32 fd, uaddr position), (fd, position))
{
	struct file *file = file_of(fd);
	if (file && file_is_shared(file))
		return shared_tell(file, position);
	ON_HOST(fd, native_fd_tell(fd, position), WASI_SPIPE);
}

WASI_CALL(fd_readdir, (u32 fd, uaddr buffer, u32 length, u64 cookie, uaddr size), (fd, buffer, length, cookie, size))
{
	struct file *file = file_of(fd);
	if (file && file->kind == FILE_DEV_DIRECTORY)
		return dev_list(buffer, length, cookie, size);
	if (file && file_is_kernel_directory(file)) /* its names are questions, not entries */
		return guest_store_u32(size, 0) ? WASI_SUCCESS : WASI_FAULT;
	if (file && listing_wanted(file, cookie))
		return listing_read(file, buffer, length, cookie, size);
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

static bool is_terminal(const struct file *file)
{
	return (file->kind == FILE_PIPE_READER || file->kind == FILE_PIPE_WRITER) && file->pipe->terminal;
}

static u8 filetype_of(const struct file *file)
{
	switch (file->kind) {
	case FILE_SOCKET:
		return file->socket->kind == SOCKET_DATAGRAM ? WASI_FILETYPE_SOCKET_DGRAM : WASI_FILETYPE_SOCKET_STREAM;
	case FILE_DEV_DIRECTORY:
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
	u32 error = file && file_is_shared(file) ? shared_flags_follow(file) : (u32)WASI_SUCCESS;
	if (error)
		return error;
	if (!file || file->kind == FILE_HOST)
		ON_HOST(fd, native_fd_fdstat_get(fd, stat), WASI_BADF);
	struct wasi_fdstat fdstat;
	memset(&fdstat, 0, sizeof(fdstat));
	fdstat.filetype = filetype_of(file);
	fdstat.flags = file->nonblocking ? WASI_FDFLAGS_NONBLOCK : 0;
	fdstat.rights_base = fdstat.rights_inheriting = WASI_RIGHTS_ALL;
	if (is_terminal(file)) /* isatty of C libraries: a character device that cannot be sought in */
		fdstat.rights_base &= ~(u64)(WASI_RIGHTS_FD_SEEK | WASI_RIGHTS_FD_TELL);
	return guest_store(stat, &fdstat, sizeof(fdstat)) ? WASI_SUCCESS : WASI_FAULT;
}

WASI_CALL(fd_fdstat_set_flags, (u32 fd, u32 flags), (fd, flags))
{
	struct file *file = file_of(fd);
	if (file && file_is_shared(file))
		return shared_set_flags(file, flags);
	if (file && file->inode)
		return counted_set_flags(file, flags);
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
	if (file && file_is_shared(file))
		return shared_read(file, iovs, count, size);
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
	if (file && file_is_shared(file))
		return shared_write(file, iovs, count, size);
	if (file && file->inode)
		return counted_write(file, iovs, count, NULL, size);
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

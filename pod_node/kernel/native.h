/* WASI of the engine below, reached through the glue module: files of the host, and the end of a process.
 *
 * Addresses are the guest's own; the engine checks them. Descriptors are the engine's.
 */
#ifndef PODNET_KERNEL_NATIVE_H
#define PODNET_KERNEL_NATIVE_H

#include "vnet/fabric/platform.h"

#ifdef __wasm__
#define NATIVE(name) __attribute__((import_module("glue"), import_name(#name)))
#else
#define NATIVE(name)
#endif

NATIVE(proc_exit) _Noreturn void native_proc_exit(u32 status);
NATIVE(fd_advise) u32 native_fd_advise(u32 fd, u64 offset, u64 length, u32 advice);
NATIVE(fd_allocate) u32 native_fd_allocate(u32 fd, u64 offset, u64 length);
NATIVE(fd_close) u32 native_fd_close(u32 fd);
NATIVE(fd_datasync) u32 native_fd_datasync(u32 fd);
NATIVE(fd_fdstat_get) u32 native_fd_fdstat_get(u32 fd, uaddr stat);
NATIVE(fd_fdstat_set_flags) u32 native_fd_fdstat_set_flags(u32 fd, u32 flags);
NATIVE(fd_fdstat_set_rights) u32 native_fd_fdstat_set_rights(u32 fd, u64 base, u64 inheriting);
NATIVE(fd_filestat_get) u32 native_fd_filestat_get(u32 fd, uaddr stat);
NATIVE(fd_filestat_set_size) u32 native_fd_filestat_set_size(u32 fd, u64 size);
NATIVE(fd_filestat_set_times) u32 native_fd_filestat_set_times(u32 fd, u64 atim, u64 mtim, u32 flags);
NATIVE(fd_pread) u32 native_fd_pread(u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size);
NATIVE(fd_prestat_get) u32 native_fd_prestat_get(u32 fd, uaddr stat);
NATIVE(fd_prestat_dir_name) u32 native_fd_prestat_dir_name(u32 fd, uaddr path, u32 size);
NATIVE(fd_pwrite) u32 native_fd_pwrite(u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size);
NATIVE(fd_read) u32 native_fd_read(u32 fd, uaddr iovs, u32 count, uaddr size);
NATIVE(fd_readdir) u32 native_fd_readdir(u32 fd, uaddr buffer, u32 length, u64 cookie, uaddr size);
NATIVE(fd_seek) u32 native_fd_seek(u32 fd, u64 offset, u32 whence, uaddr position);
NATIVE(fd_sync) u32 native_fd_sync(u32 fd);
NATIVE(fd_tell) u32 native_fd_tell(u32 fd, uaddr position);
NATIVE(fd_write) u32 native_fd_write(u32 fd, uaddr iovs, u32 count, uaddr size);
NATIVE(random_get) u32 native_random_get(uaddr to, u32 size);
NATIVE(path_create_directory) u32 native_path_create_directory(u32 fd, uaddr path, u32 length);
NATIVE(path_filestat_get) u32 native_path_filestat_get(u32 fd, u32 flags, uaddr path, u32 length, uaddr stat);
NATIVE(path_filestat_set_times)
u32 native_path_filestat_set_times(u32 fd, u32 flags, uaddr path, u32 length, u64 atim, u64 mtim, u32 times);
NATIVE(path_link)
u32 native_path_link(u32 old_fd, u32 flags, uaddr old, u32 old_length, u32 new_fd, uaddr new, u32 new_length);
NATIVE(path_open)
u32 native_path_open(u32 fd, u32 lookup, uaddr path, u32 length, u32 open, u64 base, u64 inheriting, u32 flags,
		     uaddr opened);
NATIVE(path_readlink) u32 native_path_readlink(u32 fd, uaddr path, u32 length, uaddr to, u32 size, uaddr used);
NATIVE(path_remove_directory) u32 native_path_remove_directory(u32 fd, uaddr path, u32 length);
NATIVE(path_rename)
u32 native_path_rename(u32 fd, uaddr old, u32 old_length, u32 new_fd, uaddr new, u32 new_length);
NATIVE(path_symlink) u32 native_path_symlink(uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length);
NATIVE(path_unlink_file) u32 native_path_unlink_file(u32 fd, uaddr path, u32 length);

#endif

/* `/dev`, where a pod has a root: a few devices, none of the host's. */
#ifndef PODNET_KERNEL_DEV_H
#define PODNET_KERNEL_DEV_H

#include "pod_node/kernel/process.h"

#define DEV_PATH "/dev"

int dev_open(struct process *process, const char *path, bool nonblocking, struct file **opened);
/* WASI_FILETYPE_UNKNOWN for what is not there. */
enum wasi_filetype dev_filetype(const char *path);
/* `fd_readdir` of /dev itself. */
u32 dev_list(uaddr buffer, u32 length, u64 cookie, uaddr used);

/* Of FILE_ZERO, FILE_FULL and FILE_RANDOM. */
i32 dev_read(const struct file *file, uaddr to, u32 size);

#endif

/* `/proc`: processes as files, for runtimes that have no calls for them; docs/processes.md has the tree. */
#ifndef PODNET_KERNEL_PROC_H
#define PODNET_KERNEL_PROC_H

#include "pod_node/kernel/wasi.h"

#define PROC_PATH "/proc"

/* Open what `path` names below the directory. A new file, or a negative errno. */
int proc_open(struct process *process, const char *path, bool nonblocking, struct file **opened);
/* What kind of file `path` names, without opening it; 0 for none. */
enum wasi_filetype proc_filetype(struct process *process, const char *path);
/* A command written to /proc/ctl; the reply is left in the file's text. */
i32 proc_control(struct process *process, struct file *file, const char *command, u32 length);
/* A pipe of the caller's own; its two ends. 0 or a negative errno. */
int proc_pipe(struct process *process, struct file **reader, struct file **writer);
/* `size` bytes at `from` in the guest's memory are a request. The child's number, or a negative errno. */
i32 proc_spawn(struct process *process, uaddr from, u32 size);

#endif

/* What opens files of the host, for `path_open` and for what a process inherits. */
#ifndef PODNET_KERNEL_WASI_PATHS_H
#define PODNET_KERNEL_WASI_PATHS_H

#include "pod_node/kernel/lookup.h"

/* Have the engine open what was looked up, its number left at `opened`, and note in `file` what it is. A WASI errno. */
u32 open_on_host(struct lookup *at, u32 lookup, u32 open, u64 base, u64 inheriting, u32 flags, uaddr opened,
		 struct file *file);

#endif

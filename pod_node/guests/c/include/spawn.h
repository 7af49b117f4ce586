/* posix_spawn; see <podnet/process.h>. */
#ifndef PODNET_SPAWN_H
#define PODNET_SPAWN_H

#ifdef __wasi__
#include <podnet/process.h>
#else
#include_next <spawn.h>
#endif

#endif

/* waitpid; see <podnet/process.h>. */
#ifndef PODNET_SYS_WAIT_H
#define PODNET_SYS_WAIT_H

#ifdef __wasi__
#include <podnet/process.h>
#else
#include_next <sys/wait.h>
#endif

#endif

/* Processes for C and C++ programs in pods: what <spawn.h> and <sys/wait.h> hand on, and pipe, kill, getpid and getppid,
 * which the C library lacks. Calls are weak definitions, as in <podnet/socket.h>.
 *
 * A program is one of the pod's image, found by the last part of its path. A child has the standard streams, and what file
 * actions give it; everything else is closed in it, as if by close-on-exec.
 *
 * Absent: fork and exec, file actions that open, attributes (only NULL), process groups, stopped processes. */
#ifndef PODNET_PROCESS_H
#define PODNET_PROCESS_H

#ifdef __wasi__

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define WNOHANG 1
#define WIFEXITED(status) (((status) & 0x7f) == 0)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)
#define WIFSIGNALED(status) (((status) & 0x7f) != 0)
#define WTERMSIG(status) ((status) & 0x7f)

#ifndef SIGTERM
#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGKILL 9
#define SIGUSR1 10
#define SIGUSR2 12
#define SIGTERM 15
#endif

/* Which of the parent's descriptors is the child's `number`; none when `from` is negative. */
struct podnet_file_action {
  int number, from;
};

typedef struct {
  struct podnet_file_action *actions;
  size_t count;
} posix_spawn_file_actions_t;

typedef struct {
  char unused;
} posix_spawnattr_t;

#ifdef __cplusplus
extern "C" {
#endif

PODNET_IMPORT(proc_spawn) uint32_t podnet_proc_spawn(const char *request, size_t size, uint32_t *child);
PODNET_IMPORT(proc_wait) uint32_t podnet_proc_wait(uint32_t pid, uint32_t options, uint32_t *ended, uint32_t *status);
PODNET_IMPORT(proc_kill) uint32_t podnet_proc_kill(uint32_t pid, uint32_t signal);
PODNET_IMPORT(proc_id) uint32_t podnet_proc_id(uint32_t which, uint32_t *id);
PODNET_IMPORT(fd_pipe) uint32_t podnet_fd_pipe(int ends[2]);

static inline pid_t podnet_id(uint32_t which) {
  uint32_t id = 0;
  podnet_proc_id(which, &id);
  return (pid_t)id;
}

/* A macro: the C library declares the function only to warn of it. */
#define getpid() podnet_id(0)

PODNET_CALL pid_t getppid(void) { return podnet_id(1); }

PODNET_CALL int pipe(int ends[2]) { return podnet_result(podnet_fd_pipe(ends)); }

PODNET_CALL int kill(pid_t pid, int number) {
  if (pid <= 0) { /* a process group */
    errno = ENOSYS;
    return -1;
  }
  return podnet_result(podnet_proc_kill((uint32_t)pid, (uint32_t)number));
}

PODNET_CALL pid_t waitpid(pid_t pid, int *status, int options) {
  uint32_t ended = 0, how = 0;
  if (pid < -1 || pid == 0) { /* a process group */
    errno = ENOSYS;
    return -1;
  }
  if (podnet_result(podnet_proc_wait(pid < 0 ? 0 : (uint32_t)pid, (uint32_t)options, &ended, &how)) < 0) return -1;
  if (status != NULL && ended != 0) *status = (int)how;
  return (pid_t)ended;
}

PODNET_CALL int posix_spawn_file_actions_init(posix_spawn_file_actions_t *files) {
  files->actions = NULL;
  files->count = 0;
  return 0;
}

PODNET_CALL int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *files) {
  free(files->actions);
  return posix_spawn_file_actions_init(files);
}

/* Where the child's `number` is from after the actions so far. */
static inline int podnet_file_from(const posix_spawn_file_actions_t *files, int number) {
  size_t i;
  for (i = 0; i < files->count; i++)
    if (files->actions[i].number == number) return files->actions[i].from;
  return number;
}

static inline int podnet_file_action(posix_spawn_file_actions_t *files, int number, int from) {
  struct podnet_file_action *grown;
  size_t i;
  for (i = 0; i < files->count; i++)
    if (files->actions[i].number == number) {
      files->actions[i].from = from;
      return 0;
    }
  grown = (struct podnet_file_action *)realloc(files->actions, (files->count + 1) * sizeof *grown);
  if (grown == NULL) return ENOMEM;
  grown[files->count].number = number;
  grown[files->count].from = from;
  files->actions = grown;
  files->count++;
  return 0;
}

PODNET_CALL int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *files, int fd, int number) {
  int from;
  if (fd < 0 || number < 0) return EBADF;
  from = podnet_file_from(files, fd);
  return from < 0 ? EBADF : podnet_file_action(files, number, from);
}

PODNET_CALL int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *files, int fd) {
  return fd < 0 ? EBADF : podnet_file_action(files, fd, -1);
}

/* Append one record of a request; with `to` NULL, only say its size. */
static inline size_t podnet_record(char *to, char kind, const char *text) {
  size_t size = strlen(text) + 1;
  if (to != NULL) {
    *to = kind;
    memcpy(to + 1, text, size);
  }
  return size + 1;
}

static inline char *podnet_digits(char *end, int number) {
  do {
    *--end = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return end;
}

/* Write a request, or with `to` NULL say its size. */
static inline size_t podnet_spawn_request(char *to, const char *path, const posix_spawn_file_actions_t *files,
                                          char *const argv[], char *const envp[]) {
  size_t size = podnet_record(to, 'a', path), i;
  for (i = 1; argv != NULL && argv[0] != NULL && argv[i] != NULL; i++)
    size += podnet_record(to ? to + size : NULL, 'a', argv[i]);
  for (i = 0; envp != NULL && envp[i] != NULL; i++) size += podnet_record(to ? to + size : NULL, 'e', envp[i]);
  for (i = 0; files != NULL && i < files->count; i++) {
    char text[32], *start = text + sizeof text - 1;
    int from = files->actions[i].from;
    if (from < 0 && files->actions[i].number > 2) continue; /* it has none of these */
    *start = '\0';
    if (from >= 0) {
      start = podnet_digits(start, from);
      *--start = ' ';
    }
    start = podnet_digits(start, files->actions[i].number);
    size += podnet_record(to ? to + size : NULL, from < 0 ? 'c' : 'f', start);
  }
  return size;
}

PODNET_CALL int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                            const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
  size_t size = podnet_spawn_request(NULL, path, files, argv, envp);
  uint32_t child = 0, error;
  char *request;
  if (attributes != NULL) return ENOTSUP;
  request = (char *)malloc(size);
  if (request == NULL) return ENOMEM;
  podnet_spawn_request(request, path, files, argv, envp);
  error = podnet_proc_spawn(request, size, &child);
  free(request);
  if (error == 0 && pid != NULL) *pid = (pid_t)child;
  return (int)error;
}

PODNET_CALL int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *files,
                             const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) {
  return posix_spawn(pid, file, files, attributes, argv, envp);
}

#ifdef __cplusplus
}
#endif

#endif

#endif

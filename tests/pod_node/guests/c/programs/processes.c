/* A program that runs itself: pipes, file actions, waiting, signals. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const char *what) {
  char text[64];
  ssize_t n;
  if (strcmp(what, "block") == 0) {
    n = read(0, text, sizeof text);
    _exit(99);
  }
  n = read(0, text, sizeof text);
  if (n > 0) n = write(1, text, (size_t)n);
  n = write(2, "errors too\n", 11);
  _exit(n == 11 ? 7 : 8);
}

static void talk(char *self) {
  char *arguments[] = {self, (char *)(size_t) "talk", NULL}, text[128];
  int in[2], out[2], status = 0;
  size_t length = 0;
  ssize_t n;
  pid_t pid = 0, ended;
  posix_spawn_file_actions_t files;
  if (pipe(in) < 0 || pipe(out) < 0) return;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in[0], 0);
  posix_spawn_file_actions_adddup2(&files, out[1], 1);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawn_file_actions_addclose(&files, in[0]);
  posix_spawn_file_actions_addclose(&files, in[1]);
  posix_spawn_file_actions_addclose(&files, out[0]);
  posix_spawn_file_actions_addclose(&files, out[1]);
  printf("spawn %d\n", posix_spawn(&pid, self, &files, NULL, arguments, NULL));
  posix_spawn_file_actions_destroy(&files);
  close(in[0]);
  close(out[1]);
  printf("wrote %d\n", (int)write(in[1], "hello\n", 6));
  while ((n = read(out[0], text + length, sizeof text - length)) > 0) length += (size_t)n;
  ended = waitpid(pid, &status, 0);
  printf("heard %.*s%d %d %d\n", (int)length, text, ended == pid, WIFEXITED(status), WEXITSTATUS(status));
  close(in[1]);
  close(out[0]);
}

static void end(char *self) {
  char *arguments[] = {self, (char *)(size_t) "block", NULL};
  int in[2], status = 0;
  pid_t pid = 0, ended;
  posix_spawn_file_actions_t files;
  if (pipe(in) < 0) return;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in[0], 0);
  printf("spawn %d\n", posix_spawn(&pid, self, &files, NULL, arguments, NULL));
  posix_spawn_file_actions_destroy(&files);
  printf("not yet %d\n", (int)waitpid(pid, &status, WNOHANG));
  printf("kill %d\n", kill(pid, SIGTERM));
  ended = waitpid(-1, &status, 0);
  printf("ended %d %d %d\n", ended == pid, WIFSIGNALED(status), WTERMSIG(status));
  printf("nobody %d\n", waitpid(-1, &status, 0) == -1 && errno == ECHILD);
}

int main(int count, char *arguments[]) {
  if (count > 1) child(arguments[1]);
  printf("self %d\n", getpid() > 0 && getppid() != getpid());
  talk(arguments[0]);
  end(arguments[0]);
  return 0;
}

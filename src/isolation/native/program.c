/*
 * Runs a program of the host to its end, in the launcher's worker or the shim: with its input, the
 * head of its output, and a limit of time. The program has none of our descriptors and signals.
 */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_WAIT_MS 30000

/* An input in memory: a pipe that nobody reads would hold us up. */
static int input_of(const char *text) {
  int fd = (int)syscall(SYS_memfd_create, "input", MFD_CLOEXEC);
  size_t length = strlen(text);
  if (fd < 0) return -1;
  if (write(fd, text, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0) return fd;
  close(fd);
  return -1;
}

/* The head of what it says until its end, or until its time is over. */
static void output_read(int fd, pid_t pid, char *out, size_t room) {
  long long until = now_ms() + PROGRAM_WAIT_MS;
  char rest[512];
  size_t used = 0;
  for (;;) {
    struct pollfd one = {fd, POLLIN, 0};
    long long left = until - now_ms();
    if (left <= 0 || poll(&one, 1, (int)left) == 0) { kill(pid, SIGKILL); break; }
    ssize_t n = used + 1 < room ? read(fd, out + used, room - used - 1) : read(fd, rest, sizeof rest);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (used + 1 < room) used += (size_t)n;
  }
  out[used] = 0;
}

int program_run(char *const argv[], char *const env[], const char *input, char *out, size_t room) {
  int said[2], fd = input_of(input), status;
  out[0] = 0;
  if (fd < 0 || pipe2(said, O_CLOEXEC) != 0) { snprintf(out, room, "pipe: %s", strerror(errno)); return -1; }
  pid_t pid = fork();
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (dup2(fd, 0) < 0 || dup2(said[1], 1) < 0 || dup2(said[1], 2) < 0) _exit(126);
    syscall(SYS_close_range, 3, ~0U, 0);
    execve(argv[0], argv, env);
    dprintf(1, "%s", strerror(errno));
    _exit(127);
  }
  close(said[1]);
  close(fd);
  if (pid > 0) output_read(said[0], pid, out, room);
  else snprintf(out, room, "fork: %s", strerror(errno));
  close(said[0]);
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return -1;
  if (WIFSIGNALED(status) && out[0] == 0) snprintf(out, room, "it did not end within %d s", PROGRAM_WAIT_MS / 1000);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * The shim: one per container. Starts the task inside its cgroups, carries its output into
 * bounded files, waits, reads the kernel's counters, kills what is left, writes the status, ends.
 * Talks to nobody; after the start it holds no plan and no secret.
 *
 * Descriptors given by the launcher: 3 the request, 4 where to say `ready`, 5 the runtime directory.
 */
#define _GNU_SOURCE
#include "contract.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 3, READY = 4, RUNTIME = 5 };

struct log { const char *name; int pipe, file; long long size; };

static struct log logs[2] = {{"stdout", -1, -1, 0}, {"stderr", -1, -1, 0}};
static long long log_bytes = 1 << 20, dropped;
static int log_files, sandbox = -1;
static uid_t owner = (uid_t)-1;
static gid_t group = (gid_t)-1;
static struct reach reach;
static char oom_path[1024], peak_path[1024];
static char chunk[16384];

/* Says why the start failed and ends; the launcher then removes everything. */
static void fail(int code, const char *step, int error) {
  dprintf(READY, "%d %s: %s", code, step, strerror(error));
  _exit(1);
}

/* The task owns the sandbox, so a name there may be anything: never follow, never open an old one. */
static void log_open(struct log *log) {
  unlinkat(sandbox, log->name, 0);
  log->file = openat(sandbox, log->name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
  log->size = 0;
  if (log->file >= 0 && owner != (uid_t)-1 && fchown(log->file, owner, group) != 0) {
    close(log->file); /* a log that its owner cannot read is no log */
    log->file = -1;
  }
}

static void log_rotate(struct log *log) {
  char from[32], to[32];
  if (log_files > 0) {
    for (int i = log_files; i > 0; i--) {
      snprintf(to, sizeof to, "%s.%d", log->name, i);
      snprintf(from, sizeof from, i > 1 ? "%s.%d" : "%s", log->name, i - 1);
      renameat(sandbox, from, sandbox, to);
    }
  }
  if (log->file >= 0) close(log->file);
  log_open(log);
}

static void log_write(struct log *log, const char *text, size_t length) {
  while (length > 0) {
    if (log->size >= log_bytes) log_rotate(log);
    size_t part = length;
    if ((long long)part > log_bytes - log->size) part = (size_t)(log_bytes - log->size);
    ssize_t n = log->file < 0 ? -1 : write(log->file, text, part);
    if (n < 0 && log->file >= 0 && errno == EINTR) continue;
    if (n <= 0) { /* a full disk must not stop the task: count and go on */
      dropped += (long long)length;
      return;
    }
    log->size += n;
    text += n;
    length -= (size_t)n;
  }
}

/* Reads once; 0 when there is nothing (more) to read. */
static int log_pump(struct log *log) {
  ssize_t n = read(log->pipe, chunk, sizeof chunk);
  if (n > 0) return log_write(log, chunk, (size_t)n), 1;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  close(log->pipe);
  log->pipe = -1;
  return 0;
}

/* In the child: everything between fork and exec. Returns only when `step` failed, with errno. */
static void become(const struct request *plan, const char **step) {
  *step = "join cgroup";
  for (int i = 0; i < plan->count; i++) {
    if (plan->fields[i].tag != TAG_JOIN) continue;
    int result = file_write(plan->fields[i].value, "0");
    if (result != 0) { errno = -result; return; }
  }
  *step = "set oom_score_adj";
  const char *score = request_text(plan, TAG_SCORE);
  int result = score == NULL ? 0 : file_write("/proc/self/oom_score_adj", score);
  if (result != 0) { errno = -result; return; }
  *step = "enter sandbox";
  if (fchdir(sandbox) != 0) return;
  *step = "become user";
  const char *user = request_text(plan, TAG_USER);
  if (user != NULL) {
    gid_t groups[64];
    int count = 0;
    char *end;
    strtoul(user, &end, 10);
    strtoul(end, &end, 10);
    while (*end == ' ' && count < 64) groups[count++] = (gid_t)strtoul(end + 1, &end, 10);
    /* An agent without privileges may only name itself; then there is nothing to change. */
    if (geteuid() == 0 || owner != geteuid() || group != getegid()) {
      if (setgroups((size_t)count, groups) != 0) return;
      if (setresgid(group, group, group) != 0 || setresuid(owner, owner, owner) != 0) return;
    }
  }
  *step = "execute";
  char **argv = calloc((size_t)plan->count + 1, sizeof *argv);
  char **env = calloc((size_t)plan->count + 2, sizeof *env);
  char mark[300];
  if (argv == NULL || env == NULL) return;
  int argc = 0, envc = 0;
  for (int i = 0; i < plan->count; i++) {
    if (plan->fields[i].tag == TAG_ARG) argv[argc++] = (char *)plan->fields[i].value;
    if (plan->fields[i].tag == TAG_ENV) env[envc++] = (char *)plan->fields[i].value;
  }
  snprintf(mark, sizeof mark, "MESETA_LAUNCH=%s", reach.nonce);
  env[envc] = mark;
  environ = env;
  syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  execvp(argv[0], argv);
}

/* Forks the task. Its exec closes the error pipe: end of file means that it runs. */
static pid_t start(const struct request *plan, const sigset_t *before) {
  int out[2], err[2], errors[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0)
    fail(ANSWER_SYSTEM, "open pipes", errno);
  pid_t pid = fork();
  if (pid < 0) fail(ANSWER_SYSTEM, "fork", errno);
  if (pid == 0) {
    const char *step = "begin session";
    setsid();
    umask(022);
    sigprocmask(SIG_SETMASK, before, NULL);
    if (dup2(null, 0) >= 0 && dup2(out[1], 1) >= 0 && dup2(err[1], 2) >= 0) become(plan, &step);
    int error = errno;
    int code = strcmp(step, "execute") == 0 ? ANSWER_EXEC : ANSWER_SYSTEM;
    dprintf(errors[1], "%d %s: %s", code, step, strerror(error));
    _exit(127);
  }
  close(null);
  close(out[1]);
  close(err[1]);
  close(errors[1]);
  char why[256];
  ssize_t n;
  do n = read(errors[0], why, sizeof why);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    if (write(READY, why, (size_t)n) < 0) _exit(2);
    _exit(1);
  }
  close(errors[0]);
  logs[0].pipe = out[0];
  logs[1].pipe = err[0];
  for (int i = 0; i < 2; i++) fcntl(logs[i].pipe, F_SETFL, O_NONBLOCK);
  return pid;
}

static void keep(const struct request *plan) {
  const char *text;
  log_bytes = request_number(plan, TAG_LOG_BYTES, 1 << 20);
  log_files = (int)request_number(plan, TAG_LOG_FILES, 0);
  if (log_bytes < 4096) log_bytes = 4096;
  snprintf(reach.nonce, sizeof reach.nonce, "%s", request_text(plan, TAG_NONCE));
  reach.tag = TAG_DESCENDANTS;
  if ((text = request_text(plan, TAG_KILL)) != NULL) reach.tag = TAG_KILL;
  else if ((text = request_text(plan, TAG_FREEZER)) != NULL) reach.tag = TAG_FREEZER;
  if (text != NULL) snprintf(reach.path, sizeof reach.path, "%s", text);
  if ((text = request_text(plan, TAG_OOM)) != NULL) snprintf(oom_path, sizeof oom_path, "%s", text);
  if ((text = request_text(plan, TAG_PEAK)) != NULL) snprintf(peak_path, sizeof peak_path, "%s", text);
  if ((text = request_text(plan, TAG_USER)) != NULL) {
    char *end;
    owner = (uid_t)strtoul(text, &end, 10);
    group = (gid_t)strtoul(end, &end, 10);
  }
}

static int reap(pid_t task, int *status, struct rusage *usage) {
  int ended = 0;
  for (;;) {
    int one;
    struct rusage used;
    pid_t pid = wait4(-1, &one, WNOHANG, &used);
    if (pid <= 0) return ended ? 1 : pid < 0 && errno == ECHILD ? -1 : 0;
    if (pid != task) continue;
    *status = one;
    *usage = used;
    ended = 1;
  }
}

/* Waits for the task while carrying its output; SIGTERM to the shim means: kill everything now. */
static void watch(pid_t task, int signals, int *status, struct rusage *usage) {
  for (;;) {
    struct pollfd fds[3] = {{signals, POLLIN, 0}, {logs[0].pipe, POLLIN, 0}, {logs[1].pipe, POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    for (int i = 0; i < 2; i++)
      if (logs[i].pipe >= 0 && fds[i + 1].revents != 0) log_pump(&logs[i]);
    if (fds[0].revents == 0) continue;
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info)
      if (info.ssi_signo == SIGTERM) reach_kill(&reach, getpid());
    if (reap(task, status, usage) != 0) return;
  }
}

/* The container ends with its task: whatever else runs in it is killed, and its last words read. */
static void finish(void) {
  long long until = now_ms() + KILL_WAIT_MS;
  int status, open_pipes = 1;
  struct rusage usage;
  for (int wait = 1; now_ms() < until; wait = wait < 32 ? wait * 2 : 32) {
    int children = reap(-2, &status, &usage) >= 0;
    int left = reach.tag == TAG_DESCENDANTS && !children ? 0 : reach_kill(&reach, getpid());
    if (left > 0) children = reap(-2, &status, &usage) >= 0;
    for (int i = 0; i < 2; i++)
      for (int rounds = 0; logs[i].pipe >= 0 && rounds < 64; rounds++)
        if (!log_pump(&logs[i])) break;
    open_pipes = logs[0].pipe >= 0 || logs[1].pipe >= 0;
    if (left == 0 && !children && !open_pipes) return;
    if (left == 0 && wait >= 32) return; /* a pipe held by a process outside the container */
    sleep_ms(wait);
  }
}

static long ms_of(struct timeval time) { return time.tv_sec * 1000 + time.tv_usec / 1000; }

static int status_write(int status, const struct rusage *main_usage, long long kills, long long peak, long long at) {
  char code[16] = "null", number[16] = "null", bytes[24] = "null", text[512];
  struct rusage all;
  getrusage(RUSAGE_CHILDREN, &all);
  if (WIFEXITED(status)) snprintf(code, sizeof code, "%d", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) snprintf(number, sizeof number, "%d", WTERMSIG(status));
  if (peak >= 0) snprintf(bytes, sizeof bytes, "%lld", peak);
  int n = snprintf(text, sizeof text,
                   "{\"code\":%s,\"signal\":%s,\"at\":%lld,\"utimeMs\":%ld,\"stimeMs\":%ld,\"maxRssKb\":%ld,"
                   "\"oomKills\":%lld,\"peakBytes\":%s,\"dropped\":%lld}\n",
                   code, number, at, ms_of(all.ru_utime), ms_of(all.ru_stime),
                   main_usage->ru_maxrss > all.ru_maxrss ? main_usage->ru_maxrss : all.ru_maxrss, kills, bytes, dropped);
  return file_write_durably(RUNTIME, "status", text, (size_t)n);
}

static long long wall_ms(void) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  return (long long)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static long long oom_kills(void) {
  long long n = oom_path[0] == 0 ? 0 : counter_read(oom_path, "oom_kill");
  return n < 0 ? 0 : n;
}

int main(void) {
  struct stat about;
  setsid();
  umask(022);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t none, mine;
  sigemptyset(&none);
  sigfillset(&mine);
  sigprocmask(SIG_SETMASK, &mine, NULL);
  sigemptyset(&mine);
  sigaddset(&mine, SIGCHLD);
  sigaddset(&mine, SIGTERM);
  int signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
  for (int fd = REQUEST; fd <= RUNTIME; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);

  if (fstat(REQUEST, &about) != 0 || about.st_size < 5) fail(ANSWER_SYSTEM, "read plan", EINVAL);
  size_t size = (size_t)about.st_size;
  char *body = mmap(NULL, size, PROT_READ, MAP_PRIVATE, REQUEST, 0);
  struct request *plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (body == MAP_FAILED || plan == MAP_FAILED || request_parse(body, (uint32_t)size, plan) != 0)
    fail(ANSWER_INVALID, "read plan", EINVAL);
  keep(plan);
  /* Read-write, so that it never sees an end itself; it is this descriptor that tells our end. */
  if (openat(RUNTIME, "alive", O_RDWR | O_CLOEXEC) < 0) fail(ANSWER_SYSTEM, "open alive", errno);
  sandbox = open(request_text(plan, TAG_SANDBOX), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (sandbox < 0) fail(ANSWER_SYSTEM, "open sandbox", errno);
  for (int i = 0; i < 2; i++) log_open(&logs[i]);
  long long kills_before = oom_kills();
  pid_t task = start(plan, &none);

  char text[200];
  pid_t self = getpid();
  long long self_start = start_ticks(self), task_start = start_ticks(task);
  int n = snprintf(text, sizeof text, "{\"shim\":%d,\"shimStart\":%lld,\"pid\":%d,\"start\":%lld}\n", (int)self,
                   self_start, (int)task, task_start);
  int result = file_replace(RUNTIME, "pid", text, (size_t)n);
  if (result < 0) {
    reach_kill(&reach, self);
    fail(ANSWER_SYSTEM, "write pid", -result);
  }
  close(result);
  dprintf(READY, "0 %d %lld %d %lld", (int)self, self_start, (int)task, task_start);
  close(READY);
  munmap(body, size);
  close(REQUEST);
  munmap(plan, sizeof *plan);

  int status = 0;
  struct rusage usage = {0};
  watch(task, signals, &status, &usage);
  long long at = wall_ms(), kills = oom_kills();
  long long peak = peak_path[0] == 0 ? -1 : counter_read(peak_path, NULL);
  finish();
  if (oom_kills() > kills) kills = oom_kills();
  return status_write(status, &usage, kills - kills_before, peak, at) == 0 ? 0 : 1;
}

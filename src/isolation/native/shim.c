/*
 * The shim: one per container. Starts the task inside its cgroups, carries its output into
 * bounded files, waits, reads the kernel's counters, kills what is left, writes the status, ends.
 * Talks to nobody; after the start it holds no plan and no secret.
 *
 * It is the launcher's worker itself that goes on as the shim: a fork without an exec, because an
 * exec costs three times the fork (measured: 0.56 ms against 0.18 ms).
 */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct log { const char *name; int pipe, file; long long size; };

static struct log logs[2] = {{"stdout", -1, -1, 0}, {"stderr", -1, -1, 0}};
static long long log_bytes = 1 << 20, dropped;
static int log_files, sandbox = -1, runtime = -1, signals = -1;
static pid_t task;
static long long kills_before;
static uid_t owner = (uid_t)-1;
static gid_t group = (gid_t)-1;
static struct reach reach;
static int network = -1; /* its network namespace, where plugins must leave it */
static char oom_path[1024], peak_path[1024], container[256];
static char chunk[16384];

static int refused(char *why, const char *step, int error) {
  snprintf(why, ANSWER_MAX, "%s: %s", step, strerror(error));
  return ANSWER_SYSTEM;
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

/* What the task's process needs between its birth and its program; the memory is the shim's. */
struct birth {
  const struct request *plan;
  const struct inside *inside;
  int null, out, err;
  /* The cgroup of the unified tree that it is born in; the path it need not join any more. */
  int cgroup;
  char born_in[1100];
  const char *volatile step;
  volatile int error;
};

/*
 * In the child: everything between vfork and exec, with the memory of the shim, which waits.
 * Returns only when `step` failed, with errno.
 */
static void become(const struct birth *birth, const char **step) {
  const struct request *plan = birth->plan;
  const struct inside *inside = birth->inside;
  *step = "join cgroup";
  for (int i = 0; i < plan->count; i++) {
    if (plan->fields[i].tag != TAG_JOIN || strcmp(plan->fields[i].value, birth->born_in) == 0) continue;
    int result = file_write(plan->fields[i].value, "0");
    if (result != 0) { errno = -result; return; }
  }
  *step = "set oom_score_adj";
  const char *score = request_text(plan, TAG_SCORE);
  int result = score == NULL ? 0 : file_write("/proc/self/oom_score_adj", score);
  if (result != 0) { errno = -result; return; }
  if (inside_enter(plan, inside, sandbox, step) != 0 || inside_limit(plan, step) != 0) return;
  /* Before seccomp, which need not know this call. */
  syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  if (inside_confine(plan, inside, step) != 0) return;
  *step = "execute";
  char **argv = calloc((size_t)plan->count + 1, sizeof *argv);
  char **env = calloc((size_t)(plan->count + inside->secret_count) + 2, sizeof *env);
  char mark[300];
  if (argv == NULL || env == NULL) return;
  int argc = 0, envc = 0;
  for (int i = 0; i < plan->count; i++) {
    if (plan->fields[i].tag == TAG_ARG) argv[argc++] = (char *)plan->fields[i].value;
    if (plan->fields[i].tag == TAG_ENV) env[envc++] = (char *)plan->fields[i].value;
  }
  char *secret = inside->secrets;
  for (int i = 0; i < inside->secret_count; i++, secret += strlen(secret) + 1) env[envc++] = secret;
  snprintf(mark, sizeof mark, "MESETA_LAUNCH=%s", reach.nonce);
  env[envc] = mark;
  environ = env; /* where execvp looks for PATH; the shim itself needs no environment */
  execvp(argv[0], argv);
}

static void __attribute__((noreturn, noinline)) be_born(struct birth *birth) {
  sigset_t none;
  const char *step = "begin session";
  sigemptyset(&none);
  setsid();
  umask(022);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (dup2(birth->null, 0) >= 0 && dup2(birth->out, 1) >= 0 && dup2(birth->err, 2) >= 0) become(birth, &step);
  birth->error = errno;
  birth->step = step;
  _exit(127);
}

/*
 * vfork into a cgroup: to be born there needs no lock of the whole system, as moving there does
 * (measured: 8 ms on an idle machine, for a grace period of the kernel, against 40 us). The call
 * itself, because no function of the C library does it; the child leaves this frame as it is.
 * -1 with errno where the kernel or the processor has no such call.
 */
static pid_t __attribute__((noinline)) vfork_into(struct birth *birth) {
  struct clone_args args = {
    .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)birth->cgroup};
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_clone3), "D"(&args), "S"(sizeof args) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long call __asm__("x8") = SYS_clone3, result __asm__("x0") = (long)&args, size __asm__("x1") = sizeof args;
  __asm__ volatile("svc 0" : "+r"(result) : "r"(call), "r"(size) : "memory");
#else
  long result = -ENOSYS;
  (void)args;
#endif
  if (result == 0) be_born(birth);
  if (result > 0) return (pid_t)result;
  errno = (int)-result;
  return -1;
}

static pid_t task_fork(struct birth *birth) {
  if (reach.tag == TAG_KILL) {
    char path[1100];
    snprintf(path, sizeof path, "%s", reach.path);
    *strrchr(path, '/') = 0;
    for (int i = 0; i < birth->plan->count && birth->born_in[0] == 0; i++) {
      const struct field *field = &birth->plan->fields[i];
      size_t length = strlen(path);
      /* The cgroup that is killed as a whole, or the leaf of it that holds the processes. */
      if (field->tag == TAG_JOIN && strncmp(field->value, path, length) == 0 && field->value[length] == '/')
        snprintf(birth->born_in, sizeof birth->born_in, "%s", field->value);
    }
    snprintf(path, sizeof path, "%s", birth->born_in);
    if (path[0] != 0) *strrchr(path, '/') = 0;
    birth->cgroup = path[0] == 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pid_t pid = birth->cgroup < 0 ? -1 : vfork_into(birth);
    int error = errno;
    if (birth->cgroup >= 0) close(birth->cgroup);
    if (pid > 0) return pid;
    if (birth->cgroup >= 0 && error != ENOSYS && error != EINVAL && error != E2BIG && error != EPERM) {
      errno = error;
      return -1;
    }
    birth->born_in[0] = 0;
  }
  pid_t pid = vfork();
  if (pid == 0) be_born(birth);
  return pid;
}

/* Starts the task. `task_fork` returns when it has been executed or has failed, which `error` tells. */
static int start(const struct request *plan, const struct inside *inside, char *why) {
  static struct birth birth;
  int out[2], err[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
    return refused(why, "open pipes", errno);
  birth = (struct birth){.plan = plan, .inside = inside, .null = null, .out = out[1], .err = err[1], .cgroup = -1};
  pid_t pid = task_fork(&birth);
  if (pid < 0) return refused(why, "fork", errno);
  environ = NULL;
  close(null);
  close(out[1]);
  close(err[1]);
  int status;
  /* Whoever failed says so and ends; whoever was executed lives, or has ended by itself, which
   * only `watch` may find out. `error` tells the two apart. */
  if (birth.error != 0) {
    waitpid(pid, &status, 0);
    refused(why, birth.step, birth.error);
    return strcmp(birth.step, "execute") == 0 ? ANSWER_EXEC : ANSWER_SYSTEM;
  }
  task = pid;
  logs[0].pipe = out[0];
  logs[1].pipe = err[0];
  for (int i = 0; i < 2; i++) fcntl(logs[i].pipe, F_SETFL, O_NONBLOCK);
  return ANSWER_OK;
}

static void keep(const struct request *plan) {
  const char *text;
  log_bytes = request_number(plan, TAG_LOG_BYTES, 1 << 20);
  log_files = (int)request_number(plan, TAG_LOG_FILES, 0);
  if (log_bytes < 4096) log_bytes = 4096;
  snprintf(reach.nonce, sizeof reach.nonce, "%s", request_text(plan, TAG_NONCE));
  snprintf(container, sizeof container, "%s", request_text(plan, TAG_CONTAINER));
  reach.tag = TAG_DESCENDANTS;
  if ((text = request_text(plan, TAG_KILL)) != NULL) reach.tag = TAG_KILL;
  else if ((text = request_text(plan, TAG_FREEZER)) != NULL) reach.tag = TAG_FREEZER;
  if (text != NULL) snprintf(reach.path, sizeof reach.path, "%s", text);
  if ((text = request_text(plan, TAG_OOM)) != NULL) snprintf(oom_path, sizeof oom_path, "%s", text);
  if ((text = request_text(plan, TAG_PEAK)) != NULL) snprintf(peak_path, sizeof peak_path, "%s", text);
  if (owner_of(plan, &owner, &group) != 0) owner = (uid_t)-1;
}

static int reap(pid_t wanted, int *status, struct rusage *usage) {
  int ended = 0;
  for (;;) {
    int one;
    struct rusage used;
    pid_t pid = wait4(-1, &one, WNOHANG, &used);
    if (pid <= 0) return ended ? 1 : pid < 0 && errno == ECHILD ? -1 : 0;
    if (pid != wanted) continue;
    *status = one;
    *usage = used;
    ended = 1;
  }
}

/* Waits for the task while carrying its output; SIGTERM to the shim means: kill everything now. */
static void watch(int *status, struct rusage *usage) {
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
  inside_end();
  for (int wait = 1; now_ms() < until;) {
    int children = reap(-2, &status, &usage) >= 0;
    int left = reach.tag == TAG_DESCENDANTS && !children ? 0 : reach_kill(&reach, getpid());
    if (left > 0) children = reap(-2, &status, &usage) >= 0;
    for (int i = 0; i < 2; i++)
      for (int rounds = 0; logs[i].pipe >= 0 && rounds < 64; rounds++)
        if (!log_pump(&logs[i])) break;
    open_pipes = logs[0].pipe >= 0 || logs[1].pipe >= 0;
    if (left == 0 && !children && !open_pipes) return;
    if (left == 0 && wait >= 32) return; /* a pipe held by a process outside the container */
    struct pollfd ended = {signals, POLLIN, 0};
    struct signalfd_siginfo info;
    if (poll(&ended, 1, wait) <= 0) wait = wait < 32 ? wait * 2 : 32;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) continue;
  }
}

static long ms_of(struct timeval time) { return time.tv_sec * 1000 + time.tv_usec / 1000; }

/* What memory was left to, in the kernel's words: `"memory":{"anon":N,...},`, or nothing. */
static void memory_top(char *text, size_t room) {
  static const char *const names[][3] = {
    {"anon", "anon", "total_rss"}, {"file", "file", "total_cache"}, {"shmem", "shmem", "total_shmem"},
    {"kernel", "kernel", "total_kernel_stack"}, {"mapped", "file_mapped", "total_mapped_file"},
  };
  char path[1100];
  const char *slash = strrchr(oom_path, '/');
  text[0] = 0;
  if (slash == NULL) return;
  snprintf(path, sizeof path, "%.*s/memory.stat", (int)(slash - oom_path), oom_path);
  size_t used = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    long long value = counter_read(path, names[i][2]);
    if (value < 0) value = counter_read(path, names[i][1]);
    if (value < 0) continue;
    used += (size_t)snprintf(text + used, room - used, "%s\"%s\":%lld", used == 0 ? "\"memory\":{" : ",", names[i][0], value);
  }
  if (used > 0) snprintf(text + used, room - used, "},");
}

static int status_write(int status, const struct rusage *main_usage, long long kills, long long peak, long long at) {
  char code[16] = "null", number[16] = "null", bytes[24] = "null", memory[256] = "", text[STATUS_BYTES_MAX];
  struct rusage all;
  getrusage(RUSAGE_CHILDREN, &all);
  if (WIFEXITED(status)) snprintf(code, sizeof code, "%d", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) snprintf(number, sizeof number, "%d", WTERMSIG(status));
  if (peak >= 0) snprintf(bytes, sizeof bytes, "%lld", peak);
  if (kills > 0) memory_top(memory, sizeof memory);
  int n = snprintf(text, sizeof text,
                   "{\"container\":\"%s\",\"code\":%s,\"signal\":%s,\"at\":%lld,\"utimeMs\":%ld,\"stimeMs\":%ld,\"maxRssKb\":%ld,"
                   "\"oomKills\":%lld,\"peakBytes\":%s,%s\"dropped\":%lld}\n",
                   container, code, number, at, ms_of(all.ru_utime), ms_of(all.ru_stime),
                   main_usage->ru_maxrss > all.ru_maxrss ? main_usage->ru_maxrss : all.ru_maxrss, kills, bytes, memory, dropped);
  return file_write_durably(runtime, "status", text, (size_t)n);
}

/*
 * Takes room for the status before the task begins, so that a disk that is full when it ends does
 * not lose how. Its size stays 0, which is as good as no status; a file system that cannot do that
 * has none to give.
 */
static int status_reserve(void) {
  int fd = openat(runtime, "status", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -errno;
  int result = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, STATUS_BYTES_MAX) == 0 ? 0 : -errno;
  close(fd);
  return result == -EOPNOTSUPP || result == -ENOSYS ? 0 : result;
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

/*
 * Takes the networks away while their namespace is still held. Where that fails, destroy tries
 * it again for as long as it takes.
 */
static void network_end(void) {
  static struct request plan;
  char why[ANSWER_MAX], path[64];
  if (network < 0) return;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), network);
  if (launch_file_read(runtime, &plan) == 0) network_down(&plan, runtime, container, path, why);
}

int shim_begin(const struct request *plan, const struct service *service, int directory, char *why) {
  setsid();
  prctl(PR_SET_NAME, "meseta-shim");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t mine;
  sigfillset(&mine);
  sigprocmask(SIG_SETMASK, &mine, NULL);
  sigemptyset(&mine);
  sigaddset(&mine, SIGCHLD);
  sigaddset(&mine, SIGTERM);
  signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
  runtime = directory;
  keep(plan);
  /* Read-write, so that it never sees an end itself; it is this descriptor that tells our end. */
  if (openat(runtime, "alive", O_RDWR | O_CLOEXEC) < 0) return refused(why, "open alive", errno);
  sandbox = open(request_text(plan, TAG_SANDBOX), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (signals < 0 || sandbox < 0) return refused(why, "open sandbox", errno);
  int room = status_reserve();
  if (room < 0) return refused(why, "make room for the status", -room);
  for (int i = 0; i < 2; i++) log_open(&logs[i]);
  kills_before = oom_kills();
  struct inside inside = {.runtime = directory, .network = -1};
  fault_point(54);
  int code = inside_begin(plan, service, &inside, why);
  image_release();
  fault_point(55);
  if (code == ANSWER_OK) code = start(plan, &inside, why);
  inside_started(&inside);
  network = inside.network;
  if (code != ANSWER_OK) {
    inside_end();
    network_end();
    return code;
  }
  fault_point(56);
  char text[200];
  pid_t self = getpid();
  long long self_start = start_ticks(self), task_start = start_ticks(task);
  int n = snprintf(text, sizeof text, "{\"shim\":%d,\"shimStart\":%lld,\"pid\":%d,\"start\":%lld}\n", (int)self,
                   self_start, (int)task, task_start);
  int result = file_put(runtime, "pid", text, (size_t)n);
  if (result < 0) {
    reach_kill(&reach, self);
    inside_end();
    return refused(why, "write pid", -result);
  }
  close(result);
  fault_point(57);
  snprintf(why, ANSWER_MAX, "%d %lld %d %lld", (int)self, self_start, (int)task, task_start);
  return ANSWER_OK;
}

void shim_run(void) {
  int status = 0;
  struct rusage usage = {0};
  watch(&status, &usage);
  fault_point(70);
  long long at = wall_ms(), kills = oom_kills();
  long long peak = peak_path[0] == 0 ? -1 : counter_read(peak_path, NULL);
  finish();
  network_end();
  fault_point(71);
  if (oom_kills() > kills) kills = oom_kills();
  int written = status_write(status, &usage, kills - kills_before, peak, at);
  fault_point(72);
  _exit(written == 0 ? 0 : 1);
}

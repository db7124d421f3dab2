/*
 * The namespaces of a container and what its task may ask of the kernel. One small process, the
 * init, is made in the new namespaces: it mounts what the plan names, is the reaper of the pid
 * namespace, and holds nothing of the host. The task joins it. So the shim stays outside, knows
 * the task's own pid and waits for it itself; what else is inside ends with the init.
 */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptor of the init towards the shim; the only one that it keeps. */
#define TALK 3
#define LAST_CAPABILITY_MAX 63

static const struct { const char *name; int flag; } kinds[] = {
  {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS},
  {"net", CLONE_NEWNET}, {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP},
};

static pid_t init_pid;

static int refused(char *why, int code, const char *step, int error) {
  snprintf(why, ANSWER_MAX, "%s: %s", step, strerror(error));
  return code;
}

static int invalid(char *why, const char *text) {
  snprintf(why, ANSWER_MAX, "%s", text);
  return ANSWER_INVALID;
}

static long base64_decode(const char *text, unsigned char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned bits = 0;
  int held = 0;
  long length = 0;
  for (; *text != 0 && *text != '='; text++) {
    const char *digit = strchr(digits, *text);
    if (digit == NULL) return -1;
    bits = bits << 6 | (unsigned)(digit - digits);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[length++] = (unsigned char)(bits >> held);
  }
  return length;
}

static int id_outside(const struct request *plan, unsigned long id, unsigned *outside) {
  long long first, host, length;
  const char *map = request_text(plan, TAG_ID_MAP);
  *outside = (unsigned)id;
  if (map == NULL) return 0;
  if (sscanf(map, "%lld %lld %lld", &first, &host, &length) != 3) return -1;
  if ((long long)id < first || (long long)id >= first + length) return -1;
  *outside = (unsigned)(host + ((long long)id - first));
  return 0;
}

int owner_of(const struct request *plan, uid_t *uid, gid_t *gid) {
  const char *user = request_text(plan, TAG_USER);
  char *end;
  if (user == NULL) return -1;
  unsigned long id = strtoul(user, &end, 10);
  return id_outside(plan, id, uid) != 0 || id_outside(plan, strtoul(end, &end, 10), gid) != 0 ? -1 : 0;
}

static int secrets_read(const struct request *plan, struct inside *inside, char *why) {
  long used = 0;
  if (request_text(plan, TAG_SECRET_ENV) == NULL) return ANSWER_OK;
  inside->secrets = mmap(NULL, SECRETS_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (inside->secrets == MAP_FAILED) return refused(why, ANSWER_SYSTEM, "map secrets", errno);
  for (int i = 0; i + 2 < plan->count; i++) {
    const struct field *field = &plan->fields[i];
    if (field->tag != TAG_SECRET_ENV) continue;
    if (field[1].tag != TAG_SOURCE || field[2].tag != TAG_WITHIN) return invalid(why, "a secret lacks its source");
    int fd = secret_open(field[1].value, field[2].value, why);
    if (fd < 0) return ANSWER_INVALID;
    long name = (long)field->length;
    long room = SECRETS_MAX - used - name - 2;
    long length = room < 1 ? room : secret_read(fd, inside->secrets + used + name + 1, room);
    close(fd);
    if (room < 1 || length == room) return invalid(why, "the secrets of the environment are too large together");
    memcpy(inside->secrets + used, field->value, (size_t)name);
    inside->secrets[used + name] = '=';
    if (memchr(inside->secrets + used, 0, (size_t)(name + 1 + length)) != NULL) return invalid(why, "a secret of the environment contains NUL");
    used += name + length + 2;
    inside->secret_count++;
  }
  return ANSWER_OK;
}

/* All that can be judged before anything is made. */
static int plan_read(const struct request *plan, struct inside *inside, char *why) {
  for (int i = 0; i < plan->count; i++) {
    if (plan->fields[i].tag != TAG_NAMESPACE) continue;
    size_t k = 0, count = sizeof kinds / sizeof *kinds;
    while (k < count && strcmp(kinds[k].name, plan->fields[i].value) != 0) k++;
    if (k == count) {
      snprintf(why, ANSWER_MAX, "this launcher knows no namespace %.40s", plan->fields[i].value);
      return ANSWER_INVALID;
    }
    inside->flags |= kinds[k].flag;
  }
  int flags = inside->flags, mapped = request_text(plan, TAG_ID_MAP) != NULL;
  int mounts = request_text(plan, TAG_MOUNT) != NULL || request_text(plan, TAG_ROOT) != NULL;
  if (mounts && !(flags & CLONE_NEWNS)) return invalid(why, "mounts and a root need a mount namespace");
  if (request_text(plan, TAG_HOSTNAME) != NULL && !(flags & CLONE_NEWUTS)) return invalid(why, "a hostname needs a uts namespace");
  if ((flags & CLONE_NEWNET) && request_text(plan, TAG_NET) != NULL)
    return invalid(why, "a new network namespace and one to enter exclude each other");
  if (mapped != ((flags & CLONE_NEWUSER) != 0)) return invalid(why, "a user namespace and a map of ids need each other");
  uid_t uid;
  gid_t gid;
  if (mapped && owner_of(plan, &uid, &gid) != 0)
    return invalid(why, "the user namespace does not map the user of the task");
  int code = secrets_read(plan, inside, why);
  const char *seccomp = request_text(plan, TAG_SECCOMP);
  if (code != ANSWER_OK || seccomp == NULL) return code;
  if (request_text(plan, TAG_NO_NEW_PRIVILEGES) == NULL) return invalid(why, "seccomp needs no new privileges");
  inside->size = strlen(seccomp) + 8;
  inside->program = mmap(NULL, inside->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (inside->program == MAP_FAILED) return refused(why, ANSWER_SYSTEM, "map seccomp program", errno);
  long length = base64_decode(seccomp, inside->program);
  if (length <= 0 || length % (long)sizeof(struct sock_filter) != 0 || length / (long)sizeof(struct sock_filter) > BPF_MAXINSNS)
    return invalid(why, "the seccomp program is none");
  inside->filters = (unsigned short)(length / (long)sizeof(struct sock_filter));
  return ANSWER_OK;
}

static int loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
  if (fd >= 0) close(fd);
  return result;
}

static int capabilities_set(uint64_t effective, uint64_t inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {
    {(uint32_t)effective, (uint32_t)effective, (uint32_t)inheritable},
    {(uint32_t)(effective >> 32), (uint32_t)(effective >> 32), (uint32_t)(inheritable >> 32)},
  };
  return (int)syscall(SYS_capset, &header, data);
}

/* In the init: everything that needs the host's powers. */
static int init_prepare(const struct request *plan, int flags, char *why) {
  const char *text;
  if ((text = request_text(plan, TAG_NET)) != NULL) {
    int fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) return refused(why, ANSWER_SYSTEM, "enter network namespace", errno);
    close(fd);
  }
  if ((flags & CLONE_NEWNET) && loopback_up() != 0) return refused(why, ANSWER_SYSTEM, "bring up loopback", errno);
  if ((text = request_text(plan, TAG_HOSTNAME)) != NULL && sethostname(text, strlen(text)) != 0)
    return refused(why, ANSWER_SYSTEM, "set hostname", errno);
  if ((flags & CLONE_NEWNS)) {
    int code = mounts_apply(plan, why);
    if (code != ANSWER_OK) return code;
  }
  if (!(flags & CLONE_NEWUSER)) return ANSWER_OK;
  /* Last, so that what was mounted belongs to the host and cannot be undone from inside. */
  char byte;
  if (unshare(CLONE_NEWUSER) != 0) return refused(why, ANSWER_SYSTEM, "make user namespace", errno);
  if (send(TALK, "map", 3, MSG_NOSIGNAL) != 3 || recv(TALK, &byte, 1, 0) != 1) _exit(1);
  return ANSWER_OK;
}

/* The init: says how it went, gives up everything, and reaps until the shim ends it. */
static void init_run(const struct request *plan, const struct service *service, struct inside *inside, int talk) {
  char why[ANSWER_MAX + 1];
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "meseta-init");
  prctl(PR_SET_DUMPABLE, 0);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (dup2(talk, TALK) != TALK) _exit(1);
  for (int i = 0; i < 3; i++) dup2(null, i);
  syscall(SYS_close_range, TALK + 1, ~0U, 0);
  int code = init_prepare(plan, inside->flags, why + 1);
  why[0] = (char)code;
  if (code != ANSWER_OK) {
    send(TALK, why, strlen(why + 1) + 1, MSG_NOSIGNAL);
    _exit(1);
  }
  service->forget();
  if (inside->secrets != NULL) munmap(inside->secrets, SECRETS_MAX);
  if (inside->program != NULL) munmap(inside->program, inside->size);
  if (chdir("/") != 0 || capabilities_set(0, 0) != 0) _exit(1);
  if (send(TALK, why, 1, MSG_NOSIGNAL) != 1) _exit(1);
  close(TALK);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (int number;;) {
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    sigwait(&child, &number);
  }
}

/* One map for users and for groups; written from outside, where the ids have their meaning. */
static int map_write(const struct request *plan, pid_t pid) {
  static const char *const files[] = {"uid_map", "gid_map"};
  char path[64];
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
    int result = file_write(path, request_text(plan, TAG_ID_MAP));
    if (result != 0) { errno = -result; return -1; }
  }
  return 0;
}

/* What the init says, until it is done or has failed. */
static int init_hear(const struct request *plan, int talk, char *why) {
  char text[ANSWER_MAX + 1];
  for (;;) {
    ssize_t n = recv(talk, text, sizeof text - 1, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return refused(why, ANSWER_SYSTEM, "make namespaces: the init ended", n < 0 ? errno : EPIPE);
    text[n] = 0;
    if (n == 3 && strcmp(text, "map") == 0) {
      if (map_write(plan, init_pid) != 0) return refused(why, ANSWER_SYSTEM, "map ids", errno);
      if (send(talk, "!", 1, MSG_NOSIGNAL) != 1) return refused(why, ANSWER_SYSTEM, "map ids", errno);
      continue;
    }
    if (text[0] == ANSWER_OK) return ANSWER_OK;
    snprintf(why, ANSWER_MAX, "%s", text + 1);
    return text[0];
  }
}

void inside_end(void) {
  if (init_pid > 0) kill(init_pid, SIGKILL);
}

/* Before any child is born in the pid namespace: plugins are programs of the host. */
static int networks_make(const struct request *plan, struct inside *inside, char *why) {
  char path[64];
  if (request_text(plan, TAG_NETWORK) == NULL) return ANSWER_OK;
  if (!(inside->flags & CLONE_NEWNET)) return invalid(why, "networks need a network namespace");
  snprintf(path, sizeof path, "/proc/%d/ns/net", (int)inside->init);
  inside->network = open(path, O_RDONLY | O_CLOEXEC);
  if (inside->network < 0) return refused(why, ANSWER_SYSTEM, "open network namespace", errno);
  snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), inside->network);
  return network_up(plan, inside->runtime, path, why);
}

int inside_begin(const struct request *plan, const struct service *service, struct inside *inside, char *why) {
  int talk[2], code = plan_read(plan, inside, why), enters = request_text(plan, TAG_NET) != NULL;
  int own = inside->flags & ~CLONE_NEWCGROUP; /* a cgroup namespace is made of where one is: by the task */
  if (code != ANSWER_OK || (own == 0 && !enters)) return code;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, talk) != 0)
    return refused(why, ANSWER_SYSTEM, "make namespaces", errno);
  /* A fork with namespaces; the user namespace comes last, in the init itself. */
  pid_t pid = (pid_t)syscall(SYS_clone, (own & ~CLONE_NEWUSER) | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    init_run(plan, service, inside, talk[1]);
    _exit(1);
  }
  int error = errno;
  close(talk[1]);
  if (pid > 0) {
    inside->init = init_pid = pid;
    inside->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    code = init_hear(plan, talk[0], why);
  } else {
    code = refused(why, ANSWER_SYSTEM, "make namespaces", error);
  }
  close(talk[0]);
  if (code == ANSWER_OK) code = networks_make(plan, inside, why);
  /* The children of the shim are born in the pid namespace; the shim itself stays outside. */
  if (code == ANSWER_OK && (inside->pidfd < 0 || ((own & CLONE_NEWPID) && setns(inside->pidfd, CLONE_NEWPID) != 0)))
    code = refused(why, ANSWER_SYSTEM, "enter pid namespace", errno);
  if (code != ANSWER_OK && pid > 0) {
    inside_end();
    waitpid(pid, NULL, 0);
    init_pid = 0;
  }
  return code;
}

void inside_started(struct inside *inside) {
  if (inside->program != NULL) munmap(inside->program, inside->size);
  if (inside->secrets != NULL) munmap(inside->secrets, SECRETS_MAX);
  if (inside->init > 0) close(inside->pidfd);
  inside->program = NULL;
}

int inside_enter(const struct request *plan, const struct inside *inside, int sandbox, const char **step) {
  const char *directory = request_text(plan, TAG_DIRECTORY);
  int others = inside->flags & ~(CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWCGROUP);
  if (request_text(plan, TAG_NET) != NULL) others |= CLONE_NEWNET;
  *step = "enter namespaces";
  if ((inside->flags & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) != 0) return -1;
  if (inside->init > 0 && others != 0 && setns(inside->pidfd, others) != 0) return -1;
  if ((inside->flags & CLONE_NEWUSER) && setns(inside->pidfd, CLONE_NEWUSER) != 0) return -1;
  *step = "enter working directory";
  if (directory != NULL) return chdir(directory);
  return inside->flags & CLONE_NEWNS ? chdir(request_text(plan, TAG_SANDBOX)) : fchdir(sandbox);
}

int inside_limit(const struct request *plan, const char **step) {
  *step = "set rlimit";
  for (int i = 0; i < plan->count; i++) {
    int resource;
    long long soft, hard;
    if (plan->fields[i].tag != TAG_RLIMIT) continue;
    if (sscanf(plan->fields[i].value, "%d %lld %lld", &resource, &soft, &hard) != 3) { errno = EINVAL; return -1; }
    struct { uint64_t soft, hard; } limit = {(uint64_t)soft, (uint64_t)hard}; /* -1 is no limit */
    if (syscall(SYS_prlimit64, 0, resource, &limit, NULL) != 0) return -1;
  }
  return 0;
}

/* The most that can ever be got goes first; `become user` in between needs what is held still. */
static int bounding_drop(uint64_t kept) {
  for (int number = 0; number <= LAST_CAPABILITY_MAX; number++) {
    if (kept >> number & 1) continue;
    if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) return errno == EINVAL ? 0 : -1; /* beyond the last one */
  }
  return 0;
}

static int user_become(const struct request *plan) {
  const char *user = request_text(plan, TAG_USER);
  gid_t groups[64];
  int count = 0;
  char *end;
  if (user == NULL) return 0;
  uid_t uid = (uid_t)strtoul(user, &end, 10);
  gid_t gid = (gid_t)strtoul(end, &end, 10);
  while (*end == ' ' && count < 64) groups[count++] = (gid_t)strtoul(end + 1, &end, 10);
  /* An agent without privileges may only name itself; then there is nothing to change. */
  if (geteuid() != 0 && request_text(plan, TAG_ID_MAP) == NULL && uid == geteuid() && gid == getegid()) return 0;
  /* The calls themselves: those of the C library change every thread that it knows of. */
  if (syscall(SYS_setgroups, (size_t)count, groups) != 0) return -1;
  if (syscall(SYS_setresgid, gid, gid, gid) != 0) return -1;
  return (int)syscall(SYS_setresuid, uid, uid, uid);
}

int inside_confine(const struct request *plan, const struct inside *inside, const char **step) {
  unsigned long long effective = 0, bounding = 0;
  const char *sets = request_text(plan, TAG_CAPABILITIES);
  *step = "drop capabilities";
  if (sets != NULL) {
    if (sscanf(sets, "%llx %llx", &effective, &bounding) != 2) { errno = EINVAL; return -1; }
    if (bounding_drop(bounding) != 0 || prctl(PR_SET_KEEPCAPS, 1) != 0) return -1;
  }
  *step = "become user";
  if (user_become(plan) != 0) return -1;
  *step = "drop capabilities";
  if (sets != NULL) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (prctl(PR_SET_KEEPCAPS, 0) != 0 || capabilities_set(effective, effective) != 0) return -1;
    for (int number = 0; number <= LAST_CAPABILITY_MAX; number++)
      if (effective >> number & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0) return -1;
  }
  *step = "forbid new privileges";
  if (request_text(plan, TAG_NO_NEW_PRIVILEGES) != NULL && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  *step = "install seccomp program";
  if (inside->filters == 0) return 0;
  struct sock_fprog program = {inside->filters, inside->program};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

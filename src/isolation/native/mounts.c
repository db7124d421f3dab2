/*
 * What a container sees of the file system, made in a mount namespace of its own by its init.
 * Sources are opened on the host first, each held as a detached copy of the mount; then the root
 * is changed and the old one let go, so that no target can lead out; then everything is put in
 * its place, in the plan's order. Undoes nothing: the namespace goes with its last process.
 */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOUNTS_MAX 512
/* Spelled out, as older headers of the C library lack some of them. */
#define TREE_CLONE 1
#define MOVE_FROM_FD 4
#define MOVE_FOLLOW 0x10
#define MOVE_TO_FD 0x40
#define RECURSIVE 0x8000
enum { ATTR_RO = 1, ATTR_NOSUID = 2, ATTR_NODEV = 4, ATTR_NOEXEC = 8 };
struct attributes { uint64_t set, clear, propagation, userns; };

struct mount_step {
  const char *flags; /* behind the kind, each word with a blank before it */
  const char *target, *source, *within;
  char kind[16];
  int tree;   /* a detached copy, a secret's or a device's descriptor; -1 where there is nothing to put */
  int device; /* a node like this is made at the target */
};

static struct mount_step steps[MOUNTS_MAX];
/* What hides files and directories, held once for all masks; -1 until there is one. */
static int null_tree = -1, empty_tree = -1;

static int fault(char *why, int code, const char *what, const char *path, int error) {
  snprintf(why, ANSWER_MAX, "%s %.400s: %s", what, path, strerror(error));
  return code;
}

static int has(const struct mount_step *step, const char *word) {
  size_t length = strlen(word);
  for (const char *at = step->flags; (at = strstr(at, word)) != NULL; at += length)
    if (at[-1] == ' ' && (at[length] == ' ' || at[length] == 0)) return 1;
  return 0;
}

static uint64_t attributes_of(const struct mount_step *step) {
  return (has(step, "ro") ? ATTR_RO : 0) | (has(step, "nosuid") ? ATTR_NOSUID : 0) |
         (has(step, "nodev") ? ATTR_NODEV : 0) | (has(step, "noexec") ? ATTR_NOEXEC : 0);
}

static int attributes_set(int fd, const char *path, const struct mount_step *step) {
  struct attributes attributes = {.set = attributes_of(step)};
  int flags = (path[0] == 0 ? AT_EMPTY_PATH : 0) | (has(step, "recursive") ? RECURSIVE : 0);
  if (attributes.set == 0) return 0;
  return (int)syscall(SYS_mount_setattr, fd, path, flags, &attributes, sizeof attributes);
}

/* Opens a path of the host; with `within`, without leaving that directory by a link or `..`. */
static int path_open(const char *path, const char *within) {
  if (within == NULL) return open(path, O_PATH | O_CLOEXEC);
  size_t length = strlen(within);
  if (strncmp(path, within, length) != 0 || (path[length] != '/' && path[length] != 0)) {
    errno = EXDEV;
    return -1;
  }
  int root = open(within, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return -1;
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  const char *rest = path + length + (path[length] == '/');
  int fd = (int)syscall(SYS_openat2, root, *rest == 0 ? "." : rest, &how, sizeof how);
  int error = errno;
  close(root);
  errno = error;
  return fd;
}

static int tree_open(int fd, int recursive) {
  return (int)syscall(SYS_open_tree, fd, "", TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? RECURSIVE : 0));
}

/* Whether the owner of what is bound has a name inside; always so without a user namespace. */
static int owner_is_known(const struct request *plan, int fd) {
  long long inside = 0, outside = 0, length = 0;
  const char *map = request_text(plan, TAG_ID_MAP);
  struct stat about;
  if (map == NULL) return 1;
  if (sscanf(map, "%lld %lld %lld", &inside, &outside, &length) != 3 || fstat(fd, &about) != 0) return 0;
  return about.st_uid >= outside && about.st_uid < outside + length && about.st_gid >= outside &&
         about.st_gid < outside + length;
}

int secret_open(const char *path, const char *within, char *why) {
  char name[64];
  struct stat about;
  int place = path_open(path, within);
  snprintf(name, sizeof name, "/proc/self/fd/%d", place);
  /* What may be a pipe must not be opened before it is known to be none. */
  int plain = place >= 0 && fstat(place, &about) == 0 && S_ISREG(about.st_mode);
  int fd = plain ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (place >= 0) close(place);
  if (fd < 0) snprintf(why, ANSWER_MAX, "secret %.255s is not known to this agent", strrchr(path, '/') + 1);
  return fd;
}

long secret_read(int fd, char *out, long room) {
  long length = 0;
  for (ssize_t n = 1; n > 0 && length < room; length += n > 0 ? n : 0) n = read(fd, out + length, (size_t)(room - length));
  return length;
}

/* Makes what is missing of a source, below a directory that is there, and never through a link. */
int source_make(const char *path, const char *within) {
  char part[1024];
  size_t length = within == NULL ? 0 : strlen(within);
  if (within == NULL || strncmp(path, within, length) != 0 || path[length] != '/') { errno = EXDEV; return -1; }
  int fd = open(within, O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (const char *at = path + length; fd >= 0 && *at == '/';) {
    size_t size = strcspn(++at, "/");
    snprintf(part, sizeof part, "%.*s", (int)size, at);
    int made = size > 0 && mkdirat(fd, part, 0700) == 0;
    int next = size == 0 ? dup(fd) : openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made && next >= 0 && fchmod(next, 01777) != 0) { close(next); next = -1; }
    int error = errno;
    close(fd);
    errno = error;
    fd = next;
    at += size;
  }
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

/*
 * A device of `/dev` is made there anew: bound from the host, its mode and owner would be the
 * host's own, for root inside to change. Elsewhere it is bound so that nobody can.
 */
static int is_device(const struct mount_step *step, int fd) {
  struct stat about;
  return fstat(fd, &about) == 0 && (S_ISCHR(about.st_mode) || S_ISBLK(about.st_mode)) && !has(step, "nodev");
}

/* Holds the source of a step before anything of the host is out of reach. */
static int source_hold(const struct request *plan, struct mount_step *step, char *why) {
  int mask = strcmp(step->kind, "mask") == 0;
  step->tree = -1;
  if (mask && null_tree >= 0) return ANSWER_OK;
  if (strcmp(step->kind, "secret") == 0) {
    step->tree = secret_open(step->source, step->within, why);
    return step->tree < 0 ? ANSWER_INVALID : ANSWER_OK;
  }
  if (!mask && strcmp(step->kind, "bind") != 0) return ANSWER_OK;
  const char *source = mask ? "/dev/null" : step->source;
  if (has(step, "make") && source_make(source, step->within) != 0)
    return fault(why, ANSWER_SYSTEM, "make source", source, errno);
  int fd = path_open(source, step->within);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && has(step, "optional")) return ANSWER_OK;
  if (fd < 0 && errno == EXDEV) {
    snprintf(why, ANSWER_MAX, "volume %.400s leads out of %.400s, which is allowed", source, step->within);
    return ANSWER_INVALID;
  }
  if (fd < 0) return fault(why, ANSWER_SYSTEM, "open source", source, errno);
  if (has(step, "owned") && !owner_is_known(plan, fd)) {
    snprintf(why, ANSWER_MAX, "volume %.400s belongs to a user or group that the user namespace does not map", source);
    return ANSWER_INVALID;
  }
  int device = is_device(step, fd);
  step->device = device && !mask && strncmp(step->target, "/dev/", 5) == 0;
  if (step->device) return step->tree = fd, ANSWER_OK;
  int tree = tree_open(fd, has(step, "recursive")), error = errno;
  close(fd);
  struct attributes closed = {.set = ATTR_RO};
  if (tree >= 0 && device && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &closed, sizeof closed) != 0)
    return fault(why, ANSWER_SYSTEM, "close", source, errno);
  if (mask) null_tree = tree;
  else step->tree = tree;
  return tree < 0 ? fault(why, ANSWER_SYSTEM, "copy mount", source, error) : ANSWER_OK;
}

/* A detached file system in memory, or -1. */
static int memory_make(const char *size) {
  int context = (int)syscall(SYS_fsopen, "tmpfs", 1), tree = -1;
  if (context < 0) return -1;
  if (syscall(SYS_fsconfig, context, 1, "mode", "0755", 0) == 0 && syscall(SYS_fsconfig, context, 1, "size", size, 0) == 0 &&
      syscall(SYS_fsconfig, context, 6, NULL, NULL, 0) == 0)
    tree = (int)syscall(SYS_fsmount, context, 1, 0);
  int error = errno;
  close(context);
  errno = error;
  return tree;
}

/* The directory becomes `/`; what was `/` before is let go with all that it holds. */
static int root_change(const char *path, const char *within, const char *sandbox, char *why) {
  int empty = strcmp(path, "tmpfs") == 0, tree = -1;
  int place = path_open(empty ? sandbox : path, within);
  if (place < 0 && errno == EXDEV) {
    snprintf(why, ANSWER_MAX, "root %.400s leads out of %.400s, which is allowed", path, within);
    return ANSWER_INVALID;
  }
  if (place < 0) return fault(why, ANSWER_SYSTEM, "open root", path, errno);
  tree = empty ? memory_make("1m") : tree_open(place, 1);
  if (tree < 0) return fault(why, ANSWER_SYSTEM, "copy root", path, errno);
  if (syscall(SYS_move_mount, tree, "", place, "", MOVE_FROM_FD | MOVE_TO_FD) != 0 || fchdir(tree) != 0 ||
      syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
    return fault(why, ANSWER_SYSTEM, "change root to", path, errno);
  return ANSWER_OK;
}

/* Makes what is missing of a target: directories, and at the end a directory or an empty file. */
static int target_make(const char *target, int directory) {
  struct stat about;
  char part[1024];
  if (lstat(target, &about) == 0 || (directory && mkdir(target, 0755) == 0)) return 0;
  snprintf(part, sizeof part, "%s", target);
  for (char *at = strchr(part + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
    *at = 0;
    if (mkdir(part, 0755) != 0 && errno != EEXIST && errno != EROFS) return -1;
    *at = '/';
  }
  if (directory) return mkdir(part, 0755) == 0 || errno == EEXIST ? 0 : -1;
  int fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return -1;
  return close(fd);
}

static int tree_move(int tree, const char *target) {
  return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_FROM_FD | MOVE_FOLLOW);
}

static int tree_put(const struct mount_step *step) {
  struct stat about;
  if (fstat(step->tree, &about) != 0 || target_make(step->target, S_ISDIR(about.st_mode)) != 0) return -1;
  if (attributes_set(step->tree, "", step) != 0) return -1;
  return tree_move(step->tree, step->target);
}

static int device_put(const struct mount_step *step) {
  struct stat about;
  if (fstat(step->tree, &about) != 0) return -1;
  if (mknod(step->target, about.st_mode, about.st_rdev) != 0) {
    if (errno != ENOENT || target_make(step->target, 0) != 0 || unlink(step->target) != 0) return -1;
    if (mknod(step->target, about.st_mode, about.st_rdev) != 0) return -1;
  }
  if (chmod(step->target, about.st_mode & 07777) != 0) return -1;
  return about.st_uid == 0 && about.st_gid == 0 ? 0 : lchown(step->target, about.st_uid, about.st_gid);
}

static unsigned long mount_flags(const struct mount_step *step) {
  return (has(step, "ro") ? MS_RDONLY : 0) | (has(step, "nosuid") ? MS_NOSUID : 0) |
         (has(step, "nodev") ? MS_NODEV : 0) | (has(step, "noexec") ? MS_NOEXEC : 0);
}

static int new_put(const struct mount_step *step, const char *type, const char *data) {
  if (target_make(step->target, 1) != 0) return -1;
  return mount(type, step->target, type, mount_flags(step), data);
}

/* What is there already, on itself: so that it can have flags of its own. */
static int freeze_put(const struct mount_step *step) {
  struct mount_step whole = *step;
  int fd = open(step->target, O_PATH | O_CLOEXEC);
  if (fd < 0) return -1;
  whole.tree = tree_open(fd, 1);
  int error = errno;
  close(fd);
  errno = error;
  return whole.tree < 0 ? -1 : tree_put(&whole);
}

/* The first mask is the tree itself, the others are copies of it, as it is mounted by then. */
static int mask_put(const struct mount_step *step) {
  static int null_is_put;
  struct stat about;
  if (lstat(step->target, &about) != 0) return errno == ENOENT ? 0 : -1;
  int directory = S_ISDIR(about.st_mode);
  if (directory && empty_tree < 0) {
    unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("tmpfs", step->target, "tmpfs", flags, "size=0,mode=0555") != 0) return -1;
    empty_tree = open(step->target, O_PATH | O_CLOEXEC);
    return empty_tree < 0 ? -1 : 0;
  }
  if (!directory && !null_is_put) return null_is_put = 1, tree_move(null_tree, step->target);
  int copy = tree_open(directory ? empty_tree : null_tree, 0), result = copy < 0 ? -1 : tree_move(copy, step->target);
  int error = errno;
  if (copy >= 0) close(copy);
  errno = error;
  return result;
}

/* The content goes to memory alone: at the target, on whatever disk that is, an empty file is made. */
static int secret_put(const struct request *plan, const struct mount_step *step) {
  static char bytes[SECRET_MAX + 1];
  uid_t uid = 0;
  gid_t gid = 0;
  long length = secret_read(step->tree, bytes, sizeof bytes);
  if (length > SECRET_MAX) { errno = EFBIG; return -1; }
  int memory = memory_make("256k"), root = open("/", O_PATH | O_CLOEXEC), fd = -1, tree = -1, result = -1;
  /* Only what is mounted somewhere can be copied; on top of the root nobody can see it. */
  if (memory >= 0 && root >= 0 && syscall(SYS_move_mount, memory, "", root, "", MOVE_FROM_FD | MOVE_TO_FD) == 0)
    fd = openat(memory, "secret", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
  if (fd >= 0 && write(fd, bytes, (size_t)length) == length && close(fd) == 0 &&
      (owner_of(plan, &uid, &gid) != 0 || fchownat(memory, "secret", uid, gid, AT_SYMLINK_NOFOLLOW) == 0))
    tree = (int)syscall(SYS_open_tree, memory, "secret", TREE_CLONE | O_CLOEXEC);
  if (tree >= 0) {
    struct mount_step whole = *step;
    whole.tree = tree;
    result = tree_put(&whole);
  }
  int error = errno;
  explicit_bzero(bytes, sizeof bytes);
  if (fd >= 0 && (fchdir(memory) != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)) { error = errno; result = -1; }
  errno = error;
  return result;
}

static int put(const struct request *plan, const struct mount_step *step) {
  const char *kind = step->kind;
  if (step->device) return device_put(step);
  if (strcmp(kind, "bind") == 0) return step->tree < 0 ? 0 : tree_put(step);
  if (strcmp(kind, "tmpfs") == 0) return new_put(step, "tmpfs", step->source);
  if (strcmp(kind, "proc") == 0) return new_put(step, "proc", NULL);
  if (strcmp(kind, "mqueue") == 0) return new_put(step, "mqueue", NULL);
  if (strcmp(kind, "devpts") == 0) return new_put(step, "devpts", "newinstance,ptmxmode=0666,mode=0620");
  if (strcmp(kind, "attr") == 0) return attributes_set(AT_FDCWD, step->target, step);
  if (strcmp(kind, "freeze") == 0) return freeze_put(step);
  if (strcmp(kind, "mask") == 0) return mask_put(step);
  if (strcmp(kind, "link") == 0) return symlink(step->source, step->target);
  if (strcmp(kind, "secret") == 0) return secret_put(plan, step);
  errno = EINVAL;
  return -1;
}

static int step_is_whole(const struct mount_step *step) {
  const char *kind = step->kind;
  int path = strcmp(kind, "bind") == 0 || strcmp(kind, "secret") == 0;
  int needs = path || strcmp(kind, "tmpfs") == 0 || strcmp(kind, "link") == 0;
  return step->target != NULL && path_is_plain(step->target) && (!needs || step->source != NULL) &&
         (!path || path_is_plain(step->source));
}

/* Collects the steps; their number, or -1 with `why`. */
static int steps_read(const struct request *plan, char *why) {
  int count = 0;
  for (int i = 0; i < plan->count; i++) {
    if (plan->fields[i].tag != TAG_MOUNT) continue;
    struct mount_step step = {.flags = strchr(plan->fields[i].value, ' '), .tree = -1};
    if (step.flags == NULL) step.flags = plan->fields[i].value + plan->fields[i].length;
    size_t length = (size_t)(step.flags - plan->fields[i].value);
    if (length < sizeof step.kind) memcpy(step.kind, plan->fields[i].value, length);
    for (int j = i + 1; j < plan->count; j++) {
      const struct field *field = &plan->fields[j];
      if (field->tag == TAG_TARGET) step.target = field->value;
      else if (field->tag == TAG_SOURCE) step.source = field->value;
      else if (field->tag == TAG_WITHIN) step.within = field->value;
      else break;
    }
    if (count == MOUNTS_MAX || !step_is_whole(&step)) {
      snprintf(why, ANSWER_MAX, "mount %.40s: it lacks target or source, names .. in one, or there are more than %d",
               plan->fields[i].value, MOUNTS_MAX);
      return -1;
    }
    steps[count++] = step;
  }
  return count;
}

int mounts_apply(const struct request *plan, char *why) {
  int count = steps_read(plan, why), code;
  if (count < 0) return ANSWER_INVALID;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return fault(why, ANSWER_SYSTEM, "make private", "/", errno);
  if ((code = image_mount(plan, why)) != ANSWER_OK) return code;
  for (int i = 0; i < count; i++)
    if ((code = source_hold(plan, &steps[i], why)) != ANSWER_OK) return code;
  for (int i = 0; i < plan->count; i++) {
    if (plan->fields[i].tag != TAG_ROOT) continue;
    const char *within = i + 1 < plan->count && plan->fields[i + 1].tag == TAG_WITHIN ? plan->fields[i + 1].value : NULL;
    code = root_change(plan->fields[i].value, within, request_text(plan, TAG_SANDBOX), why);
    if (code != ANSWER_OK) return code;
  }
  for (int i = 0; i < count; i++) {
    if (put(plan, &steps[i]) == 0 || ((errno == ENOENT || errno == EROFS) && has(&steps[i], "optional"))) continue;
    char what[40];
    struct stat about;
    if (errno == EROFS && lstat(steps[i].target, &about) != 0) {
      snprintf(why, ANSWER_MAX, "mount %s on %.400s: the root is read only and has no such place; name one that it has, or take a "
               "root of the container's own (minimal)", steps[i].kind, steps[i].target);
      return ANSWER_INVALID;
    }
    snprintf(what, sizeof what, "mount %s on", steps[i].kind);
    return fault(why, ANSWER_SYSTEM, what, steps[i].target, errno);
  }
  for (int i = 0; i < count; i++)
    if (steps[i].tree >= 0) close(steps[i].tree);
  if (null_tree >= 0) close(null_tree);
  if (empty_tree >= 0) close(empty_tree);
  return ANSWER_OK;
}

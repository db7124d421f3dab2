/*
 * Bounds that the file system itself keeps for a container: project quotas of XFS, and an image
 * with a file system of its own in the place of the sandbox. Nothing of them needs to be given
 * back: the kernel's count of inodes says which projects are free, and a mount that is in the
 * container's mount namespace alone ends with it, and its loop device with the mount.
 */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/quota.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#define PROJECT_QUOTA 2
#define BLOCK 512
#define IMAGE ".image"
#define LOOP_TRIES 64

static char loop_name[32];

static int fault(char *why, const char *what, const char *path, int error) {
  snprintf(why, ANSWER_MAX, "%s %.400s: %s", what, path, strerror(error));
  return ANSWER_SYSTEM;
}

static int quota_call(int fd, int command, unsigned id, struct fs_disk_quota *quota) {
  return (int)syscall(SYS_quotactl_fd, fd, QCMD(command, PROJECT_QUOTA), id, quota);
}

/* The topmost directory of a file system is what all agents on it lock while they choose. */
static int top_lock(int fd) {
  struct stat about, above;
  int top = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (top >= 0 && fstat(top, &about) == 0) {
    int next = openat(top, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (next < 0 || fstat(next, &above) != 0 || above.st_dev != about.st_dev || above.st_ino == about.st_ino) {
      if (next >= 0) close(next);
      break;
    }
    close(top);
    top = next;
  }
  if (top < 0 || flock(top, LOCK_EX) == 0) return top;
  close(top);
  return -1;
}

/* A project without a single inode belongs to nobody. 0: there is none in the range. */
static unsigned project_free(int fd, unsigned first, unsigned last) {
  for (unsigned id = first; id <= last; id++) {
    struct fs_disk_quota quota = {0};
    int result = quota_call(fd, Q_XGETQUOTA, id, &quota);
    if ((result != 0 && errno == ENOENT) || (result == 0 && quota.d_icount == 0)) return id;
    if (result != 0) return 0;
  }
  errno = ENOSPC;
  return 0;
}

/* The project of a directory: the one that it has, or a free one, for it and all that is made in it. */
static int project_of(int fd, unsigned first, unsigned last, unsigned *id, const char *path, char *why) {
  struct fsxattr attributes;
  if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0) return fault(why, "read project of", path, errno);
  *id = attributes.fsx_projid;
  if (*id >= first && *id <= last) return ANSWER_OK;
  int top = top_lock(fd), code = ANSWER_OK;
  if (top < 0) return fault(why, "lock file system of", path, errno);
  *id = project_free(fd, first, last);
  attributes.fsx_projid = *id;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  if (*id == 0 && errno == ENOSPC) {
    snprintf(why, ANSWER_MAX, "no project id from %u to %u is free for %.400s; old sandboxes have them", first, last, path);
    code = ANSWER_SYSTEM;
  } else if (*id == 0) code = fault(why, "read quotas of the file system of", path, errno);
  else if (ioctl(fd, FS_IOC_FSSETXATTR, &attributes) != 0) code = fault(why, "set project of", path, errno);
  close(top);
  return code;
}

static int quota_set(const char *path, unsigned first, unsigned last, unsigned long long bytes, char *why) {
  unsigned id = 0;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fault(why, "open", path, errno);
  int code = project_of(fd, first, last, &id, path, why);
  struct fs_disk_quota quota = {.d_version = FS_DQUOT_VERSION, .d_flags = FS_PROJ_QUOTA, .d_id = id};
  quota.d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT;
  quota.d_blk_hardlimit = quota.d_blk_softlimit = bytes / BLOCK;
  if (code == ANSWER_OK && quota_call(fd, Q_XSETQLIM, id, &quota) != 0) code = fault(why, "set quota of", path, errno);
  close(fd);
  return code;
}

int quotas_set(const struct request *plan, char *why) {
  unsigned first = 0, last = 0;
  const char *range = request_text(plan, TAG_PROJECTS);
  if (range != NULL && sscanf(range, "%u %u", &first, &last) != 2) range = NULL;
  for (int i = 0; i + 1 < plan->count; i++) {
    const struct field *field = &plan->fields[i];
    if (field->tag != TAG_QUOTA) continue;
    const char *within = i + 2 < plan->count && field[2].tag == TAG_WITHIN ? field[2].value : NULL;
    if (range == NULL || first == 0 || field[1].tag != TAG_SOURCE || !path_is_plain(field[1].value)) {
      snprintf(why, ANSWER_MAX, "a quota lacks its directory or the range of projects");
      return ANSWER_INVALID;
    }
    const char *path = field[1].value;
    if (within != NULL && source_make(path, within) != 0) return fault(why, "make", path, errno);
    int code = quota_set(path, first, last, strtoull(field->value, NULL, 10), why);
    if (code != ANSWER_OK) return code;
  }
  return ANSWER_OK;
}

/* A loop device on the file, which it leaves with its last user; -1 with errno. */
static int loop_attach(int image) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), loop = -1;
  if (control < 0) return -1;
  for (int i = 0; i < LOOP_TRIES && loop < 0; i++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    snprintf(loop_name, sizeof loop_name, "/dev/loop%d", number);
    loop = open(loop_name, O_RDWR | O_CLOEXEC);
    struct loop_config config = {.fd = (unsigned)image, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
    if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &config) == 0) break;
    int error = errno;
    close(loop);
    loop = -1;
    errno = error;
    if (error != EBUSY) break; /* busy: another took it in between */
  }
  int error = errno;
  close(control);
  errno = error;
  return loop;
}

/* Held until it is mounted: nobody else's use keeps it attached before. */
static int held = -1;

/* On the host's mount of the file: it is written, and a container's own root would not become read only. */
static int image_attach(const char *path, char *why) {
  int image = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (image < 0) return fault(why, "open", path, errno);
  held = loop_attach(image);
  int error = errno;
  close(image);
  return held < 0 ? fault(why, "attach a loop device to", path, error) : ANSWER_OK;
}

void image_release(void) {
  if (held >= 0) close(held);
  held = -1;
}

/* Nobody sees the sandbox below the image until its container has ended, so nobody can tamper. */
int image_make(const struct request *plan, const char *sandbox, char *why) {
  const char *bytes = request_text(plan, TAG_IMAGE);
  char path[1100], owner[80], said[600];
  uid_t uid = 0;
  gid_t gid = 0;
  if (bytes == NULL) return ANSWER_OK;
  if (owner_of(plan, &uid, &gid) != 0) { uid = geteuid(); gid = getegid(); }
  snprintf(path, sizeof path, "%s/" IMAGE, sandbox);
  unlink(path);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, atoll(bytes)) != 0) return fault(why, "make", path, errno);
  close(fd);
  snprintf(owner, sizeof owner, "nodiscard,root_owner=%u:%u", (unsigned)uid, (unsigned)gid);
  char *argv[] = {"/sbin/mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", owner, path, NULL};
  char *env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  if (program_run(argv, env, "", said, sizeof said) == 0) return image_attach(path, why);
  said[strcspn(said, "\n")] = 0;
  snprintf(why, ANSWER_MAX, "make a file system in %.400s: mkfs.ext4: %s", path, said);
  return ANSWER_SYSTEM;
}

int image_mount(const struct request *plan, char *why) {
  const char *sandbox = request_text(plan, TAG_SANDBOX);
  char path[1100];
  if (request_text(plan, TAG_IMAGE) == NULL) return ANSWER_OK;
  if (mount(loop_name, sandbox, "ext4", MS_NOSUID | MS_NODEV, NULL) != 0)
    return fault(why, "mount the image on", sandbox, errno);
  snprintf(path, sizeof path, "%s/lost+found", sandbox);
  rmdir(path);
  return chmod(sandbox, 0750) == 0 ? ANSWER_OK : fault(why, "close the image on", sandbox, errno);
}

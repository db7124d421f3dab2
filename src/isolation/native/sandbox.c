/* Makes the sandboxes of containers, each of its user alone. */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Tells the file system that what is in this directory does not belong together (chattr +T), so
 * that ext4 spreads the sandboxes over the disk: in one place each new file has to pass over all
 * inodes that others have freed lately. Where that is not known, nothing is lost.
 */
static int spread(const char *path) {
  int flags = 0, directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = directory < 0 ? -1 : ioctl(directory, FS_IOC_GETFLAGS, &flags);
  flags |= FS_TOPDIR_FL;
  if (result == 0) result = ioctl(directory, FS_IOC_SETFLAGS, &flags);
  if (directory >= 0) close(directory);
  return result;
}

/* Makes the sandbox and what is above it; only what was made here changes its owner. */
int sandbox_make(const struct request *request, const char *path) {
  char part[1024];
  snprintf(part, sizeof part, "%s", path);
  int result = mkdir(part, 0750) == 0 ? 0 : errno;
  if (result == EEXIST) return 0;
  for (char *at = strchr(part + 1, '/'); at != NULL && result == ENOENT; at = strchr(at + 1, '/')) {
    *at = 0;
    int made = mkdir(part, 0755) == 0;
    if (!made && errno != EEXIST) return -errno;
    if (made && strchr(at + 1, '/') == NULL) spread(part);
    *at = '/';
  }
  if (result == ENOENT) result = mkdir(part, 0750) == 0 ? 0 : errno;
  if (result != 0) return result == EEXIST ? 0 : -result;
  if (request_text(request, TAG_USER) == NULL) return 0;
  uid_t uid;
  gid_t gid;
  if (owner_of(request, &uid, &gid) != 0) return -EOVERFLOW;
  return lchown(part, uid, gid) == 0 ? 0 : -errno;
}

/*
 * Runtime directories: made, emptied, taken away, or kept to be used again. Those that are kept
 * are known to all workers by one byte each. Knows nothing of what stands in their files.
 */
#define _GNU_SOURCE
#include "work.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* One byte for each spare runtime directory, in memory that all workers share. */
enum { SPARE_ABSENT, SPARE_THERE, SPARE_TAKEN };

static _Atomic unsigned char *spares;

static void spare_name(char name[24], int index) { snprintf(name, 24, ".spare-%d", index); }

/* With one journal in order a rename goes to the disk with what is synced after it; btrfs syncs a file alone. */
static int journal_is_ordered(void) {
  struct statfs about;
  return statfs(".", &about) == 0 && (about.f_type == EXT4_SUPER_MAGIC || about.f_type == XFS_SUPER_MAGIC || about.f_type == TMPFS_MAGIC);
}

static int names_sync(void) {
  if (journal_is_ordered()) return 0;
  int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = directory >= 0 && fsync(directory) == 0 ? 0 : errno;
  if (directory >= 0) close(directory);
  return result;
}

static int spare_claim(int index, unsigned char from, unsigned char to) {
  return atomic_compare_exchange_strong(&spares[index], &from, to);
}

void spares_find(void) {
  spares = mmap(NULL, SPARES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (spares == MAP_FAILED) { spares = NULL; return; }
  for (int i = 0; i < SPARES_MAX; i++) {
    char name[24];
    spare_name(name, i);
    spares[i] = access(name, F_OK) == 0 ? SPARE_THERE : SPARE_ABSENT;
  }
}

/* Makes the runtime directory of a container, of a spare one if there is any. 0 or an errno. */
int runtime_make(const char *id) {
  for (int i = 0; spares != NULL && i < SPARES_MAX; i++) {
    char name[24];
    if (!spare_claim(i, SPARE_THERE, SPARE_TAKEN)) continue;
    spare_name(name, i);
    int result = renameat2(AT_FDCWD, name, AT_FDCWD, id, RENAME_NOREPLACE) == 0 ? 0 : errno;
    /* A new directory goes to the disk with the first file in it; a renamed one not everywhere. */
    if (result == 0) result = names_sync();
    spares[i] = result == EEXIST ? SPARE_THERE : SPARE_ABSENT;
    if (result == 0 || result == EEXIST) return result;
    break; /* taken by another hand, or a file system without this call */
  }
  return mkdir(id, 0700) == 0 ? 0 : errno;
}

/* Empties what launch and shim wrote; 1 when nothing else is there, so that it can be used again. */
static int runtime_empty(int directory) {
  int copy = dup(directory), plain = 1;
  DIR *entries = copy < 0 ? NULL : fdopendir(copy);
  if (entries == NULL) return 0;
  rewinddir(entries);
  for (struct dirent *entry; plain && (entry = readdir(entries)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "alive") == 0) continue;
    plain = strcmp(name, "launch") == 0 || strcmp(name, "config.json") == 0 || strcmp(name, "pid") == 0 ||
            strcmp(name, "status") == 0;
    /* In an open and close of its own: ext4 writes a file out at the close of the descriptor that cut it. */
    int fd = plain ? openat(directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0 || ftruncate(fd, 0) != 0) plain = 0;
    if (fd >= 0) close(fd);
  }
  closedir(entries);
  return plain;
}

/*
 * Takes away a runtime directory, or keeps it empty for the next container. The files are empty
 * before the directory has another name, in the journal's order too: no container finds another's.
 */
void runtime_remove(int directory, const char *id) {
  for (int i = 0; spares != NULL && i < SPARES_MAX; i++) {
    char name[24];
    if (!spare_claim(i, SPARE_ABSENT, SPARE_TAKEN)) continue;
    spare_name(name, i);
    int empty = runtime_empty(directory);
    fault_point(68);
    int kept = empty && renameat2(AT_FDCWD, id, AT_FDCWD, name, RENAME_NOREPLACE) == 0;
    spares[i] = kept ? SPARE_THERE : SPARE_ABSENT;
    if (kept) return;
    break;
  }
  int copy = dup(directory);
  DIR *entries = copy < 0 ? NULL : fdopendir(copy);
  if (entries != NULL) {
    rewinddir(entries);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) unlinkat(directory, entry->d_name, 0);
    closedir(entries);
  }
  rmdir(id);
}

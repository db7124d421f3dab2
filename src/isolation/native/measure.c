/*
 * What no counter of the kernel tells of a container: the blocks of its directories, and the
 * ports on which its processes listen. Runs in a worker of its own, so that nobody waits for a
 * large directory. Reads only; writes the answer's text.
 */
#define _GNU_SOURCE
#include "work.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCESSES_MAX 8192
#define SOCKETS_MAX 65536
#define LISTEN_STATE "0A"

static pid_t processes[PROCESSES_MAX];
static unsigned long sockets[SOCKETS_MAX];
static int process_count, socket_count;

/* Blocks of all below a directory, on its file system; a file of many names counts once in all. */
static long long blocks_of(const char *path, int *error) {
  char *const paths[] = {(char *)path, NULL};
  long long bytes = 0;
  FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
  *error = tree == NULL ? errno : 0;
  for (FTSENT *entry; tree != NULL && (entry = fts_read(tree)) != NULL;) {
    if (entry->fts_info == FTS_DP) continue;
    if (entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR) {
      /* What goes away while it is counted is no fault; a directory that nobody may read is one. */
      if (entry->fts_errno != ENOENT) *error = entry->fts_errno;
      continue;
    }
    const struct stat *about = entry->fts_statp;
    long long own = (long long)about->st_blocks * 512;
    int names = S_ISDIR(about->st_mode) || about->st_nlink < 1 ? 1 : (int)about->st_nlink;
    bytes += own / names;
  }
  if (tree != NULL) fts_close(tree);
  return bytes;
}

static void process_seen(pid_t pid) {
  if (process_count < PROCESSES_MAX) processes[process_count++] = pid;
}

static int by_number(const void *one, const void *two) {
  unsigned long a = *(const unsigned long *)one, b = *(const unsigned long *)two;
  return a < b ? -1 : a > b;
}

/* The inodes of the sockets that a process has open. */
static void sockets_of(pid_t pid) {
  char path[64], target[64];
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  DIR *directory = opendir(path);
  if (directory == NULL) return; /* it has ended */
  for (struct dirent *entry; (entry = readdir(directory)) != NULL && socket_count < SOCKETS_MAX;) {
    ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
    unsigned long inode;
    if (n <= 0) continue;
    target[n] = 0;
    if (sscanf(target, "socket:[%lu]", &inode) == 1) sockets[socket_count++] = inode;
  }
  closedir(directory);
}

/* Adds "tcp PORT" for each listener of a table of the kernel that is one of ours. */
static size_t listeners_of(pid_t pid, const char *protocol, unsigned char *known, char *out, size_t used) {
  char path[64], state[8];
  snprintf(path, sizeof path, "/proc/%d/net/%s", (int)pid, protocol);
  char *table = file_read(AT_FDCWD, path, NULL);
  for (char *line = table; line != NULL && (line = strchr(line, '\n')) != NULL && line[1] != 0;) {
    unsigned port;
    unsigned long inode;
    line++;
    if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %7s %*s %*s %*s %*u %*u %lu", &port, state, &inode) != 3) continue;
    if (strcmp(state, LISTEN_STATE) != 0 || port > 65535 || known[port / 8] >> (port % 8) & 1) continue;
    if (bsearch(&inode, sockets, (size_t)socket_count, sizeof *sockets, by_number) == NULL) continue;
    if (used + 16 > ANSWER_MAX) break;
    known[port / 8] |= (unsigned char)(1 << (port % 8));
    used += (size_t)snprintf(out + used, ANSWER_MAX - used, "%s %u\n", protocol, port);
  }
  free(table);
  return used;
}

/* All processes of a container share one network, so the table of any of them that lives will do. */
static size_t listeners(const struct reach *reach, pid_t shim, char *out, size_t used) {
  static unsigned char known[65536 / 8];
  reach_visitor = process_seen;
  reach_signal(reach, shim, 0);
  reach_visitor = NULL;
  for (int i = 0; i < process_count; i++) sockets_of(processes[i]);
  qsort(sockets, (size_t)socket_count, sizeof *sockets, by_number);
  for (int i = 0; i < process_count && i < 8; i++) {
    used = listeners_of(processes[i], "tcp", known, out, used);
    used = listeners_of(processes[i], "tcp6", known, out, used);
  }
  return used;
}

/* "BYTES BYTES ...\n", one for each directory, then a line for each listener. */
int measure(const struct request *request, const struct reach *reach, pid_t shim, char *out) {
  size_t used = 0;
  out[0] = 0;
  for (int i = 0; i < request->count; i++) {
    const char *path = request->fields[i].value;
    int error;
    if (request->fields[i].tag != TAG_MEASURE) continue;
    long long bytes = blocks_of(path, &error);
    if (error != 0) {
      snprintf(out, ANSWER_MAX, "measure %.400s: %s", path, strerror(error));
      return ANSWER_SYSTEM;
    }
    if (used + 24 > ANSWER_MAX) {
      snprintf(out, ANSWER_MAX, "more directories are to be measured than an answer has room for");
      return ANSWER_INVALID;
    }
    used += (size_t)snprintf(out + used, ANSWER_MAX - used, "%s%lld", used == 0 ? "" : " ", bytes);
  }
  used += (size_t)snprintf(out + used, ANSWER_MAX - used, "\n");
  if (request_text(request, TAG_LISTENERS) != NULL) listeners(reach, shim, out, used);
  return ANSWER_OK;
}

/*
 * What launcher and shim both do: read frames, write files durably, find and kill processes.
 * Keeps no state; allocates only what it returns or frees again.
 */
#define _GNU_SOURCE
#include "contract.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void (*reach_visitor)(pid_t pid);

static void touch(pid_t pid, int signal_number) {
  if (signal_number == 0 && reach_visitor != NULL) reach_visitor(pid);
  else kill(pid, signal_number);
}

static uint32_t u32_at(const char *at) {
  const unsigned char *b = (const unsigned char *)at;
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

int request_parse(char *body, uint32_t length, struct request *out) {
  if (length < 5) return -1;
  out->id = u32_at(body);
  out->op = (uint8_t)body[4];
  out->count = 0;
  uint32_t at = 5;
  while (at < length) {
    if (length - at < 6 || out->count == FIELDS_MAX) return -1;
    uint32_t size = u32_at(body + at + 1);
    if (size > length - at - 6) return -1;
    char *value = body + at + 5;
    if (value[size] != 0 || memchr(value, 0, size) != NULL) return -1;
    out->fields[out->count++] = (struct field){(uint8_t)body[at], size, value};
    at += size + 6;
  }
  return 0;
}

const char *request_text(const struct request *request, uint8_t tag) {
  for (int i = 0; i < request->count; i++)
    if (request->fields[i].tag == tag) return request->fields[i].value;
  return NULL;
}

long request_number(const struct request *request, uint8_t tag, long otherwise) {
  const char *text = request_text(request, tag);
  if (text == NULL) return otherwise;
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  return errno != 0 || end == text || *end != 0 ? otherwise : value;
}

/* Absolute, no `..`, no newline (the file `launch` is made of lines), and short enough. */
int path_is_plain(const char *path) {
  size_t length = strlen(path);
  if (path[0] != '/' || length > 1000 || strchr(path, '\n') != NULL) return 0;
  if (strstr(path, "/../") != NULL) return 0;
  return length < 3 || strcmp(path + length - 3, "/..") != 0;
}

static int write_fully(int fd, const char *text, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, text, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    text += n;
    length -= (size_t)n;
  }
  return 0;
}

/* A control file takes its value in one write: never split, never retried in part. */
int file_write(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  ssize_t n = write(fd, text, strlen(text));
  int result = n < 0 ? -errno : 0;
  close(fd);
  return result;
}

/*
 * Writes a file that is absent or empty, or has the same text; returns its descriptor. One write
 * into an empty file: readers see nothing or all of it. In place, because making and removing
 * files is what costs most of a launch (ext4 passes over every inode that was freed lately).
 */
int file_put(int directory, const char *name, const char *text, size_t length) {
  struct stat about;
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -errno;
  int result = write_fully(fd, text, length);
  if (result == 0 && fstat(fd, &about) != 0) result = -errno;
  if (result == 0 && about.st_size > (off_t)length && ftruncate(fd, (off_t)length) != 0) result = -errno;
  if (result == 0) return fd;
  close(fd);
  return result;
}

/*
 * One sync covers data, size, the file's name and the new or renamed directory above it (one
 * commit of the journal: ext4, xfs, btrfs). What a power cut in between leaves is an empty file,
 * which every reader takes for none; the processes it told of are gone by then too.
 */
int file_write_durably(int directory, const char *name, const char *text, size_t length) {
  int fd = file_put(directory, name, text, length);
  if (fd < 0) return fd;
  int result = fsync(fd) == 0 ? 0 : -errno;
  close(fd);
  return result;
}

char *file_read(int directory, const char *name, size_t *length) {
  int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return NULL;
  size_t size = 0, room = 4096;
  char *text = malloc(room);
  while (text != NULL) {
    ssize_t n = read(fd, text + size, room - size - 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size += (size_t)n;
    if (room - size < 2) {
      char *larger = realloc(text, room *= 2);
      if (larger == NULL) free(text);
      text = larger;
    }
  }
  close(fd);
  if (text != NULL) text[size] = 0;
  if (length != NULL) *length = size;
  return text;
}

/* Turns the lines of `launch` into fields of a request, after those it has. */
int launch_file_read(int directory, struct request *request) {
  char *text = file_read(directory, "launch", NULL);
  if (text == NULL) return -1;
  for (char *line = text; *line != 0;) {
    char *end = strchr(line, '\n');
    if (end == NULL || end < line + 2 || request->count == FIELDS_MAX) break;
    *end = 0;
    request->fields[request->count++] = (struct field){(uint8_t)line[0], (uint32_t)(end - line - 2), line + 2};
    line = end + 1;
  }
  return 0;
}

/* The number after `key ` at the start of a line, or the whole file's number; -1 if there is none. */
long long counter_read(const char *path, const char *key) {
  char *text = file_read(AT_FDCWD, path, NULL);
  if (text == NULL) return -1;
  long long value = -1;
  if (key == NULL) {
    if (isdigit((unsigned char)text[0])) value = atoll(text);
  } else {
    size_t size = strlen(key);
    for (char *line = text; line != NULL; line = strchr(line, '\n')) {
      if (*line == '\n') line++;
      if (strncmp(line, key, size) == 0 && line[size] == ' ') { value = atoll(line + size + 1); break; }
    }
  }
  free(text);
  return value;
}

/* State, parent and start time of a process; the name in parentheses may contain anything. */
static int stat_read(pid_t pid, char *state, pid_t *parent, long long *start) {
  char path[40], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return -1;
  text[n] = 0;
  char *at = strrchr(text, ')');
  if (at == NULL) return -1;
  int ppid;
  if (sscanf(at + 2, "%c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
             state, &ppid, start) != 3) return -1;
  *parent = ppid;
  return 0;
}

long long start_ticks(pid_t pid) {
  char state;
  pid_t parent;
  long long start;
  return stat_read(pid, &state, &parent, &start) == 0 ? start : -1;
}

int pids_read(int directory, struct pids *out) {
  char *text = file_read(directory, "pid", NULL);
  if (text == NULL) return -1;
  int shim, pid;
  int n = sscanf(text, "{\"shim\":%d,\"shimStart\":%lld,\"pid\":%d,\"start\":%lld}", &shim,
                 &out->shim_start, &pid, &out->start);
  free(text);
  out->shim = shim;
  out->pid = pid;
  return n == 4 ? 0 : -1;
}

int shim_alive(const struct pids *pids) {
  char state;
  pid_t parent;
  long long start;
  return stat_read(pids->shim, &state, &parent, &start) == 0 && start == pids->shim_start && state != 'Z';
}

/* Signals every process of a cgroup and of those below it; returns how many it saw. */
int members_signal(const char *cgroup, int signal_number) {
  char path[1200];
  int seen = 0;
  snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
  char *text = file_read(AT_FDCWD, path, NULL);
  if (text != NULL) {
    for (char *at = text; *at != 0;) {
      char *end;
      long pid = strtol(at, &end, 10);
      if (end == at) break;
      if (pid > 0) { touch((pid_t)pid, signal_number); seen++; }
      at = *end == '\n' ? end + 1 : end;
    }
    free(text);
  }
  /* A link for itself, one for its name, and one for each directory in it. */
  struct stat about;
  if (stat(cgroup, &about) != 0 || about.st_nlink == 2) return seen;
  DIR *directory = opendir(cgroup);
  if (directory == NULL) return seen;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", cgroup, entry->d_name) < sizeof path)
      seen += members_signal(path, signal_number);
  }
  closedir(directory);
  return seen;
}

struct process { pid_t pid, parent; char state; int below; };

static int processes_read(struct process **out) {
  int count = 0, room = 512;
  struct process *all = malloc(sizeof *all * (size_t)room);
  DIR *directory = all == NULL ? NULL : opendir("/proc");
  if (directory == NULL) { free(all); *out = NULL; return 0; }
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    struct process one = {.pid = (pid_t)atoi(entry->d_name)};
    long long start;
    if (stat_read(one.pid, &one.state, &one.parent, &start) != 0) continue;
    if (count == room) {
      struct process *larger = realloc(all, sizeof *all * (size_t)(room *= 2));
      if (larger == NULL) break;
      all = larger;
    }
    all[count++] = one;
  }
  closedir(directory);
  *out = all;
  return count;
}

/* Signals all processes whose chain of parents leads to `root`; returns how many are not zombies. */
int descendants_signal(pid_t root, int signal_number) {
  struct process *all;
  int count = processes_read(&all), seen = 0;
  for (int changed = 1; changed;) {
    changed = 0;
    for (int i = 0; i < count; i++) {
      if (all[i].below) continue;
      int below = all[i].parent == root;
      for (int j = 0; j < count && !below; j++) below = all[j].below && all[j].pid == all[i].parent;
      if (!below) continue;
      all[i].below = changed = 1;
      if (all[i].state == 'Z') continue;
      touch(all[i].pid, signal_number);
      seen++;
    }
  }
  free(all);
  return seen;
}

/*
 * Signals what a dead shim left behind: processes whose environment carries this launch, and the
 * task itself, which has no environment to be read while it executes another program.
 */
int marked_signal(const struct reach *reach, int signal_number) {
  const char *nonce = reach->nonce;
  char mark[300], path[40], state;
  int seen = 0;
  pid_t parent;
  long long start;
  if (reach->pids.pid > 0 && stat_read(reach->pids.pid, &state, &parent, &start) == 0 && start == reach->pids.start && state != 'Z') {
    touch(reach->pids.pid, signal_number);
    seen++;
  }
  size_t size = (size_t)snprintf(mark, sizeof mark, "MESETA_LAUNCH=%s", nonce) + 1;
  struct process *all;
  int count = nonce[0] == 0 ? (all = NULL, 0) : processes_read(&all);
  for (int i = 0; i < count; i++) {
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)all[i].pid);
    char *text = file_read(AT_FDCWD, path, &length);
    if (text == NULL) continue;
    if (memmem(text, length, mark, size) != NULL && all[i].state != 'Z') {
      kill(all[i].pid, signal_number);
      seen++;
    }
    free(text);
  }
  free(all);
  return seen;
}

/* A plain signal to all; returns how many it reached. */
int reach_signal(const struct reach *reach, pid_t shim, int signal_number) {
  char cgroup[1024];
  switch (reach->tag) {
    case TAG_KILL:
      snprintf(cgroup, sizeof cgroup, "%s", reach->path);
      *strrchr(cgroup, '/') = 0;
      return members_signal(cgroup, signal_number);
    case TAG_FREEZER:
      return members_signal(reach->path, signal_number);
    default:
      return shim > 0 ? descendants_signal(shim, signal_number) : marked_signal(reach, signal_number);
  }
}

/*
 * One round of killing everything; returns how many were still seen. A frozen v1 cgroup must be
 * thawed again or the signal never lands. Without cgroups a stop comes first, until no new
 * process appears, so that a forking crowd cannot outrun the kill.
 */
int reach_kill(const struct reach *reach, pid_t shim) {
  char path[1100];
  if (reach->tag != TAG_DESCENDANTS && reach_signal(reach, shim, 0) == 0) return 0;
  if (reach->tag == TAG_KILL) {
    file_write(reach->path, "1");
    return reach_signal(reach, shim, SIGKILL);
  }
  if (reach->tag == TAG_FREEZER) {
    snprintf(path, sizeof path, "%s/freezer.state", reach->path);
    file_write(path, "FROZEN");
    int seen = members_signal(reach->path, SIGKILL);
    file_write(path, "THAWED");
    return seen;
  }
  int before = -1;
  for (int round = 0, now = 0; round < 20 && now != before; round++) {
    before = now;
    now = reach_signal(reach, shim, SIGSTOP);
    if (now == 0) return 0;
  }
  return reach_signal(reach, shim, SIGKILL);
}

long long now_ms(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (long long)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

void sleep_ms(int ms) {
  struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&time, NULL);
}

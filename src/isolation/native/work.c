/*
 * What the launcher's workers do: launch, steps, signal, destroy, forget. Each runs in a process
 * of its own that answers and ends, and finds all it must know in the request and on disk. The
 * worker of a launch stays as the container's shim.
 */
#define _GNU_SOURCE
#include "inside.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **roots;
/* The request in hand: the server's own, which is this process' copy after the fork. */
static struct request *request;

int answer(int fd, uint32_t id, int code, const char *text, int flags) {
  char frame[ANSWER_MAX + 16];
  size_t length = strlen(text);
  if (length > ANSWER_MAX) length = ANSWER_MAX;
  uint32_t size = (uint32_t)length + 5;
  memcpy(frame, &size, 4);
  memcpy(frame + 4, &id, 4);
  frame[8] = (char)code;
  memcpy(frame + 9, text, length);
  /* A client that has gone need not be told: the facts stand on disk. */
  return send(fd, frame, length + 9, MSG_NOSIGNAL | flags) == (ssize_t)length + 9 ? 0 : -1;
}

static int failed(char *why, int code, const char *step, const char *about, int error) {
  snprintf(why, ANSWER_MAX, "%s %s: %s", step, about, strerror(error));
  return code;
}

/* One rule for ids: they become names of directories and cgroups. */
static int id_is_plain(const char *id) {
  size_t length = id == NULL ? 0 : strlen(id);
  if (length == 0 || length > 255 || id[0] == '.' || id[0] == '-') return 0;
  return strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

/* A name that ends with a slash allows everything below it, any other that path alone. */
static int below_roots(const char *path) {
  for (char **root = roots; *root != NULL; root++) {
    size_t length = strlen(*root);
    if (strcmp(path, *root) == 0) return 1;
    if (length > 1 && (*root)[length - 1] == '/' && strncmp(path, *root, length) == 0) return 1;
  }
  return 0;
}

static int check_paths(char *why) {
  for (int i = 0; i < request->count; i++) {
    const char *value = request->fields[i].value;
    if (strchr("MWwdJOPKFR", request->fields[i].tag) == NULL) continue;
    if (path_is_plain(value) && below_roots(value)) continue;
    snprintf(why, ANSWER_MAX, "path %.200s is not within the cgroups named at the start", value);
    return ANSWER_INVALID;
  }
  return ANSWER_OK;
}

/* One value into a control file, which stays open for the next one: there may be many for one. */
static int control_write(const char **open_path, int *fd, const char *path, const char *value) {
  if (*open_path == NULL || strcmp(*open_path, path) != 0) {
    if (*fd >= 0) close(*fd);
    *fd = open(path, O_WRONLY | O_CLOEXEC);
    *open_path = path;
  }
  if (*fd < 0) return -errno;
  return write(*fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* Makes and writes in the order given; stops at the first that fails. */
static int do_steps(char *why) {
  const char *open_path = NULL;
  int fd = -1, code = ANSWER_OK;
  for (int i = 0; i < request->count && code == ANSWER_OK; i++) {
    const struct field *field = &request->fields[i];
    if (field->tag == TAG_MAKE && mkdir(field->value, 0755) != 0 && errno != EEXIST)
      code = failed(why, ANSWER_SYSTEM, "make cgroup", field->value, errno);
    if (field->tag != TAG_WRITE && field->tag != TAG_WRITE_OPTIONAL && field->tag != TAG_DEVICES) continue;
    if (i + 1 == request->count || field[1].tag != TAG_VALUE) {
      snprintf(why, ANSWER_MAX, "write %.200s has no value", field->value);
      code = ANSWER_INVALID;
      break;
    }
    int devices = field->tag == TAG_DEVICES;
    fault_point(58);
    int result = devices ? devices_allow(field->value, field[1].value)
                         : control_write(&open_path, &fd, field->value, field[1].value);
    if (result != 0 && field->tag != TAG_WRITE_OPTIONAL)
      code = failed(why, ANSWER_SYSTEM, devices ? "limit devices of" : "write", field->value, -result);
  }
  if (fd >= 0) close(fd);
  return code;
}

/* What destroy must know, and nothing that is secret. */
static int launch_file_write(int directory) {
  size_t room = 1, used = 0;
  for (int i = 0; i < request->count; i++) room += request->fields[i].length + 4;
  char *text = malloc(room);
  if (text == NULL) return -ENOMEM;
  for (int i = 0; i < request->count; i++)
    if (strchr("NKFDRGJaxy", request->fields[i].tag) != NULL)
      used += (size_t)snprintf(text + used, room - used, "%c %s\n", request->fields[i].tag, request->fields[i].value);
  int fd = file_put(directory, "launch", text, used);
  if (fd >= 0) close(fd);
  free(text);
  return fd < 0 ? fd : 0;
}

static void reach_of(struct reach *reach) {
  const char *text = request_text(request, TAG_NONCE);
  snprintf(reach->nonce, sizeof reach->nonce, "%s", text == NULL ? "" : text);
  reach->pids = (struct pids){0};
  reach->tag = TAG_DESCENDANTS;
  if ((text = request_text(request, TAG_KILL)) != NULL) reach->tag = TAG_KILL;
  else if ((text = request_text(request, TAG_FREEZER)) != NULL) reach->tag = TAG_FREEZER;
  if (text != NULL) snprintf(reach->path, sizeof reach->path, "%s", text);
}

/* A cgroup that the task made below its own goes too: children first. */
static int cgroup_remove(const char *path) {
  if (rmdir(path) == 0 || errno == ENOENT) return 0;
  DIR *directory = opendir(path);
  if (directory != NULL) {
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
      char child[1200];
      if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
      if ((size_t)snprintf(child, sizeof child, "%s/%s", path, entry->d_name) < sizeof child) cgroup_remove(child);
    }
    closedir(directory);
  }
  return rmdir(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int cgroups_remove(const struct reach *reach, long long until, char *why) {
  for (int i = 0; i < request->count; i++) {
    if (request->fields[i].tag != TAG_REMOVE) continue;
    if (i > 0) fault_point(65);
    for (int result; (result = cgroup_remove(request->fields[i].value)) != 0;) {
      if (now_ms() > until) return failed(why, ANSWER_NOT_EMPTY, "remove", request->fields[i].value, -result);
      if (reach->tag != TAG_DESCENDANTS) reach_kill(reach, 0);
      sleep_ms(5);
    }
  }
  return ANSWER_OK;
}

static int runtime_open(const char *id) {
  return open(id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A launch that is asked again: the same nonce is answered with the facts, another refused. */
static int launch_again(int directory, const char *nonce, char *why) {
  struct field *asked = malloc(sizeof *asked * (size_t)request->count);
  int count = request->count;
  if (asked == NULL) return ANSWER_SYSTEM;
  memcpy(asked, request->fields, sizeof *asked * (size_t)count);
  request->count = 0;
  int known = launch_file_read(directory, request) == 0;
  const char *first = request_text(request, TAG_NONCE);
  int same = known && first != NULL && strcmp(first, nonce) == 0;
  memcpy(request->fields, asked, sizeof *asked * (size_t)count);
  request->count = count;
  free(asked);
  if (!same) {
    snprintf(why, ANSWER_MAX, "another launch has this container id");
    return ANSWER_EXISTS;
  }
  struct pids pids;
  if (pids_read(directory, &pids) != 0) return -1; /* began and never came to life */
  snprintf(why, ANSWER_MAX, "%d %lld %d %lld", (int)pids.shim, pids.shim_start, (int)pids.pid, pids.start);
  return ANSWER_OK;
}

/* On success this process is the shim, with the runtime directory locked in `*kept`. */
static int launch(const struct service *service, char *why, int *kept) {
  const char *id = request_text(request, TAG_CONTAINER), *nonce = request_text(request, TAG_NONCE);
  const char *sandbox = request_text(request, TAG_SANDBOX), *config = request_text(request, TAG_CONFIG);
  if (nonce == NULL || strlen(nonce) > 200 || strchr(nonce, '\n') != NULL || config == NULL || sandbox == NULL ||
      !path_is_plain(sandbox) || request_text(request, TAG_ARG) == NULL) {
    snprintf(why, ANSWER_MAX, "a plan needs nonce, argv, config and an absolute sandbox without ..");
    return ANSWER_INVALID;
  }
  for (int i = 0; i < request->count; i++) {
    if (strchr(LAUNCH_TAGS, request->fields[i].tag) != NULL) continue;
    snprintf(why, ANSWER_MAX, "this launcher cannot do what the tag %c of the plan asks for", request->fields[i].tag);
    return ANSWER_INVALID;
  }
  struct reach reach;
  reach_of(&reach);
  int result = runtime_make(id);
  if (result != 0 && result != EEXIST) return failed(why, ANSWER_SYSTEM, "make runtime directory", id, result);
  fault_point(50);
  int directory = runtime_open(id);
  if (directory < 0 || flock(directory, LOCK_EX) != 0)
    return failed(why, ANSWER_SYSTEM, "lock runtime directory", id, errno);
  struct stat about;
  if (fstatat(directory, "launch", &about, AT_SYMLINK_NOFOLLOW) == 0 && about.st_size > 0) {
    int code = launch_again(directory, nonce, why);
    if (code >= 0) return code;
    reach_kill(&reach, 0);
    network_down(request, directory, id, "", why); /* else its plugins are told of it twice */
  }
  int code = ANSWER_OK;
  result = launch_file_write(directory);
  if (result == 0) result = file_write_durably(directory, "config.json", config, strlen(config));
  if (result == 0 && mkfifoat(directory, "alive", 0600) != 0 && errno != EEXIST) result = -errno;
  if (result != 0) code = failed(why, ANSWER_SYSTEM, "write runtime files of", id, -result);
  fault_point(51);
  if (code == ANSWER_OK) code = do_steps(why);
  fault_point(52);
  if (code == ANSWER_OK && (result = sandbox_make(request, sandbox)) != 0)
    code = failed(why, ANSWER_SYSTEM, "make sandbox", sandbox, -result);
  if (code == ANSWER_OK) code = quotas_set(request, why);
  if (code == ANSWER_OK) code = image_make(request, sandbox, why);
  fault_point(53);
  if (code == ANSWER_OK) code = shim_begin(request, service, directory, why);
  if (code != ANSWER_OK) {
    char ignored[ANSWER_MAX];
    reach_kill(&reach, 0);
    cgroups_remove(&reach, now_ms() + REMOVE_WAIT_MS, ignored);
    network_down(request, directory, id, "", ignored);
    runtime_remove(directory, id);
  }
  *kept = code == ANSWER_OK ? directory : -1;
  return code;
}

/* Waits until the shim has ended; 1 when it has. The descriptor is of this very process. */
static int shim_wait(const struct pids *pids, long long until) {
  int fd = (int)syscall(SYS_pidfd_open, pids->shim, 0);
  while (shim_alive(pids)) {
    long long left = until - now_ms();
    if (left <= 0) break;
    if (fd >= 0) {
      struct pollfd one = {fd, POLLIN, 0};
      poll(&one, 1, (int)left);
    } else {
      sleep_ms(5);
    }
  }
  if (fd >= 0) close(fd);
  return !shim_alive(pids);
}

/* The numbered steps of src/isolation/destroy.ts. Each may be repeated. */
static int destroy(char *why) {
  const char *id = request_text(request, TAG_CONTAINER);
  int directory = runtime_open(id);
  struct pids pids = {0};
  struct reach reach;
  if (directory >= 0) {
    flock(directory, LOCK_EX); /* a launch in progress comes to its end first */
    launch_file_read(directory, request);
    if (pids_read(directory, &pids) != 0) pids = (struct pids){0};
    if (!shim_alive(&pids)) pids.shim = 0;
    flock(directory, LOCK_UN);
  } else if (request_text(request, TAG_REMOVE) == NULL) {
    snprintf(why, ANSWER_MAX, "no container %s", id);
    return ANSWER_UNKNOWN;
  }
  reach_of(&reach);
  reach.pids = pids;
  long grace = request_number(request, TAG_GRACE, 0);
  int gone = pids.shim == 0;
  fault_point(60);
  if (!gone && grace > 0) {
    reach_signal(&reach, pids.shim, SIGTERM);         /* 1 ask */
    fault_point(61);
    gone = shim_wait(&pids, now_ms() + grace);        /* 2 wait */
  }
  fault_point(62);
  long long until = now_ms() + KILL_WAIT_MS;
  for (;;) {                                          /* 3 kill, 4 wait for the status */
    if (gone) pids.shim = 0; /* what a dead shim left is found by other means */
    int left = reach_kill(&reach, pids.shim), known = gone;
    fault_point(63);
    if (!gone) gone = shim_wait(&pids, now_ms() + 200 < until ? now_ms() + 200 : until);
    if (known && left == 0) break;
    if (now_ms() >= until) {
      snprintf(why, ANSWER_MAX, "%d processes of %s outlived the kill", left, id);
      return ANSWER_NOT_EMPTY;
    }
    if (gone) sleep_ms(2);
  }
  fault_point(64);
  int code = cgroups_remove(&reach, now_ms() + REMOVE_WAIT_MS, why); /* 5 remove */
  fault_point(66);
  if (code != ANSWER_OK || directory < 0) return code;
  /* The shim has done so unless it was killed; by then the namespace has gone with its processes. */
  return network_down(request, directory, id, "", why);
}

static int signal_all(char *why) {
  struct reach reach;
  struct pids pids;
  int directory = runtime_open(request_text(request, TAG_CONTAINER));
  long number = request_number(request, TAG_SIGNAL, 0);
  if (directory < 0) { snprintf(why, ANSWER_MAX, "no such container"); return ANSWER_UNKNOWN; }
  if (number < 1 || number > 64) { snprintf(why, ANSWER_MAX, "signal is not within 1..64"); return ANSWER_INVALID; }
  launch_file_read(directory, request);
  reach_of(&reach);
  if (pids_read(directory, &pids) == 0 && shim_alive(&pids)) reach_signal(&reach, pids.shim, (int)number);
  return ANSWER_OK;
}

static int measure_it(char *why) {
  struct reach reach;
  struct pids pids;
  int directory = runtime_open(request_text(request, TAG_CONTAINER));
  if (directory < 0) { snprintf(why, ANSWER_MAX, "no such container"); return ANSWER_UNKNOWN; }
  launch_file_read(directory, request);
  reach_of(&reach);
  int lives = pids_read(directory, &pids) == 0 && shim_alive(&pids);
  return measure(request, &reach, lives ? pids.shim : 0, why);
}

static int forget(char *why) {
  const char *id = request_text(request, TAG_CONTAINER);
  struct pids pids;
  int directory = runtime_open(id);
  if (directory < 0) return ANSWER_OK;
  flock(directory, LOCK_EX);
  launch_file_read(directory, request);
  int busy = pids_read(directory, &pids) == 0 && shim_alive(&pids);
  for (int i = 0; i < request->count && !busy; i++)
    busy = request->fields[i].tag == TAG_REMOVE && access(request->fields[i].value, F_OK) == 0;
  if (busy) {
    snprintf(why, ANSWER_MAX, "container %s is not destroyed yet", id);
    return ANSWER_NOT_EMPTY;
  }
  fault_point(67);
  runtime_remove(directory, id);
  fault_point(69);
  return ANSWER_OK;
}

/* Answers; a launch that succeeded goes on as the shim and holds nothing of the request. */
static void launch_and_stay(const struct service *service, int client, char *why) {
  int directory = -1, code = launch(service, why, &directory);
  if (code == ANSWER_OK && directory >= 0) strncat(why, " told", ANSWER_MAX - 1 - strlen(why));
  answer(client, request->id, code, why, 0);
  if (directory < 0) _exit(REFUSED_EXIT);
  flock(directory, LOCK_UN);
  service->leave();
  shim_run();
}

void work(const struct service *service, int client, struct request *asked) {
  char why[ANSWER_MAX] = "";
  sigset_t none;
  sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL);
  request = asked;
  roots = service->roots;
  int code = ANSWER_INVALID;
  if (request->op != OP_STEPS && !id_is_plain(request_text(request, TAG_CONTAINER)))
    snprintf(why, sizeof why, "containerId needs 1 to 255 of A-Z a-z 0-9 . _ - and begins with none of . -");
  else if ((code = check_paths(why)) == ANSWER_OK) {
    switch (request->op) {
      case OP_LAUNCH: launch_and_stay(service, client, why); break;
      case OP_STEPS: code = do_steps(why); break;
      case OP_SIGNAL: code = signal_all(why); break;
      case OP_DESTROY: code = destroy(why); break;
      case OP_FORGET: code = forget(why); break;
      case OP_MEASURE: code = measure_it(why); break;
      default: code = ANSWER_INVALID; snprintf(why, sizeof why, "operation %d is unknown", request->op);
    }
  }
  answer(client, request->id, code, why, 0);
  _exit(REFUSED_EXIT);
}

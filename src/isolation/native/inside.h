/* What lies between a container's fork and its program: its namespaces, what it sees, what it may. */
#ifndef MESETA_INSIDE_H
#define MESETA_INSIDE_H
#include "work.h"

/* The namespaces of one container while its first process is made. `init` is 0 where it has none. */
struct inside {
  pid_t init;
  int pidfd, flags;
  /* The seccomp program, decoded; `filters` is 0 where there is none. */
  void *program;
  size_t size;
  unsigned short filters;
  /* `NAME=secret` of the task's environment, one behind the other with a NUL each. */
  char *secrets;
  int secret_count;
  /* The runtime directory, and the network namespace while plugins have to do with it; else -1. */
  int runtime, network;
};

/*
 * In the shim, before the task is forked: refuses what cannot be done, makes the namespaces and
 * all that is mounted in them, held by a process of their own, the init. A code, with `why`.
 * From here on the shim's next child is in the pid namespace, where there is one.
 */
int inside_begin(const struct request *plan, const struct service *service, struct inside *inside, char *why);
/* In the task's process; each returns 0, or -1 with errno and the step that failed. */
int inside_enter(const struct request *plan, const struct inside *inside, int sandbox, const char **step);
int inside_limit(const struct request *plan, const char **step);
int inside_confine(const struct request *plan, const struct inside *inside, const char **step);
/* In the shim, once the task runs or has failed: gives back what was needed to start it. */
void inside_started(struct inside *inside);
/* Ends everything that the pid namespace holds. */
void inside_end(void);

/* Most bytes of one secret, and of all of an environment. */
#define SECRET_MAX (64 * 1024)
#define SECRETS_MAX (128 * 1024)
/* A secret's file on the host, opened; or -1 with `why`. */
int secret_open(const char *path, const char *within, char *why);
/* Reads at most `room` bytes; how many. */
long secret_read(int fd, char *out, long room);

/* Makes what is missing of a source, below a directory that is there; 0, or -1 with errno. */
int source_make(const char *path, const char *within);

/* Bounds of the disk (disk.c): before the namespaces are made, and in the mount namespace. */
int quotas_set(const struct request *plan, char *why);
int image_make(const struct request *plan, const char *sandbox, char *why);
int image_mount(const struct request *plan, char *why);
/* Once it is mounted, or was not: the loop device goes with its last user. */
void image_release(void);

/* Networks by plugins (network.c). `netns` is a path, empty where the namespace has gone. */
int network_up(const struct request *plan, int directory, const char *netns, char *why);
int network_down(const struct request *plan, int directory, const char *container, const char *netns, char *why);
/* Runs a program; its exit code, or -1. The head of what it says comes into `out`. */
int program_run(char *const argv[], char *const env[], const char *input, char *out, size_t room);

/* Mounts, in a mount namespace of one's own. A code, with `why`. */
int mounts_apply(const struct request *plan, char *why);
/* Who owns the sandbox and the logs outside; 0, or -1 where the user has no id there. */
int owner_of(const struct request *plan, uid_t *uid, gid_t *gid);
#endif

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

/* Mounts, in a mount namespace of one's own. A code, with `why`. */
int mounts_apply(const struct request *plan, char *why);
/* Who owns the sandbox and the logs outside; 0, or -1 where the user has no id there. */
int owner_of(const struct request *plan, uid_t *uid, gid_t *gid);
#endif

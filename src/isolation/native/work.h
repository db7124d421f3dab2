/* The launcher's workers: one request, served in its own process; a launch's goes on as the shim. */
#ifndef MESETA_WORK_H
#define MESETA_WORK_H
#include "contract.h"

/* Exit code of a launch's worker that has answered and left nothing behind: it was no shim. */
#define REFUSED_EXIT 3

struct service {
  char **roots;
  /* In a worker that stays: gives up every descriptor and buffer of the server. */
  void (*leave)(void);
  /* In the init of a container: gives up the requests, which may hold secrets; it has no descriptors. */
  void (*forget)(void);
};

/* Serves one request, answers it on the socket `client`, ends the process; a shim ends later. */
void work(const struct service *service, int client, struct request *request) __attribute__((noreturn));
/* One answer in one send(2); 0, or -1 when it could not be said. `flags`: a worker may wait for a
 * slow reader, the server never does. */
int answer(int client, uint32_t id, int code, const char *text, int flags);

/* Makes this process the shim of `plan` and starts its task; a code, with `why` or the pids. */
int shim_begin(const struct request *plan, const struct service *service, int directory, char *why);
/* Watches the task to its end, writes the status, ends the process. */
void shim_run(void) __attribute__((noreturn));

/* Makes the sandbox of a plan and what is above it; 0 or -errno. */
int sandbox_make(const struct request *request, const char *path);
/* Measures what the request names, of the container that `reach` and its shim (or 0) lead to. */
int measure(const struct request *request, const struct reach *reach, pid_t shim, char *out);

/* Before the first worker: counts the runtime directories that are kept to be used again. */
void spares_find(void);
/* Makes the runtime directory of a container, of a spare one if there is any. 0 or an errno. */
int runtime_make(const char *id);
/* Takes away a runtime directory, or keeps it empty for the next container. */
void runtime_remove(int directory, const char *id);
#endif

/* The launcher's workers: one request, served in its own process. */
#ifndef MESETA_WORK_H
#define MESETA_WORK_H
#include "contract.h"

struct service { const char *shim_path; char **roots; };

/* Serves one request, answers it on the socket `client`, ends the process. */
void work(const struct service *service, int client, char *frame, uint32_t size) __attribute__((noreturn));
/* One answer in one send(2). `flags`: a worker may wait for a slow reader, the server never does. */
void answer(int client, uint32_t id, int code, const char *text, int flags);
#endif

/*
 * The launcher: a resident fork server. Every request is served by one small forked worker, so
 * that neither a slow disk nor a long grace period keeps another container waiting; a launch's
 * worker is at the same time the middle process of the double fork. Keeps no state about
 * containers: all of it stands in the runtime directory. Ends when its standard input ends.
 *
 *   launcher RUNTIME_DIRECTORY SHIM [CGROUP_PATH...]
 *
 * A cgroup path with a slash at its end allows all below it, without one itself alone; every
 * other path is refused. Prints `ready` when it listens.
 */
#define _GNU_SOURCE
#include "work.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct client { int fd; uint32_t filled; char *buffer; };
struct worker { pid_t pid; uint32_t id; int client; };

static struct service service;
static struct client clients[CLIENTS_MAX];
static struct worker workers[WORKERS_MAX];

static void serve(int index, char *frame, uint32_t size) {
  struct worker *free_one = NULL;
  for (int i = 0; i < WORKERS_MAX && free_one == NULL; i++)
    if (workers[i].pid == 0) free_one = &workers[i];
  uint32_t id = 0;
  if (size >= 4) memcpy(&id, frame, 4);
  pid_t pid = free_one == NULL ? -1 : fork();
  if (pid == 0) work(&service, clients[index].fd, frame, size);
  if (pid < 0) return answer(clients[index].fd, id, ANSWER_BUSY, "too many requests are being served", MSG_DONTWAIT);
  *free_one = (struct worker){pid, id, index};
}

/* A worker that crashed has not answered; somebody must. */
static void reap_workers(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (int i = 0; i < WORKERS_MAX; i++) {
      if (workers[i].pid != pid) continue;
      workers[i].pid = 0;
      if (status != 0 && workers[i].client >= 0)
        answer(clients[workers[i].client].fd, workers[i].id, ANSWER_SYSTEM, "the launcher's worker crashed",
               MSG_DONTWAIT);
      break;
    }
}

static void client_close(struct client *client) {
  close(client->fd);
  free(client->buffer);
  *client = (struct client){.fd = -1};
  for (int i = 0; i < WORKERS_MAX; i++)
    if (workers[i].client == client - clients) workers[i].client = -1;
}

static void client_read(int index) {
  struct client *client = &clients[index];
  ssize_t n = recv(client->fd, client->buffer + client->filled, REQUEST_MAX + 4 - client->filled, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return client_close(client);
  client->filled += (uint32_t)n;
  uint32_t at = 0, size;
  while (client->filled - at >= 4) {
    memcpy(&size, client->buffer + at, 4);
    if (size > REQUEST_MAX) return client_close(client);
    if (client->filled - at - 4 < size) break;
    serve(index, client->buffer + at + 4, size);
    at += 4 + size;
  }
  memmove(client->buffer, client->buffer + at, client->filled - at);
  client->filled -= at;
}

/* Only this user's own processes may ask anything. */
static void client_accept(int listener) {
  struct ucred who;
  socklen_t size = sizeof who;
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != geteuid()) {
    dprintf(2, "launcher: refused a connection of user %d\n", (int)who.uid);
    close(fd);
    return;
  }
  for (int i = 0; i < CLIENTS_MAX; i++) {
    if (clients[i].fd >= 0) continue;
    clients[i] = (struct client){fd, 0, malloc(REQUEST_MAX + 4)};
    if (clients[i].buffer == NULL) client_close(&clients[i]);
    return;
  }
  close(fd);
}

static int listen_here(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "launcher.sock"};
  unlink(address.sun_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  umask(077);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, CLIENTS_MAX) != 0) return -1;
  umask(022);
  return fd;
}

int main(int argc, char **argv) {
  struct stat about;
  if (argc < 3) return dprintf(2, "usage: launcher RUNTIME_DIRECTORY SHIM [CGROUP_PATH...]\n"), 2;
  service = (struct service){argv[2], argv + 3};
  if (chdir(argv[1]) != 0 || stat(".", &about) != 0)
    return dprintf(2, "launcher: %s: %s\n", argv[1], strerror(errno)), 2;
  if (about.st_uid != geteuid() || (about.st_mode & 077) != 0)
    return dprintf(2, "launcher: %s must belong to user %d and be closed to others (chmod 700)\n", argv[1], (int)geteuid()), 2;
  sigset_t mine;
  sigemptyset(&mine);
  sigaddset(&mine, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mine, NULL);
  int signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK), listener = listen_here();
  if (signals < 0 || listener < 0) return dprintf(2, "launcher: cannot listen: %s\n", strerror(errno)), 2;
  for (int i = 0; i < CLIENTS_MAX; i++) clients[i].fd = -1;
  fcntl(0, F_SETFD, FD_CLOEXEC);
  if (write(1, "ready\n", 6) != 6) return 2;
  for (;;) {
    struct pollfd fds[3 + CLIENTS_MAX] = {{0, POLLIN, 0}, {signals, POLLIN, 0}, {listener, POLLIN, 0}};
    for (int i = 0; i < CLIENTS_MAX; i++) fds[3 + i] = (struct pollfd){clients[i].fd, POLLIN, 0};
    if (poll(fds, 3 + CLIENTS_MAX, -1) < 0) continue;
    if (fds[0].revents != 0) {
      char byte[64];
      if (read(0, byte, sizeof byte) <= 0) return 0; /* the agent has gone */
    }
    if (fds[1].revents != 0) {
      struct signalfd_siginfo info;
      while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) reap_workers();
    }
    if (fds[2].revents != 0) client_accept(listener);
    for (int i = 0; i < CLIENTS_MAX; i++)
      if (clients[i].fd >= 0 && fds[3 + i].revents != 0) client_read(i);
  }
}

/*
 * The launcher: a resident fork server. Every request is served by one small forked worker, so
 * that neither a slow disk nor a long grace period keeps another container waiting; a launch's
 * worker goes on as the shim of its container. Tells the end of the shims that are its children
 * to whoever asked for them, and keeps no other state about containers: all of it stands in the
 * runtime directory. Ends when its standard input ends; shims do not notice.
 *
 *   launcher RUNTIME_DIRECTORY [CGROUP_PATH...]
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
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct client { int fd; uint32_t filled; char *buffer; };
/* A worker, or the shim that it became. `untold`: it has ended and that could not be said yet. */
struct child { pid_t pid; uint32_t id; int client; char *container; int untold; };

static struct service service;
static struct client clients[CLIENTS_MAX];
static struct child children[CHILDREN_MAX];
/* One above the last child, how many requests are being served, and how many ends are untold. */
static int children_end, serving, untold;
static int listener, signals;
static char **words;
static struct request request;

static struct child *child_free(void) {
  for (int i = 0; i < CHILDREN_MAX; i++) {
    if (children[i].pid != 0) continue;
    if (i >= children_end) children_end = i + 1;
    return &children[i];
  }
  return NULL;
}

static void child_gone(struct child *child) {
  free(child->container);
  untold -= child->untold;
  *child = (struct child){0};
  while (children_end > 0 && children[children_end - 1].pid == 0) children_end--;
}

static void serve(int index, char *frame, uint32_t size) {
  int fd = clients[index].fd;
  if (request_parse(frame, size, &request) != 0) {
    uint32_t id = 0;
    if (size >= 4) memcpy(&id, frame, 4);
    answer(fd, id, ANSWER_INVALID, "the bytes are not a request", MSG_DONTWAIT);
    return;
  }
  struct child *child = serving < WORKERS_MAX ? child_free() : NULL;
  pid_t pid = child == NULL ? -1 : fork();
  if (pid == 0) work(&service, fd, &request);
  if (pid < 0) {
    answer(fd, request.id, ANSWER_BUSY, "too many requests are being served", MSG_DONTWAIT);
    return;
  }
  const char *container = request.op == OP_LAUNCH ? request_text(&request, TAG_CONTAINER) : NULL;
  *child = (struct child){pid, request.id, index, container == NULL ? NULL : strdup(container), 0};
  if (child->container == NULL) serving++;
}

/* Says that a shim has ended, with the status that it wrote; 0 when its client cannot take it now. */
static int exit_tell(struct child *child) {
  char path[300], text[1024];
  if (child->client < 0) return 1; /* whoever comes next reads the runtime directory */
  snprintf(path, sizeof path, "%s/status", child->container);
  char *status = file_read(AT_FDCWD, path, NULL);
  snprintf(text, sizeof text, "%s\n%s", child->container, status == NULL ? "" : status);
  free(status);
  return answer(clients[child->client].fd, 0, ANSWER_EXIT, text, MSG_DONTWAIT) == 0 || errno != EAGAIN;
}

/* A worker that crashed has not answered; somebody must. */
static void child_ended(struct child *child, int status) {
  int answered = WIFEXITED(status) && (WEXITSTATUS(status) == REFUSED_EXIT || child->container != NULL);
  if (!answered && child->client >= 0)
    answer(clients[child->client].fd, child->id, ANSWER_SYSTEM, "the launcher's worker crashed", MSG_DONTWAIT);
  int shim = child->container != NULL && !(WIFEXITED(status) && WEXITSTATUS(status) == REFUSED_EXIT);
  if (child->container == NULL) serving--;
  if (!shim || exit_tell(child)) return child_gone(child);
  child->untold = 1;
  untold++;
}

static void reap_children(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (int i = 0; i < children_end; i++)
      if (children[i].pid == pid && !children[i].untold) {
        child_ended(&children[i], status);
        break;
      }
}

static void tell_untold(void) {
  for (int i = 0; i < children_end; i++)
    if (children[i].untold && exit_tell(&children[i])) child_gone(&children[i]);
}

static void buffer_free(struct client *client) {
  if (client->buffer != NULL) munmap(client->buffer, REQUEST_MAX + 4);
}

/* In a worker that becomes a shim: what the server holds is none of its business. */
static void leave(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; i++) dup2(null, i);
  close(null);
  close(listener);
  close(signals);
  for (int i = 0; i < CLIENTS_MAX; i++) {
    if (clients[i].fd < 0) continue;
    close(clients[i].fd);
    buffer_free(&clients[i]);
  }
}

/* In a container's init, whose descriptors are closed already. Its command line names the host's. */
static void forget(void) {
  for (char **word = words; *word != NULL; word++) memset(*word, 0, strlen(*word));
  for (int i = 0; i < CLIENTS_MAX; i++)
    if (clients[i].fd >= 0) buffer_free(&clients[i]);
}

static void client_close(struct client *client) {
  close(client->fd);
  buffer_free(client);
  *client = (struct client){.fd = -1};
  for (int i = 0; i < children_end; i++)
    if (children[i].client == client - clients) children[i].client = -1;
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
static void client_accept(void) {
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
    /* Mapped, so that a worker that stays can give the whole of it back. */
    char *buffer = mmap(NULL, REQUEST_MAX + 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    clients[i] = (struct client){fd, 0, buffer == MAP_FAILED ? NULL : buffer};
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
  if (argc < 2) return dprintf(2, "usage: launcher RUNTIME_DIRECTORY [CGROUP_PATH...]\n"), 2;
  words = argv;
  service = (struct service){argv + 2, leave, forget};
  if (chdir(argv[1]) != 0 || stat(".", &about) != 0)
    return dprintf(2, "launcher: %s: %s\n", argv[1], strerror(errno)), 2;
  if (about.st_uid != geteuid() || (about.st_mode & 077) != 0)
    return dprintf(2, "launcher: %s must belong to user %d and be closed to others (chmod 700)\n", argv[1], (int)geteuid()), 2;
  sigset_t mine;
  sigemptyset(&mine);
  sigaddset(&mine, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mine, NULL);
  signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
  listener = listen_here();
  if (signals < 0 || listener < 0) return dprintf(2, "launcher: cannot listen: %s\n", strerror(errno)), 2;
  for (int i = 0; i < CLIENTS_MAX; i++) clients[i].fd = -1;
  fcntl(0, F_SETFD, FD_CLOEXEC);
  spares_find();
  faults_begin();
  if (write(1, "ready\n", 6) != 6) return 2;
  for (;;) {
    struct pollfd fds[3 + CLIENTS_MAX] = {{0, POLLIN, 0}, {signals, POLLIN, 0}, {listener, POLLIN, 0}};
    for (int i = 0; i < CLIENTS_MAX; i++) fds[3 + i] = (struct pollfd){clients[i].fd, untold > 0 ? POLLIN | POLLOUT : POLLIN, 0};
    if (poll(fds, 3 + CLIENTS_MAX, -1) < 0) continue;
    if (fds[0].revents != 0) {
      char byte[64];
      if (read(0, byte, sizeof byte) <= 0) return 0; /* the agent has gone */
    }
    if (fds[1].revents != 0) {
      struct signalfd_siginfo info;
      while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) reap_children();
    }
    if (untold > 0) tell_untold();
    if (fds[2].revents != 0) client_accept();
    for (int i = 0; i < CLIENTS_MAX; i++)
      if (clients[i].fd >= 0 && (fds[3 + i].revents & ~POLLOUT) != 0) client_read(i);
  }
}

/*
 * Networks of a container by CNI plugins (CNI specification 1.0): each network is a chain of
 * plugins, run one after the other with the result of the one before, and in reverse to take it
 * away. What takes it away stands in the runtime directory before the first plugin runs: the
 * chains in `launch`, results in `result-N`, and `network` for as long as something may be there.
 */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NETWORKS_MAX 16
#define PLUGINS_MAX 64
#define RESULT_MAX (64 * 1024)

struct plugin { int network; const char *interface, *program, *config; };

static struct plugin plugins[PLUGINS_MAX];
static char result[RESULT_MAX], *input;

/* The chains of a plan, or of a `launch` file; their plugins, or -1 where they make no sense. */
static int plugins_read(const struct request *plan) {
  int count = 0, network = -1;
  const char *interface = NULL;
  for (int i = 0; i < plan->count; i++) {
    const struct field *field = &plan->fields[i];
    if (field->tag == TAG_NETWORK) { network++; interface = field->value; }
    if (field->tag != TAG_PLUGIN) continue;
    if (count == PLUGINS_MAX || network < 0 || network >= NETWORKS_MAX || !path_is_plain(field->value)) return -1;
    if (i + 1 == plan->count || field[1].tag != TAG_PLUGIN_CONFIG) return -1;
    plugins[count++] = (struct plugin){network, interface, field->value, field[1].value};
  }
  return count;
}

/* What a plugin said of its failure: its own words, out of the JSON in which they stand. */
static void words_of(const char *said, char *out, size_t room) {
  const char *at = strstr(said, "\"msg\"");
  at = at == NULL ? NULL : strchr(at + 5, '"');
  size_t used = 0;
  if (at == NULL) {
    snprintf(out, room, "%.*s", (int)strcspn(said, "\n"), said);
    return;
  }
  for (at++; *at != 0 && *at != '"' && used + 1 < room; at++) {
    if (*at == '\\' && at[1] != 0) at++;
    out[used++] = *at;
  }
  out[used] = 0;
}

/* One plugin, one command. The config lacks its last brace, for the result to be put before it. */
static int plugin_run(const struct plugin *one, const char *command, const char *container, const char *netns,
                      const char *before, char *why) {
  char verb[32], id[300], space[80], interface[64], path[1100], words[800];
  const char *slash = strrchr(one->program, '/');
  snprintf(verb, sizeof verb, "CNI_COMMAND=%s", command);
  snprintf(id, sizeof id, "CNI_CONTAINERID=%s", container);
  snprintf(space, sizeof space, "CNI_NETNS=%s", netns);
  snprintf(interface, sizeof interface, "CNI_IFNAME=%s", one->interface);
  snprintf(path, sizeof path, "CNI_PATH=%.*s", (int)(slash - one->program), one->program);
  char *argv[] = {(char *)one->program, NULL};
  char *env[] = {verb, id, space, interface, path, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  free(input);
  if (asprintf(&input, "%s%s%s}", one->config, before[0] == 0 ? "" : ",\"prevResult\":", before) < 0) input = NULL;
  int code = input == NULL ? -1 : program_run(argv, env, input, result, sizeof result);
  if (code == 0) return ANSWER_OK;
  words_of(result, words, sizeof words);
  snprintf(why, ANSWER_MAX, "network plugin %.300s failed to %s: %s", one->program,
           strcmp(command, "ADD") == 0 ? "add a network" : "take a network away", words[0] == 0 ? "it said nothing" : words);
  return ANSWER_SYSTEM;
}

static void result_name(char name[24], int network) { snprintf(name, 24, "result-%d", network); }

static int result_keep(int directory, int network, char *why) {
  char name[24];
  result_name(name, network);
  int fd = file_put(directory, name, result, strlen(result));
  if (fd >= 0) return close(fd), ANSWER_OK;
  snprintf(why, ANSWER_MAX, "keep the result of a network: %s", strerror(-fd));
  return ANSWER_SYSTEM;
}

int network_up(const struct request *plan, int directory, const char *netns, char *why) {
  static char before[RESULT_MAX];
  int count = plugins_read(plan), code = ANSWER_OK;
  if (count == 0) return ANSWER_OK;
  int mark = count < 0 ? -1 : file_put(directory, "network", "1\n", 2);
  if (mark < 0) {
    snprintf(why, ANSWER_MAX, "the networks of the plan make no sense");
    return ANSWER_INVALID;
  }
  close(mark);
  for (int i = 0; i < count && code == ANSWER_OK; i++) {
    if (i == 0 || plugins[i].network != plugins[i - 1].network) before[0] = 0;
    code = plugin_run(&plugins[i], "ADD", request_text(plan, TAG_CONTAINER), netns, before, why);
    if (code == ANSWER_OK) code = result_keep(directory, plugins[i].network, why);
    memcpy(before, result, sizeof before);
  }
  return code;
}

/* Plugins are programs of the host: no child of ours is born in a container's pid namespace any more. */
static int home_again(void) {
  int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  int done = own >= 0 && setns(own, CLONE_NEWPID) == 0;
  if (own >= 0) close(own);
  return done;
}

int network_down(const struct request *plan, int directory, const char *container, const char *netns, char *why) {
  char ignored[ANSWER_MAX];
  int code = ANSWER_OK, count = faccessat(directory, "network", F_OK, 0) == 0 ? plugins_read(plan) : 0;
  if (count <= 0) return ANSWER_OK;
  if (!home_again()) {
    snprintf(why, ANSWER_MAX, "leave pid namespace: %s", strerror(errno));
    return ANSWER_NOT_EMPTY;
  }
  /* All are asked, whatever the others say: one that fails must not keep what others hold. */
  for (int i = count - 1; i >= 0; i--) {
    char name[24];
    result_name(name, plugins[i].network);
    char *kept = file_read(directory, name, NULL);
    int one = plugin_run(&plugins[i], "DEL", container, netns, kept == NULL ? "" : kept, code == ANSWER_OK ? why : ignored);
    if (code == ANSWER_OK) code = one;
    free(kept);
  }
  if (code != ANSWER_OK) return ANSWER_NOT_EMPTY;
  for (int i = 0; i < NETWORKS_MAX; i++) {
    char name[24];
    result_name(name, i);
    unlinkat(directory, name, 0);
  }
  unlinkat(directory, "network", 0);
  return ANSWER_OK;
}

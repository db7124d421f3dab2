/*
 * The contract between the agent, the launcher and the shims: bytes on the socket, files in the
 * runtime directory, and what both programs do to processes. Mirrored by
 * src/adapters/launcher-protocol.ts. Fields and files are added, never changed: shims of an older
 * version go on serving their containers after an upgrade.
 *
 * REQUEST (agent to launcher), all numbers little endian:
 *   u32 length of what follows, at most REQUEST_MAX
 *   u32 id        chosen by the agent, repeated in the answer
 *   u8  operation one of OP_*
 *   fields        u8 tag, u32 length, that many bytes, one NUL that the length does not count
 * A value never contains NUL, so each is a C string in place and none can become two.
 *
 * ANSWER: u32 length, u32 id, u8 code (ANSWER_*), text. At most ANSWER_MAX bytes, written by one
 * write(2), so answers of concurrent workers never mix. Text of a launch: "shim start pid start",
 * and " told" behind it where the end of the shim will be told on this connection:
 * Text of a measure: "bytes bytes ...", and a line "tcp port" for each listener.
 * EXIT: an answer with id 0 and code ANSWER_EXIT; text "container\nstatus", status as the file
 * has it, or nothing where none was written. It comes after the answer of the launch. Whoever
 * has no such promise, or has lost the connection that gave it, watches `alive`.
 *
 * FILES of RUNTIME/CONTAINER/ (directory 0700):
 *   config.json  the agent's checkpoint, synced before the process exists
 *   launch       lines "TAG value": what destroy needs (nonce, kill, join, remove, grace, networks)
 *   network, result-N  while a network of the container may be there, and what its plugins answered
 *   pid          {"shim":..,"shimStart":..,"pid":..,"start":..}, start = field 22 of /proc/PID/stat;
 *                not synced: a pid means nothing after a reboot
 *   alive        FIFO that the shim alone holds open: end of file means that the shim has ended
 *   status       {"container","code","signal","at","utimeMs","stimeMs","maxRssKb","oomKills","peakBytes",
 *                "dropped"}, synced before `alive` closes; "memory":{..} where the kernel killed for want of it
 * An empty file is as good as none, and so is a status that names another container: a power cut
 * may undo the emptying of a file. Names that begin with a dot are no containers: `.spare-N` are
 * runtime directories that were forgotten and wait, with empty files, to be used again.
 */
#ifndef MESETA_CONTRACT_H
#define MESETA_CONTRACT_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REQUEST_MAX (256 * 1024)
#define ANSWER_MAX 4000
#define FIELDS_MAX 8192
#define CLIENTS_MAX 4
/* Requests being served, and shims that run: an agent has at most 4096 containers. */
#define WORKERS_MAX 1024
#define CHILDREN_MAX 8192
/* Runtime directories that are kept to be used again. */
#define SPARES_MAX 256
/* How long a destroy waits after SIGKILL, and then for the cgroups to go. */
#define KILL_WAIT_MS 10000
#define STATUS_BYTES_MAX 1280
#define REMOVE_WAIT_MS 5000

enum { OP_LAUNCH = 1, OP_STEPS = 2, OP_SIGNAL = 3, OP_DESTROY = 4, OP_FORGET = 5, OP_MEASURE = 6 };

enum {
  ANSWER_OK = 0, ANSWER_INVALID = 1, ANSWER_EXISTS = 2, ANSWER_UNKNOWN = 3, ANSWER_EXEC = 4,
  ANSWER_SYSTEM = 5, ANSWER_NOT_EMPTY = 6, ANSWER_BUSY = 7, ANSWER_EXIT = 100
};

/* Tags of fields. Repeated ones keep their order. */
enum {
  TAG_CONTAINER = 'C', TAG_NONCE = 'N', TAG_ARG = 'A', TAG_ENV = 'E', TAG_SANDBOX = 'S',
  TAG_USER = 'U',    /* "uid gid group..." */
  TAG_MAKE = 'M',    /* directory to make */
  TAG_DEVICES = 'd', /* cgroup of the unified tree, followed by the lines of what it may use */
  TAG_WRITE = 'W', TAG_WRITE_OPTIONAL = 'w', TAG_VALUE = 'V', /* path, followed by its value */
  TAG_JOIN = 'J', TAG_OOM = 'O', TAG_PEAK = 'P',
  TAG_KILL = 'K',    /* path of cgroup.kill */
  TAG_FREEZER = 'F', /* directory of a v1 freezer cgroup */
  TAG_DESCENDANTS = 'D', TAG_REMOVE = 'R', TAG_LOG_BYTES = 'B', TAG_LOG_FILES = 'L',
  TAG_GRACE = 'G', TAG_SCORE = 'X', TAG_CONFIG = 'T', TAG_SIGNAL = 'I',

  /* What lies between fork and program (src/runtime/ports/inside.ts). A launcher does all of them or
   * refuses the launch; so it does with a tag that it does not know. */
  TAG_NAMESPACE = 'n',    /* mount pid ipc uts net user cgroup, one each */
  TAG_NET = 'j',          /* file of a network namespace to enter */
  TAG_ID_MAP = 'u',       /* "inside outside length" */
  TAG_HOSTNAME = 'h',
  TAG_ROOT = 'r',         /* path of the new root, or tmpfs; may be followed by WITHIN */
  TAG_MOUNT = 'm',        /* "kind flag..."; followed by TARGET, and as its kind wants SOURCE, WITHIN */
  TAG_TARGET = 't',
  TAG_SOURCE = 's',       /* bind, secret: path; tmpfs: data; link: where to */
  TAG_WITHIN = 'b',       /* the path before is looked up below this one, and no link leads out */
  TAG_DIRECTORY = 'k',    /* working directory as seen from inside */
  TAG_CAPABILITIES = 'c', /* "effective bounding" in hexadecimal digits */
  TAG_NO_NEW_PRIVILEGES = 'p',
  TAG_SECCOMP = 'f',      /* struct sock_filter[] in base64 */
  TAG_SECRET_ENV = 'e',   /* name of a variable; followed by SOURCE and WITHIN, a file of the host */
  TAG_RLIMIT = 'l',       /* "resource soft hard", -1 for no limit */

  TAG_PROJECTS = 'Q',     /* "first last" of the project ids that quotas may take */
  TAG_QUOTA = 'g',        /* bytes; followed by SOURCE, a directory, made if WITHIN follows */
  TAG_IMAGE = 'i',        /* bytes of the image that is mounted in the place of the sandbox */
  TAG_NETWORK = 'a',      /* name of the interface inside; followed by its plugins in order: */
  TAG_PLUGIN = 'x',       /* a program, followed by PLUGIN_CONFIG */
  TAG_PLUGIN_CONFIG = 'y',/* JSON on one line, without its last brace */

  TAG_MEASURE = 'q',      /* measure: a directory whose blocks are added up */
  TAG_LISTENERS = 'o'     /* measure: and the ports on which its processes listen */
};

/* All tags of a launch that this launcher carries out. */
#define LAUNCH_TAGS "CNAESUMWwdVJOPKFDRBLGXTnjuhrmtsbkcpfelQgiaxy"

struct field { uint8_t tag; uint32_t length; const char *value; };
struct request { uint32_t id; uint8_t op; int count; struct field fields[FIELDS_MAX]; };

/* Told each process instead of it being sent signal 0; NULL: the signal is sent. */
extern void (*reach_visitor)(pid_t pid);
struct pids { pid_t shim; long long shim_start; pid_t pid; long long start; };
/* Who reaches the processes of a container: a kill file, a freezer, or the shim's descendants;
 * those of a dead shim by the mark in their environment, and the task by its pid. */
struct reach { char tag; char path[1024]; char nonce[256]; struct pids pids; };

/* Frames. 0, or -1 for bytes that are not a request. */
int request_parse(char *body, uint32_t length, struct request *out);
const char *request_text(const struct request *request, uint8_t tag);
long request_number(const struct request *request, uint8_t tag, long otherwise);
int launch_file_read(int directory, struct request *request);
int path_is_plain(const char *path);

/* Files. Negative results are -errno. */
int file_write(const char *path, const char *text);
int file_put(int directory, const char *name, const char *text, size_t length);
int file_write_durably(int directory, const char *name, const char *text, size_t length);
char *file_read(int directory, const char *name, size_t *length);
long long counter_read(const char *path, const char *key);

/* Devices of a cgroup of the unified tree. 0 or -errno. */
int devices_allow(const char *cgroup, const char *rules);

/* Processes. */
long long start_ticks(pid_t pid);
int pids_read(int directory, struct pids *out);
int shim_alive(const struct pids *pids);
int members_signal(const char *cgroup, int signal_number);
int descendants_signal(pid_t root, int signal_number);
int marked_signal(const struct reach *reach, int signal_number);
int reach_signal(const struct reach *reach, pid_t shim, int signal_number);
int reach_kill(const struct reach *reach, pid_t shim);
long long now_ms(void);
void sleep_ms(int ms);

/*
 * Fault points, for tests: their numbers stand in src/actors/agent/fault-points.ts. Where the
 * environment names one (MESETA_FAULT_POINT=56 or 56:3, the third passing), agent, launcher and
 * the process that passes it end there by SIGKILL. Otherwise nothing happens.
 */
void faults_begin(void);
void fault_point(int number);
#endif

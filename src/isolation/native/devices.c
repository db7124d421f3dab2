/*
 * The devices that a cgroup of the unified tree may open or make. It has no files for that: a
 * small program in the kernel decides, of which this file owns the assembly and the attachment.
 * The program goes with its cgroup.
 */
#define _GNU_SOURCE
#include "contract.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* At most eight instructions for a rule, and ten around them. */
#define RULES_MAX 128
#define INSTRUCTIONS_MAX (RULES_MAX * 8 + 10)
enum { R0, R1, R2, R3, R4, R5, R6 };
static const char NEVER_MET = 'x';

struct program { struct bpf_insn code[INSTRUCTIONS_MAX]; int length; };

static void add(struct program *to, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  to->code[to->length++] = (struct bpf_insn){.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm};
}

static void answer_with(struct program *to, int allowed) {
  add(to, BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 0, allowed);
  add(to, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* "c 1:3 rwm", "b 8:* r", "c *:* m": 0, or -1 for what is no rule. */
static int rule_add(struct program *to, const char *rule) {
  char type = NEVER_MET, major[16] = "", minor[16] = "", access[8] = "";
  if (sscanf(rule, "%c %15[0-9*]:%15[0-9*] %7[rwm]", &type, major, minor, access) != 4) return -1;
  if (type != 'b' && type != 'c') return -1;
  int denied = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
  if (strchr(access, 'r') != NULL) denied &= ~BPF_DEVCG_ACC_READ;
  if (strchr(access, 'w') != NULL) denied &= ~BPF_DEVCG_ACC_WRITE;
  if (strchr(access, 'm') != NULL) denied &= ~BPF_DEVCG_ACC_MKNOD;
  int any_major = strcmp(major, "*") == 0, any_minor = strcmp(minor, "*") == 0;
  /* How far each test jumps to come to the next rule. */
  int16_t left = (int16_t)(3 + 2 + !any_major + !any_minor);
  add(to, BPF_JMP | BPF_JNE | BPF_K, R2, 0, left--, type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  add(to, BPF_ALU64 | BPF_MOV | BPF_X, R6, R3, 0, 0), left--;
  add(to, BPF_ALU64 | BPF_AND | BPF_K, R6, 0, 0, denied), left--;
  add(to, BPF_JMP | BPF_JNE | BPF_K, R6, 0, left--, 0);
  int number;
  if (!any_major) {
    if (sscanf(major, "%d", &number) != 1) return -1;
    add(to, BPF_JMP | BPF_JNE | BPF_K, R4, 0, left--, number);
  }
  if (!any_minor) {
    if (sscanf(minor, "%d", &number) != 1) return -1;
    add(to, BPF_JMP | BPF_JNE | BPF_K, R5, 0, left--, number);
  }
  answer_with(to, 1);
  return 0;
}

/* Lets the processes of a cgroup use what the lines of `rules` name, and nothing else. */
int devices_allow(const char *cgroup, const char *rules) {
  static struct program program;
  program.length = 0;
  add(&program, BPF_LDX | BPF_MEM | BPF_W, R2, R1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
  add(&program, BPF_LDX | BPF_MEM | BPF_W, R4, R1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
  add(&program, BPF_LDX | BPF_MEM | BPF_W, R5, R1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
  add(&program, BPF_ALU64 | BPF_MOV | BPF_X, R3, R2, 0, 0);
  add(&program, BPF_ALU64 | BPF_AND | BPF_K, R2, 0, 0, 0xffff);
  add(&program, BPF_ALU64 | BPF_RSH | BPF_K, R3, 0, 0, 16);
  int count = 0;
  for (const char *line = rules; line != NULL && *line != 0; count++) {
    if (count == RULES_MAX || rule_add(&program, line) != 0) return -EINVAL;
    line = strchr(line, '\n');
    if (line != NULL) line++;
  }
  answer_with(&program, 0);
  union bpf_attr load = {
    .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
    .insn_cnt = (uint32_t)program.length,
    .insns = (uint64_t)(uintptr_t)program.code,
    .license = (uint64_t)(uintptr_t)"Apache-2.0",
  };
  int loaded = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (loaded < 0) return -errno;
  int directory = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = directory < 0 ? -errno : 0;
  union bpf_attr attach = {
    .target_fd = (uint32_t)directory,
    .attach_bpf_fd = (uint32_t)loaded,
    .attach_type = BPF_CGROUP_DEVICE,
    .attach_flags = BPF_F_ALLOW_MULTI,
  };
  if (result == 0 && syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) != 0) result = -errno;
  if (directory >= 0) close(directory);
  close(loaded);
  return result;
}

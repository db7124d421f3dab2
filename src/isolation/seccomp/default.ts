/**
 * The profile of a container that names none: every system call that is known here is allowed but
 * those below, which reach the kernel or the host more than a task has need of. What is not known
 * yet is answered as a kernel without it would, so that programs fall back to what they know.
 */
import { ARM64 } from "./arm64.ts";
import type { SeccompProfile, SeccompRule } from "./profile.ts";
import { X86_64 } from "./x86-64.ts";

/** Denied, unless the container has the capability that makes the call mean anything. */
const DENIED: readonly (readonly [capability: string | null, names: string])[] = [
  // Keys of the kernel are the user's, not the container's; namespaces do not part them.
  [null, "add_key keyctl request_key"],
  // Large and young parts of the kernel, which most escapes went through.
  [null, "io_uring_setup io_uring_enter io_uring_register userfaultfd"],
  [null, "_sysctl sysfs ustat uselib nfsservctl vserver tuxcall security afs_syscall"],
  [null, "create_module get_kernel_syms query_module getpmsg putpmsg epoll_ctl_old epoll_wait_old"],
  ["CAP_SYS_ADMIN", "mount umount2 pivot_root mount_setattr move_mount open_tree fsopen fsconfig"],
  ["CAP_SYS_ADMIN", "fsmount fspick statmount listmount setns unshare quotactl quotactl_fd"],
  ["CAP_SYS_ADMIN", "fanotify_init lookup_dcookie setdomainname sethostname swapon swapoff"],
  ["CAP_BPF", "bpf"],
  ["CAP_PERFMON", "perf_event_open"],
  ["CAP_SYSLOG", "syslog"],
  ["CAP_SYS_BOOT", "reboot kexec_load kexec_file_load"],
  ["CAP_SYS_CHROOT", "chroot"],
  ["CAP_SYS_MODULE", "init_module finit_module delete_module"],
  ["CAP_SYS_PACCT", "acct"],
  ["CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"],
  ["CAP_SYS_RAWIO", "ioperm iopl"],
  ["CAP_SYS_TIME", "settimeofday clock_settime clock_adjtime adjtimex"],
  ["CAP_SYS_TTY_CONFIG", "vhangup"],
  ["CAP_DAC_READ_SEARCH", "open_by_handle_at name_to_handle_at"],
  ["CAP_SYS_NICE", "migrate_pages move_pages"],
];

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, one bit each. */
const CLONE_NEW = [17, 25, 26, 27, 28, 29, 30].map((bit) => 2 ** bit);
const EPERM = 1;
const ENOSYS = 38;
const AF_ALG = 38;
const AF_VSOCK = 40;
/** PER_LINUX, PER_LINUX32, UNAME26 with each, and "tell which". */
const PERSONALITIES = [0, 8, 0x20000, 0x20008, 0xffffffff];

function deny(names: string[], capability: string | null): SeccompRule {
  const rule: SeccompRule = { names, action: "SCMP_ACT_ERRNO", errnoRet: EPERM };
  return capability === null ? rule : { ...{}, ...rule, excludes: { caps: [capability] } };
}

function withArgument(
  name: string,
  action: SeccompRule["action"],
  argument: NonNullable<SeccompRule["args"]>[number],
): SeccompRule {
  return { names: [name], action, args: [argument] };
}

function build(): SeccompProfile {
  const known = new Set([...X86_64.keys(), ...ARM64.keys()]);
  const excludes = { caps: ["CAP_SYS_ADMIN"] };
  const syscalls: SeccompRule[] = DENIED.map(([capability, names]) =>
    deny(names.split(" "), capability),
  );
  for (const bit of CLONE_NEW) {
    const argument = { index: 0, value: bit, valueTwo: bit, op: "SCMP_CMP_MASKED_EQ" } as const;
    syscalls.push({ ...{}, ...withArgument("clone", "SCMP_ACT_ERRNO", argument), excludes });
  }
  // Its flags lie in memory, where no program of this kind can read: without it, clone is used.
  syscalls.push({ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS, excludes });
  for (const value of [AF_ALG, AF_VSOCK]) {
    const argument = { index: 0, value, op: "SCMP_CMP_EQ" } as const;
    syscalls.push(withArgument("socket", "SCMP_ACT_ERRNO", argument));
  }
  for (const value of PERSONALITIES) {
    const argument = { index: 0, value, op: "SCMP_CMP_EQ" } as const;
    syscalls.push(withArgument("personality", "SCMP_ACT_ALLOW", argument));
  }
  syscalls.push(deny(["personality"], null));
  syscalls.push({ names: [...known].sort(), action: "SCMP_ACT_ALLOW" });
  return { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: ENOSYS, syscalls };
}

export const DEFAULT_SECCOMP_PROFILE: SeccompProfile = build();

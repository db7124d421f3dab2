/**
 * What a task may ask of its container, as schemas: `ContainerInfo` with its volumes, secrets and
 * Linux settings. Names are those of the Mesos v1 API in camel case; what Mesos lacks says so.
 */
import { type Static, type TSchema, Type } from "@sinclair/typebox";

const word = <Word extends string>(words: readonly Word[]) =>
  Type.Unsafe<Word>(Type.Union(words.map((one) => Type.Literal(one))));
const list = <Item extends TSchema>(item: Item, maxItems: number) => Type.Array(item, { maxItems });

const Path = Type.String({ minLength: 1, maxLength: 1000 });
const Mib = Type.Integer({ minimum: 1, maximum: 1_048_576 });

/**
 * A secret by the name under which the agent knows it. Secrets by value are not taken: they would
 * stand in the journal of the agent and in the log of the masters.
 */
export const SecretSchema = Type.Object({
  type: Type.Literal("REFERENCE"),
  reference: Type.Object({
    name: Type.String({ pattern: "^[A-Za-z0-9_][A-Za-z0-9._-]*$", maxLength: 255 }),
  }),
});
export type Secret = Static<typeof SecretSchema>;

const VolumeSourceSchema = Type.Union([
  Type.Object({ type: Type.Literal("HOST_PATH"), hostPath: Type.Object({ path: Path }) }),
  Type.Object({
    type: Type.Literal("SANDBOX_PATH"),
    /** Below the task's own sandbox; made when it is missing. */
    sandboxPath: Type.Object({ type: Type.Literal("SELF"), path: Path }),
  }),
  Type.Object({ type: Type.Literal("SECRET"), secret: SecretSchema }),
  /** Not in Mesos: a file system in memory, which counts as the task's. */
  Type.Object({ type: Type.Literal("TMPFS"), tmpfs: Type.Object({ sizeMib: Mib }) }),
]);

export const VolumeSchema = Type.Object({
  /** Absolute as seen from inside, or below the sandbox. */
  containerPath: Path,
  mode: word(["RW", "RO"] as const),
  /** The older form of a `HOST_PATH` source. */
  hostPath: Type.Optional(Path),
  source: Type.Optional(VolumeSourceSchema),
});
export type Volume = Static<typeof VolumeSchema>;

/** In the order of their numbers, from 0 (`CAP_CHOWN`); without `CAP_`, as in Mesos. */
export const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** What a container of root has: enough to own files and change users, nothing of the host's. */
export const CAPABILITIES_DEFAULT: readonly Capability[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "NET_BIND_SERVICE",
];

const CapabilityInfo = Type.Object({ capabilities: list(word(CAPABILITIES), CAPABILITIES.length) });

export const LinuxInfoSchema = Type.Object({
  /** What its processes have; absent: the agent's usual set for root, nothing for others. */
  effectiveCapabilities: Type.Optional(CapabilityInfo),
  /** The most that they can ever get; absent: what is effective, at least the usual set. */
  boundingCapabilities: Type.Optional(CapabilityInfo),
  seccomp: Type.Optional(
    Type.Object({
      /** A profile of the agent by its name. */
      profileName: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
      unconfined: Type.Optional(Type.Boolean()),
    }),
  ),
  /** Size of `/dev/shm`, MiB. */
  shmSize: Type.Optional(Mib),
  /** Not in Mesos: root inside is a user without any rights outside. */
  userNamespace: Type.Optional(Type.Boolean()),
});
export type LinuxInfo = Static<typeof LinuxInfoSchema>;

/** In the order of the kernel's numbers, from 0. */
export const RLIMIT_TYPES = [
  "RLMT_CPU",
  "RLMT_FSIZE",
  "RLMT_DATA",
  "RLMT_STACK",
  "RLMT_CORE",
  "RLMT_RSS",
  "RLMT_NPROC",
  "RLMT_NOFILE",
  "RLMT_MEMLOCK",
  "RLMT_AS",
  "RLMT_LOCKS",
  "RLMT_SIGPENDING",
  "RLMT_MSGQUEUE",
  "RLMT_NICE",
  "RLMT_RTPRIO",
  "RLMT_RTTIME",
] as const;
export type RlimitType = (typeof RLIMIT_TYPES)[number];

const Bound = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }));

/** Both or neither; neither is no limit. */
export const RlimitSchema = Type.Object({ type: word(RLIMIT_TYPES), soft: Bound, hard: Bound });
export const RlimitInfoSchema = Type.Object({ rlimits: list(RlimitSchema, RLIMIT_TYPES.length) });

export const NetworkInfoSchema = Type.Object({
  /** `none` (not in Mesos): nothing but a loopback of its own. */
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
});

export const ContainerInfoSchema = Type.Object({
  type: Type.Literal("MESOS"),
  volumes: Type.Optional(list(VolumeSchema, 64)),
  hostname: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9.-]*$", maxLength: 64 })),
  networkInfos: Type.Optional(list(NetworkInfoSchema, 16)),
  linuxInfo: Type.Optional(LinuxInfoSchema),
  rlimitInfo: Type.Optional(RlimitInfoSchema),
  /**
   * Not in Mesos, where a root comes from an image. `HOST`: the host's, read only (the default);
   * `MINIMAL`: its programs and libraries alone; else a directory that becomes `/`.
   */
  rootfs: Type.Optional(
    Type.Object({
      type: word(["HOST", "MINIMAL", "DIRECTORY"] as const),
      path: Type.Optional(Path),
      mode: Type.Optional(word(["RW", "RO"] as const)),
    }),
  ),
});
export type ContainerInfo = Static<typeof ContainerInfoSchema>;

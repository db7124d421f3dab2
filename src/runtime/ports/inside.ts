/**
 * What is done to a container's process between its fork and its program, as plain data: what it
 * sees of the machine and what it may ask of the kernel. Part of a launch plan; says no word
 * about why. A launcher does all of it or refuses the plan.
 */

export const NAMESPACES = ["mount", "pid", "ipc", "uts", "net", "user", "cgroup"] as const;
export type Namespace = (typeof NAMESPACES)[number];

/** What a mount may not be used for; all are about this mount alone unless `recursive`. */
export const MOUNT_FLAGS = [
  "ro",
  "nosuid",
  "nodev",
  "noexec",
  /** Everything mounted below it too. */
  "recursive",
  /** What is not there is left out; without this word it is a refusal. */
  "optional",
  /** `bind`: a source that is missing is made below `within`, for everybody (1777). */
  "make",
  /** `bind`: the owner must be known to the container's user namespace, if it has one. */
  "owned",
] as const;
export type MountFlag = (typeof MOUNT_FLAGS)[number];

/**
 * One change of what the container sees. Sources are looked up on the host before anything is
 * changed; targets inside the container's root, where nothing leads out of it. A missing target
 * is made where it can be.
 */
export type InsideMount = {
  /** Absolute, as seen from inside. One change for each target and kind. */
  readonly target: string;
  readonly flags: readonly MountFlag[];
} & (
  | {
      readonly kind: "bind";
      /** A directory or file of the host. */
      readonly source: string;
      /** The source is looked up below this directory, and no link leads out of it. */
      readonly within: string | null;
    }
  /** `data` as mount(8) takes it: `size=64m,mode=1777`. */
  | { readonly kind: "tmpfs"; readonly data: string }
  /** The processes of the container's own pid namespace. */
  | { readonly kind: "proc" }
  | { readonly kind: "devpts" }
  | { readonly kind: "mqueue" }
  /** Gives what is there already these flags. */
  | { readonly kind: "attr" }
  /** Mounts what is at the target on itself, with these flags. */
  | { readonly kind: "freeze" }
  /** Covers a file with nothing to read, a directory with an empty one. */
  | { readonly kind: "mask" }
  | { readonly kind: "link"; readonly to: string }
  /** A copy of a file of the host in memory, of the container's user alone (0400). */
  | { readonly kind: "secret"; readonly source: string; readonly within: string }
);

/** A variable of the environment whose value only the launcher reads, when it starts the task. */
export interface SecretVariable {
  readonly name: string;
  readonly source: string;
  readonly within: string;
}

/** `outside` is this host's id for `inside`, and so on for `length` ids. */
export interface IdMap {
  readonly inside: number;
  readonly outside: number;
  readonly length: number;
}

/** Sets of bits by capability number, as in `capability.h`, in hexadecimal digits. */
export interface CapabilitySets {
  /** What the process has, and hands on to its children. */
  readonly effective: string;
  /** The most that any process of the container can ever get. */
  readonly bounding: string;
}

/** One program of a chain by which a network is made (CNI). */
export interface NetworkPlugin {
  /** Absolute. */
  readonly program: string;
  /** Its configuration: JSON on one line, without the last brace, for a result to be put behind. */
  readonly config: string;
}

/** A network that the container joins; needs a network namespace of its own. */
export interface InsideNetwork {
  readonly name: string;
  /** What the interface is called inside. */
  readonly interface: string;
  /** Run in this order to join, in reverse to leave; each gets the result of the one before. */
  readonly plugins: readonly NetworkPlugin[];
}

export interface Rlimit {
  /** The kernel's number (`RLIMIT_NOFILE` is 7). */
  readonly resource: number;
  readonly soft: number | "infinite";
  readonly hard: number | "infinite";
}

export interface Inside {
  readonly namespaces: readonly Namespace[];
  /** Enter the network namespace that is bound to this file; null: the host's, or a new one. */
  readonly netNamespace: string | null;
  /** Joined before its program runs, left when it has ended. */
  readonly networks: readonly InsideNetwork[];
  /**
   * Size of a file system of its own in the place of the sandbox, of which its logs are no part;
   * gone with the mount namespace, but for the image. Null: none.
   */
  readonly imageBytes: number | null;
  /** Ids of a `user` namespace, for users and for groups alike. */
  readonly idMap: IdMap | null;
  readonly hostname: string | null;
  /**
   * The directory that becomes `/`, looked up within the second one if that is given; `"tmpfs"`:
   * an empty one; null: the host's own.
   */
  readonly root: { readonly path: string; readonly within: string | null } | "tmpfs" | null;
  /** Done in this order. */
  readonly mounts: readonly InsideMount[];
  /** As seen from inside; null: the sandbox's path on the host. */
  readonly workingDirectory: string | null;
  readonly capabilities: CapabilitySets | null;
  readonly noNewPrivileges: boolean;
  /** A program of `struct sock_filter`s, in base64; needs `noNewPrivileges`. */
  readonly seccomp: string | null;
  readonly rlimits: readonly Rlimit[];
  readonly secrets: readonly SecretVariable[];
}

export const NOTHING_INSIDE: Inside = {
  namespaces: [],
  netNamespace: null,
  networks: [],
  imageBytes: null,
  idMap: null,
  hostname: null,
  root: null,
  mounts: [],
  workingDirectory: null,
  capabilities: null,
  noNewPrivileges: false,
  seccomp: null,
  rlimits: [],
  secrets: [],
};

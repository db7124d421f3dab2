/**
 * The way out to processes: starts containers, watches them end, signals, limits and removes them.
 * Owns the plain data that crosses this border; knows nothing of tasks, offers or resources.
 *
 * Ordering. No callback is ever called within the call that named it. Requests for one container
 * take effect in the order in which they were asked; between containers there is no order. The
 * exit of a container is told after `done` of its `launch` and before `done` of its `destroy`.
 *
 * Loss. `done` is called exactly once. `launcherGone` means that nobody knows whether it
 * happened: ask again, every request is idempotent (a launch by its nonce). Containers do not
 * notice the death of the launcher, of the agent, or of both. An exit is never lost while the
 * runtime directory lives: it is told by `onExit`, or stands in the answer of `recover`.
 *
 * Limits. `LAUNCHER_REQUESTS_MAX` requests may be open, `LAUNCH_PLAN_BYTES_MAX` bytes make one
 * plan. What is beyond is refused with `busy` and `tooLarge`.
 */

import type { Inside } from "./inside.ts";

/** Requests that may wait for an answer at the same time; further ones are refused `busy`. */
export const LAUNCHER_REQUESTS_MAX = 1_024;
/** Size of one encoded request; a larger plan is refused `tooLarge`. */
export const LAUNCH_PLAN_BYTES_MAX = 256 * 1_024;

/** One thing to do to the cgroup file system, in the order given. Paths are absolute. */
export type CgroupStep =
  /** Make a cgroup; one that exists already is fine. */
  | { readonly kind: "make"; readonly path: string }
  /** Write a value. `optional` writes may fail (a file that this kernel does not have). */
  | {
      readonly kind: "write";
      readonly path: string;
      readonly value: string;
      readonly optional: boolean;
    }
  /**
   * Let the processes of this cgroup of the unified tree open and make these devices alone
   * (`c 1:3 rwm`, `c 136:* rw`). A launcher that cannot leaves every device as it was.
   */
  | { readonly kind: "devices"; readonly path: string; readonly rules: readonly string[] };

/** How all processes of a container are reached at once. */
export type CgroupKill =
  /** cgroup v2: write `1` to this `cgroup.kill`. */
  | { readonly kind: "kill"; readonly path: string }
  /** cgroup v1: freeze this freezer cgroup, SIGKILL every member, thaw, until it is empty. */
  | { readonly kind: "freezer"; readonly path: string }
  /** No cgroups: the shim, as their reaper, kills its descendants. */
  | { readonly kind: "descendants" };

/** Where the kernel counts what the status must tell; null when it counts nothing. */
export interface CgroupCounters {
  /** `memory.events` (v2) or `memory.oom_control` (v1): the line `oom_kill N`. */
  readonly oomPath: string | null;
  /** `memory.peak` (v2) or `memory.max_usage_in_bytes` (v1): one number of bytes. */
  readonly peakPath: string | null;
}

/** The cgroups of one container: what to make, join, count, kill and remove. */
export interface CgroupPlan {
  readonly steps: readonly CgroupStep[];
  /** `tasks` (v1) and `cgroup.procs` (v2) files that the process writes itself into, alone. */
  readonly join: readonly string[];
  readonly counters: CgroupCounters;
  readonly kill: CgroupKill;
  /** Directories to remove, children first. */
  readonly remove: readonly string[];
}

/** Who the process is. Null in a plan: the agent's own user, unchanged. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; the primary one need not be repeated. */
  readonly groups: readonly number[];
}

/** Bounds of `stdout` and of `stderr`, each: at most `(files + 1) × bytes` on disk. */
export interface LogRotation {
  /** A file that reaches this size is renamed to `.1` and a new one begun. At least 4096. */
  readonly bytes: number;
  /** Older files kept (`stdout.1` is the youngest of them); 0 keeps none. At most 100. */
  readonly files: number;
}

/** Bounds that the file system keeps for directories (XFS project quotas). */
export interface Quotas {
  /** The project ids that may be taken; one that any file has is not free. */
  readonly first: number;
  readonly last: number;
  readonly directories: readonly {
    readonly path: string;
    /** Made below this one where it is missing; null: it is there, or is the sandbox. */
    readonly within: string | null;
    readonly bytes: number;
  }[];
}

/** What the launcher is asked to start. Plain data; it says everything and implies nothing. */
export interface LaunchPlan {
  readonly containerId: string;
  /** Makes a launch idempotent: the same id with the same nonce is the same launch. */
  readonly nonce: string;
  /** The program and its arguments. A shell command is `["/bin/sh", "-c", value]`. */
  readonly argv: readonly [string, ...string[]];
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. Made (0750, owned by the user) when it is missing; the working directory. */
  readonly sandbox: string;
  readonly user: ContainerUser | null;
  readonly cgroups: CgroupPlan;
  /** Written to `/proc/self/oom_score_adj` by the process itself; null leaves it alone. */
  readonly oomScoreAdj: number | null;
  /** What the process sees and may do; absent: what the launcher itself sees and may. */
  readonly inside?: Inside;
  /** Set before the process exists; absent: none. */
  readonly quotas?: Quotas;
  readonly logs: LogRotation;
  /** Time between SIGTERM and SIGKILL when `destroy` does not name another. */
  readonly graceMs: number;
  /** The text of `config.json`, written and synced before the process exists. */
  readonly config: string;
}

export type LauncherRefusal =
  /** Too many requests are open. */
  | "busy"
  | "tooLarge"
  /** The plan contradicts itself or names a thing that may not be named. */
  | "invalid"
  /** Another launch (another nonce) has this container id. */
  | "exists"
  /** No container of this id has a runtime directory. */
  | "unknown"
  /** The program could not be executed. */
  | "exec"
  /** The kernel or the file system refused; nothing is left behind by a failed launch. */
  | "system"
  /** A destroy that did not end in time; the container is still there: ask again. */
  | "notEmpty"
  /** The launcher ended before it answered. */
  | "launcherGone"
  /** The port was closed. */
  | "closed";

export interface LauncherFailure {
  readonly ok: false;
  readonly reason: LauncherRefusal;
  /** A whole sentence for people: step, path, what the kernel said. */
  readonly message: string;
}

export type LauncherAnswer<T extends object = object> =
  | ({ readonly ok: true } & T)
  | LauncherFailure;

/** A process is (boot, pid, start), never a pid alone. */
export interface PidFacts {
  readonly shimPid: number;
  /** Field 22 of `/proc/PID/stat`: clock ticks since boot. */
  readonly shimStartTicks: number;
  readonly pid: number;
  readonly startTicks: number;
}

/** How a container ended. */
export interface ContainerExit {
  readonly containerId: string;
  /**
   * `exited`: by itself, with `code`. `signaled`: by `signal`. `lost`: shim and process are gone
   * and no status was written, so nobody knows; then only `atMs` means anything.
   */
  readonly outcome: "exited" | "signaled" | "lost";
  readonly code: number | null;
  /** The number of the signal. */
  readonly signal: number | null;
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssKb: number;
  /** Processes that the kernel killed for memory in this container: the truth about OOM. */
  readonly oomKills: number;
  readonly memoryPeakBytes: number | null;
  /** Where the kernel killed for memory: the main lines of `memory.stat` at the end, in bytes. */
  readonly memoryStat?: Readonly<Record<string, number>>;
  /** Bytes of output that could not be written (full disk). */
  readonly logBytesDropped: number;
}

/** What stands on disk about one container when the agent comes back. */
export interface ContainerFacts {
  readonly containerId: string;
  /** `config.json` as it was written; null when it cannot be read. */
  readonly config: string | null;
  readonly pids: PidFacts | null;
  readonly exit: ContainerExit | null;
  /** Whether the shim of `pids` (pid and start time) is alive in this boot and knows no exit. */
  readonly alive: boolean;
}

export interface FoundCgroup {
  readonly containerId: string;
  /** Every hierarchy in which it was found. */
  readonly paths: readonly string[];
}

export interface RecoveredFacts {
  readonly bootId: string;
  readonly containers: readonly ContainerFacts[];
  /** All cgroups below this agent's own root, with or without a runtime directory. */
  readonly cgroups: readonly FoundCgroup[];
}

/** One sample of one container; counters only grow. Null: not counted on this machine. */
export interface ContainerUsage {
  readonly containerId: string;
  readonly atMs: number;
  readonly cpuUsageUs: number | null;
  readonly cpuPeriods: number | null;
  readonly cpuPeriodsThrottled: number | null;
  readonly cpuThrottledUs: number | null;
  readonly memoryBytes: number | null;
  readonly memoryPeakBytes: number | null;
  readonly memoryAnonBytes: number | null;
  readonly memoryFileBytes: number | null;
  readonly oomKills: number | null;
  readonly pids: number | null;
  /** Forks refused by `pids.max`. */
  readonly pidsRefused: number | null;
  /** Microseconds in which some process waited (PSI `some total`). */
  readonly cpuPressureUs: number | null;
  readonly memoryPressureUs: number | null;
  readonly ioPressureUs: number | null;
  /** Bytes that went to and came from block devices; what the page cache served is not counted. */
  readonly ioReadBytes: number | null;
  readonly ioWriteBytes: number | null;
}

/** What is to be measured of one container, because no counter of the kernel tells it. */
export interface MeasureWish {
  readonly containerId: string;
  /** Directories whose blocks are added up, each on its own file system alone; links not followed. */
  readonly directories: readonly string[];
  /** Whether to look for the ports on which its processes listen. */
  readonly listeners: boolean;
}

/** A port of this machine that a process of the container has open for others. */
export interface Listener {
  readonly protocol: "tcp" | "tcp6";
  readonly port: number;
}

/** Listeners that one answer can name; of a container with more these are the first. */
export const LISTENERS_MAX = 256;

export interface Measure {
  readonly containerId: string;
  /** Bytes on disk of each directory asked for, in that order; 0 where there is none. */
  readonly bytes: readonly number[];
  /** Each once, by port; empty where none was asked for. */
  readonly listeners: readonly Listener[];
}

/** Told when the launcher process ended. Containers go on; open requests got `launcherGone`. */
export interface LauncherLoss {
  /** How often it has been started again since the port was opened. */
  readonly restarts: number;
  /** When the next start is tried; null when it was given up. */
  readonly retryInMs: number | null;
  readonly message: string;
}

export interface Launcher {
  /** Makes the cgroups above the containers. Needed once per start, before the first launch. */
  prepare(steps: readonly CgroupStep[], done: (answer: LauncherAnswer) => void): void;

  /**
   * Starts a container: config on disk, cgroups made and limited, process inside them, program
   * executed. `ok` is said when the program runs. A refusal leaves nothing behind.
   */
  launch(
    plan: LaunchPlan,
    done: (answer: LauncherAnswer<{ readonly pids: PidFacts }>) => void,
  ): void;

  /** Changes limits of a live container; stops at the first write that fails. */
  update(
    containerId: string,
    steps: readonly CgroupStep[],
    done: (answer: LauncherAnswer) => void,
  ): void;

  /** Sends a signal (its number) to every process of the container. An ended one is fine. */
  signal(containerId: string, signal: number, done: (answer: LauncherAnswer) => void): void;

  /**
   * Ends a container: SIGTERM to all, `graceMs` (null: the plan's), kill of whatever is left, wait
   * until empty, removal of its cgroups. Idempotent; also for a cgroup that only `recover` found.
   * Two at once with different graces: the shorter one holds. The runtime directory stays until
   * `forget`, so that the status can be read again.
   */
  destroy(
    containerId: string,
    graceMs: number | null,
    done: (answer: LauncherAnswer) => void,
  ): void;

  /** Removes the runtime directory of a destroyed container. Refused `notEmpty` before that. */
  forget(containerId: string, done: (answer: LauncherAnswer) => void): void;

  /** Reads everything on disk; from then on the exits of those alive are told by `onExit`. */
  recover(done: (answer: LauncherAnswer<{ readonly facts: RecoveredFacts }>) => void): void;

  /** Samples usage. Containers that are not there are left out. */
  usage(
    containerIds: readonly string[],
    done: (answer: LauncherAnswer<{ readonly usages: readonly ContainerUsage[] }>) => void,
  ): void;

  /**
   * Measures one container: walks its directories, looks through its processes. Takes as long as
   * its files are many, and nobody else waits for it. A container that is not there is `unknown`.
   */
  measure(
    wish: MeasureWish,
    done: (answer: LauncherAnswer<{ readonly measure: Measure }>) => void,
  ): void;

  /** One listener; a second call replaces the first. Each exit is told once. */
  onExit(listener: (exit: ContainerExit) => void): void;

  /** One listener; told each time the launcher process itself has ended. */
  onLoss(listener: (loss: LauncherLoss) => void): void;

  /** Stops listening and ends the launcher; containers go on. Open requests get `closed`. */
  close(): void;
}

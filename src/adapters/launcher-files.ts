/**
 * Reads what launcher and shims leave in the runtime directory: `config.json`, `pid`, `status`.
 * Trusts none of it to be complete; writes nothing.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { LAUNCHER_CGROUP } from "#isolation";
import type { ContainerExit, ContainerFacts, FoundCgroup, PidFacts } from "#runtime";

const Pid = TypeCompiler.Compile(
  Type.Object({
    shim: Type.Integer({ minimum: 1 }),
    shimStart: Type.Integer(),
    pid: Type.Integer({ minimum: 1 }),
    start: Type.Integer(),
  }),
);

const StatusShape = Type.Object({
  container: Type.Optional(Type.String()),
  code: Type.Union([Type.Integer(), Type.Null()]),
  signal: Type.Union([Type.Integer(), Type.Null()]),
  at: Type.Number(),
  utimeMs: Type.Number(),
  stimeMs: Type.Number(),
  maxRssKb: Type.Number(),
  oomKills: Type.Integer(),
  peakBytes: Type.Union([Type.Number(), Type.Null()]),
  memory: Type.Optional(Type.Record(Type.String(), Type.Number())),
  dropped: Type.Number(),
});
const Status = TypeCompiler.Compile(StatusShape);

/** The text of a small file, null when it is not there. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** No such file, no such process, or a cgroup that has just gone. */
export function isMissing(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ESRCH" || code === "ENODEV" || code === "ENOTDIR";
}

function parseJson(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export function readPids(directory: string): PidFacts | null {
  const value = parseJson(readText(join(directory, "pid")));
  if (!Pid.Check(value)) return null;
  const { shim, shimStart, pid, start } = value;
  return { shimPid: shim, shimStartTicks: shimStart, pid, startTicks: start };
}

export function readExit(directory: string, containerId: string): ContainerExit | null {
  return parseExit(readText(join(directory, "status")), containerId);
}

/** The exit that a text of `status` tells; null where it is empty or none. */
export function parseExit(text: string | null, containerId: string): ContainerExit | null {
  const value = parseJson(text);
  if (!Status.Check(value)) return null;
  // In a directory that is used again a power cut may bring back what its last container left.
  const { container = containerId } = value;
  return container === containerId ? exitOf(containerId, value) : null;
}

function exitOf(containerId: string, status: Static<typeof StatusShape>): ContainerExit {
  return {
    containerId,
    outcome: status.signal === null ? "exited" : "signaled",
    code: status.code,
    signal: status.signal,
    atMs: status.at,
    userMs: status.utimeMs,
    systemMs: status.stimeMs,
    maxRssKb: status.maxRssKb,
    oomKills: status.oomKills,
    memoryPeakBytes: status.peakBytes,
    ...(status.memory === undefined ? {} : { memoryStat: status.memory }),
    logBytesDropped: status.dropped,
  };
}

/** The exit of a container of which no status was written. */
export function lostExit(containerId: string, atMs: number): ContainerExit {
  return {
    containerId,
    outcome: "lost",
    code: null,
    signal: null,
    atMs,
    userMs: 0,
    systemMs: 0,
    maxRssKb: 0,
    oomKills: 0,
    memoryPeakBytes: null,
    logBytesDropped: 0,
  };
}

/** Whether the process with this pid is the one that was started then, and not yet a zombie. */
export function isProcessAlive(pid: number, startTicks: number): boolean {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return false;
  // The name in parentheses may contain anything; state is field 3, start time field 22.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] !== "Z" && fields[0] !== "X" && Number(fields[19]) === startTicks;
}

/**
 * The shim is asked after before the status is read: it writes its status before it ends. One that
 * has written it and is still on its way out is not alive any more.
 */
export function readContainer(runtimeDir: string, containerId: string): ContainerFacts {
  const directory = join(runtimeDir, containerId);
  const pids = readPids(directory);
  const hasShim = pids !== null && isProcessAlive(pids.shimPid, pids.shimStartTicks);
  const exit = readExit(directory, containerId);
  const alive = hasShim && exit === null;
  return { containerId, config: readText(join(directory, "config.json")), pids, exit, alive };
}

const namesOfDirectories = (path: string): string[] => {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
};

export function readContainers(runtimeDir: string): ContainerFacts[] {
  // Names that begin with a dot are directories that the launcher keeps to use again.
  const names = namesOfDirectories(runtimeDir).filter((name) => !name.startsWith("."));
  return names.map((name) => readContainer(runtimeDir, name));
}

/** Every container's cgroup below the agent's own directories. */
export function findCgroups(directories: readonly string[]): FoundCgroup[] {
  const found = new Map<string, string[]>();
  for (const directory of directories) {
    for (const name of namesOfDirectories(directory)) {
      if (name === LAUNCHER_CGROUP) continue;
      found.set(name, [...(found.get(name) ?? []), `${directory}/${name}`]);
    }
  }
  return [...found].map(([containerId, paths]) => ({ containerId, paths }));
}

export function readBootId(): string {
  return (readText("/proc/sys/kernel/random/boot_id") ?? "unknown").trim();
}

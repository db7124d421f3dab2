/**
 * A whole cluster for tests, as a person has one: `meseta up` as a process in a folder of its
 * own, and the command line as processes beside it. It knows what belongs to that cluster on this
 * machine, so that a test can say what is left of it.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CallOptions, type OutputOf, readAnswer, requestOf, type RouteName } from "#api";
import { findBroker, readUpRecord } from "#daemon";
import { until } from "./until.ts";

export const isRoot = process.getuid?.() === 0;
/** Why a test with real containers does not run here; false where it does. */
export const skipWithoutRoot: string | false = isRoot
  ? false
  : "needs root: limits and the ends of whole process trees are the kernel's work by cgroups";

/** Seen from the compiled file in `dist/test/support`. */
const PROGRAM = fileURLToPath(new URL("../../../bin/meseta.js", import.meta.url));
const STARTED_MS_MAX = 60_000;
const ENDED_MS_MAX = 60_000;

export interface Ended {
  /** Exit code, or the name of the signal that ended it. */
  readonly exit: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of the command line, with what it has said so far. */
export class Command {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";
  isOver = false;

  /**
   * Runs it behind `env`, in exactly the environment given: tap puts a loader of its own into every
   * process that a test starts, which costs time and, as another user, could not write its report.
   */
  constructor(
    args: readonly string[],
    { env, ...options }: SpawnOptions,
    prefix: readonly string[] = [],
  ) {
    this.#name = `meseta ${args.join(" ").slice(0, 200)}`;
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const variables = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`);
    const command = ["env", "-i", ...variables, process.execPath, PROGRAM, ...args];
    const [program = "", ...rest] = [...prefix, ...command];
    const child = spawn(program, rest, { ...options, stdio: [...stdio] });
    this.#process = child;
    child.stdout?.on("data", (bytes: Buffer) => {
      this.stdout += bytes.toString("utf8");
    });
    child.stderr?.on("data", (bytes: Buffer) => {
      this.stderr += bytes.toString("utf8");
    });
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.isOver = true;
        resolve({ exit: code ?? signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error(`${this.#name} could not be started`);
    return pid;
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Waits until it has said something on either of its outputs. */
  async says(pattern: RegExp, limitMs?: number): Promise<void> {
    const said = (): boolean => pattern.test(this.stdout) || pattern.test(this.stderr);
    await until(() => said() || this.isOver, `${this.#name} says ${pattern}`, limitMs);
    if (!said()) throw new Error(`${this.#name} ended without ${pattern}: ${this.#output()}`);
  }

  /** Waits for its end, and ends it when that takes too long. */
  async end(limitMs = ENDED_MS_MAX): Promise<Ended> {
    try {
      await until(() => this.isOver, `${this.#name} ends`, limitMs);
    } catch (error) {
      this.signal("SIGKILL");
      await this.ended;
      throw new Error(`${(error as Error).message}; it said: ${this.#output()}`);
    }
    return await this.ended;
  }

  #output(): string {
    return JSON.stringify({ stdout: this.stdout, stderr: this.stderr });
  }
}

/** What a process that a test starts may see of ours: nothing that a test runner put there. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(NODE_|TAP|_TAP|npm_|MESETA_)/.test(name) ||
      name === "MESETA_NATS_SERVER" ||
      name === "MESETA_CACHE_DIR",
  );
  return Object.fromEntries(kept);
}

export interface Person {
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs it where this person is, such as in a network of its own. */
  readonly prefix?: readonly string[];
}

/** A folder with a configuration of its own, from which clusters are started and asked. */
export class Bench {
  readonly dir: string;
  readonly data: string;
  readonly config: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #started: Command[] = [];

  /** A directory that tasks see too: not below `/tmp`, which containers have of their own. */
  readonly gates: string;

  private constructor(dir: string, gates: string, env: NodeJS.ProcessEnv) {
    this.dir = dir;
    this.gates = gates;
    this.data = join(dir, "data");
    this.config = join(dir, "config");
    this.#env = { ...cleanEnvironment(), ...env, MESETA_CONFIG_DIR: this.config };
  }

  static async make(env: NodeJS.ProcessEnv = {}): Promise<Bench> {
    const dir = await mkdtemp(join(tmpdir(), "meseta-test-cluster-"));
    // Others may pass through, so that what keeps them out is the product's own work.
    await chmod(dir, 0o755);
    const gates = await mkdtemp(join(homedir(), ".meseta-test-gates-"));
    return new Bench(dir, gates, env);
  }

  /** Starts the command line. */
  start(args: readonly string[], person: Person = {}): Command {
    const { env, prefix, ...ids } = person;
    const options = { cwd: this.dir, env: { ...this.#env, ...env }, ...ids };
    const made = new Command(args, options, prefix);
    this.#started.push(made);
    return made;
  }

  /** Runs the command line to its end. */
  meseta(args: readonly string[], person: Person = {}): Promise<Ended> {
    return this.start(args, person).end();
  }

  /** Runs a command with JSON as its output. @throws Error when it fails. */
  async json(...args: string[]): Promise<unknown> {
    const { exit, stdout, stderr } = await this.meseta([...args, "-o", "json"]);
    if (exit !== 0) throw new Error(`meseta ${args.join(" ")} ended with ${exit}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** Makes a file that everybody may read, such as a gate that tasks wait for. */
  touch(path: string): Promise<void> {
    return this.write(path, "");
  }

  write(path: string, text: string): Promise<void> {
    return writeFile(path, text, { mode: 0o644 });
  }

  /** Ends whatever was started here and still runs, then the folder. */
  async clear(): Promise<void> {
    const down = await this.meseta(["down", "--data", this.data]);
    for (const command of this.#started) {
      if (!command.isOver) command.signal("SIGKILL");
      await command.ended;
    }
    if (down.exit !== 0) throw new Error(`meseta down: ${down.stderr}`);
    await rm(this.gates, { recursive: true, force: true });
    await rm(this.dir, { recursive: true, force: true });
  }
}

interface Context {
  readonly server: string;
  readonly token: string;
}

/** A running cluster on a bench. */
export class Cluster {
  readonly bench: Bench;
  readonly #flags: readonly string[];
  #up: Command;

  private constructor(bench: Bench, flags: readonly string[], up: Command) {
    this.bench = bench;
    this.#flags = flags;
    this.#up = up;
  }

  static async start(flags: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Cluster> {
    await provideBroker();
    const bench = await Bench.make(env);
    try {
      return new Cluster(bench, flags, await startUp(bench, flags));
    } catch (error) {
      await bench.clear();
      throw error;
    }
  }

  get up(): Command {
    return this.#up;
  }

  /** `meseta up` once more on the same directory, after the one before has ended. */
  async startAgain(): Promise<void> {
    this.#up = await startUp(this.bench, this.#flags);
  }

  /** Addresses of all masters. */
  async servers(): Promise<readonly string[]> {
    return (await this.#savedContext()).server.split(",");
  }

  /** The context that `up` wrote, with the address of its first master. */
  async context(): Promise<Context> {
    const found = await this.#savedContext();
    const [server = ""] = found.server.split(",");
    return { ...found, server };
  }

  async #savedContext(): Promise<Context> {
    const text = await readFile(join(this.bench.config, "contexts.json"), "utf8");
    const file = JSON.parse(text) as { current: string; contexts: Record<string, Context> };
    const found = file.contexts[file.current];
    if (found === undefined) throw new Error(`no context in ${text}`);
    return found;
  }

  /** One request of the HTTP API, by the owner. */
  async call<Name extends RouteName>(
    name: Name,
    options: Omit<CallOptions<Name>, "token"> = {},
  ): Promise<OutputOf<Name>> {
    const { server, token } = await this.context();
    const { target, ...request } = requestOf(name, { ...options, token } as CallOptions<Name>);
    const response = await fetch(`${server}${target}`, request);
    return readAnswer(name, response.status, await response.text());
  }

  /** The text of /metrics. */
  async metrics(): Promise<string> {
    const { server, token } = await this.context();
    const headers = { authorization: `Bearer ${token}` };
    return await (await fetch(`${server}/metrics`, { headers })).text();
  }

  /** Process id of a part as it runs now: master, agent-1 …, broker. */
  async pidOf(part: string): Promise<number> {
    if (part === "broker") {
      const text = await readFile(join(this.bench.data, "broker", "process.json"), "utf8");
      return (JSON.parse(text) as { pid: number }).pid;
    }
    const pid = (await readUpRecord(this.bench.data))?.children[part]?.pid;
    if (pid === undefined) throw new Error(`no ${part} is recorded`);
    return pid;
  }

  agentIds(): string[] {
    return agentIdsIn(this.bench.data);
  }

  /** Ends the cluster by `meseta down` and takes its folder away. */
  async stop(): Promise<void> {
    await this.bench.clear();
  }
}

async function startUp(bench: Bench, flags: readonly string[]): Promise<Command> {
  const up = bench.start(["up", "--data", bench.data, ...flags]);
  try {
    await up.says(/Ctrl-C stops everything/, STARTED_MS_MAX);
  } catch (error) {
    up.signal("SIGTERM");
    await up.ended;
    throw error;
  }
  return up;
}

let provided: Promise<unknown> | undefined;

/** Fetched once where there is none, outside the time that a test has. */
function provideBroker(): Promise<unknown> {
  provided ??= findBroker({
    env: process.env,
    progress: (line) => process.stderr.write(`# ${line}\n`),
    mayProvision: true,
  });
  return provided;
}

export function agentIdsIn(data: string): string[] {
  return readdirSync(data)
    .filter((name) => name.startsWith("agent-"))
    .map((name) => readFileSync(join(data, name, "agent-id"), "utf8").trim());
}

/** All processes of this machine whose command line or environment names `mark`. */
export function processesNaming(mark: string): number[] {
  return processIds().filter((pid) => {
    const said = [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].map(readQuietly).join("");
    return pid !== process.pid && said.includes(mark) && !isRemains(pid);
  });
}

/** All processes that are in a cgroup with `mark` in its path; the dead are named there too. */
export function processesInCgroup(mark: string): number[] {
  return processIds().filter(
    (pid) => readQuietly(`/proc/${pid}/cgroup`).includes(mark) && !isRemains(pid),
  );
}

/** All cgroups whose own name is one of `names`, in every hierarchy, with what is below them. */
export function cgroupsNamed(names: readonly string[]): string[] {
  return mountsOf(/^cgroup2?$/).flatMap((root) => cgroupsBelow(root, names, DEPTH_MAX));
}

/** Mesetas hang below the root of a hierarchy or below the cgroup that we are in. */
const DEPTH_MAX = 6;

function cgroupsBelow(dir: string, names: readonly string[], depth: number): string[] {
  if (depth === 0) return [];
  return subdirectories(dir).flatMap((name) => {
    const path = join(dir, name);
    const own = names.includes(name) ? [path] : [];
    return [...own, ...cgroupsBelow(path, names, depth - 1)];
  });
}

/** Mount points of file systems whose type fits. */
function mountsOf(type: RegExp): string[] {
  return readQuietly("/proc/mounts")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , kind = ""]) => type.test(kind))
    .map(([, path = ""]) => path);
}

/** What is there of a cluster, by the folder that it runs from and the agents that it had. */
export function remainsOf(dir: string, agentIds: readonly string[]): string[] {
  const mounts = readQuietly("/proc/mounts").split("\n");
  const inside = agentIds.flatMap(processesInCgroup);
  return [
    ...[...processesNaming(dir), ...inside].map((pid) => `process ${pid} ${commandOf(pid)}`),
    ...cgroupsNamed(agentIds).map((path) => `cgroup ${path}`),
    ...mounts.filter((line) => line.includes(dir)).map((line) => `mount ${line}`),
  ];
}

export function isAlive(pid: number): boolean {
  return readQuietly(`/proc/${pid}/stat`) !== "" && !isRemains(pid);
}

/** Dead, and not yet collected by its parent. */
function isRemains(pid: number): boolean {
  const stat = readQuietly(`/proc/${pid}/stat`);
  return /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readQuietly(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? 0) * 1024;
}

function commandOf(pid: number): string {
  return readQuietly(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() || linkOf(pid);
}

function linkOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch (error) {
    return `(gone: ${(error as NodeJS.ErrnoException).code})`;
  }
}

function processIds(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Processes and cgroups go away while they are looked at. */
export function readQuietly(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (/^(ENOENT|ESRCH|EACCES|EPERM)$/.test(String((error as NodeJS.ErrnoException).code))) {
      return "";
    }
    throw error;
  }
}

function subdirectories(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

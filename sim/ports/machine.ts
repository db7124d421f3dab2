/**
 * A simulated machine: the containers that run on it, whoever watches them. It survives the
 * lives of its agent; a reboot ends everything and gives a new boot id. Runs scripts, keeps
 * exits; `launcher.ts` is how an agent reaches it.
 */
import type { ContainerExit, LaunchPlan, PidFacts } from "#runtime";
import { TICK_MS } from "../kernel/node.ts";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import { type Act, type Script, scriptOf } from "./script.ts";

const SIGKILL = 9;
/** Bytes of each output that are kept. */
const OUTPUT_BYTES_MAX = 256 * 1024;
const IGNORED_BY_DEFAULT: ReadonlySet<number> = new Set([0, 17, 18, 23, 28]);

/** A program that is more than a script: a custom executor runs as a node of the world. */
export interface Program {
  /** The signal reaches it; it ends by calling `ended`. */
  signal(signal: number): void;
}

export type ProgramStart = (
  plan: LaunchPlan,
  ended: (end: { readonly code: number | null; readonly signal: number | null }) => void,
) => Program;

export class SimContainer {
  readonly plan: LaunchPlan;
  readonly pids: PidFacts;
  readonly startedAtMs: number;
  readonly output = { stdout: new Uint8Array(0), stderr: new Uint8Array(0) };
  exit: ContainerExit | null = null;
  /** false: a reboot took it; nobody wrote how it ended. */
  alive = true;
  ignoresTerm = false;
  /** Code with which it ends by itself when SIGTERM comes. */
  codeOnTerm: number | undefined;
  /** Processes that stay when the first has ended. */
  left = 0;
  /** Bytes in its sandbox, and the ports on which it listens. */
  diskBytes = 0;
  readonly listening = new Set<number>();
  /** true: cgroups are removed; only the runtime directory stands. */
  destroyed = false;
  program: Program | undefined;
  /** Called when its last process has ended. */
  onEmpty: (() => void) | undefined;

  constructor(plan: LaunchPlan, pids: PidFacts, startedAtMs: number) {
    this.plan = plan;
    this.pids = pids;
    this.startedAtMs = startedAtMs;
  }

  get running(): boolean {
    return this.alive && this.exit === null;
  }

  get empty(): boolean {
    return !this.running && this.left === 0;
  }
}

export interface MachineObserver {
  started(machine: SimMachine, container: SimContainer): void;
  ended(machine: SimMachine, container: SimContainer): void;
}

export class SimMachine {
  readonly name: string;
  readonly world: World;
  readonly chance: Chance;
  readonly containers = new Map<string, SimContainer>();
  readonly observers: MachineObserver[] = [];
  readonly programs = new Map<string, ProgramStart>();
  bootId: string;
  /** Until then SIGKILL has no effect: processes in uninterruptible sleep. */
  killIgnoredUntilMs = 0;
  /** Factor on the time of each request. */
  slowness = 1;
  #pids = 1_000;
  #exitListeners = new Set<(exit: ContainerExit) => void>();

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.chance = world.seed.stream(`machine:${name}`);
    this.bootId = this.chance.uuid();
  }

  onExit(listener: (exit: ContainerExit) => void): () => void {
    this.#exitListeners.add(listener);
    return () => this.#exitListeners.delete(listener);
  }

  /** Starts the plan's program now; undefined when there is no such program. */
  start(plan: LaunchPlan): SimContainer | undefined {
    const program = this.programs.get(plan.argv[0].split("/").at(-1) ?? "");
    const script = program === undefined ? scriptOf(plan.argv) : { acts: [] };
    if (script === undefined) return undefined;
    const startTicks = Math.floor(this.world.nowMs / 10);
    this.#pids += 2;
    const pids: PidFacts = {
      shimPid: this.#pids,
      shimStartTicks: startTicks,
      pid: this.#pids + 1,
      startTicks,
    };
    const container = new SimContainer(plan, pids, this.world.nowMs);
    this.containers.set(plan.containerId, container);
    const started = this.#record("start", `${nameOf(plan)} ${plan.argv.join(" ")}`);
    for (const observer of this.observers) observer.started(this, container);
    this.world.because(started, () => {
      if (program === undefined) {
        return this.world.after(TICK_MS, () => this.#act(container, script, 0));
      }
      container.program = program(plan, ({ code, signal }) => this.#end(container, code, signal));
    });
    return container;
  }

  /** A signal reaches every process of the container. */
  signal(container: SimContainer, signal: number): void {
    if (signal === SIGKILL) {
      const waitMs = this.killIgnoredUntilMs - this.world.nowMs;
      if (waitMs > 0) return this.world.after(waitMs, () => this.signal(container, signal));
    }
    if (container.program !== undefined && signal !== SIGKILL) {
      if (container.running) container.program.signal(signal);
      return;
    }
    const ignored = IGNORED_BY_DEFAULT.has(signal) || (signal === 15 && container.ignoresTerm);
    if (ignored) return;
    if (signal === 15 && container.codeOnTerm !== undefined && container.running) {
      return this.#end(container, container.codeOnTerm, null);
    }
    const wasOver = !container.running;
    container.left = 0;
    container.program?.signal(signal);
    this.#end(container, null, signal);
    if (wasOver) container.onEmpty?.();
  }

  /** Fault: the kernel ends the container's first process for its memory. */
  outOfMemory(container: SimContainer): void {
    // Its end is written down before its program notices, so that it has one.
    this.#end(container, null, SIGKILL, 1);
    container.program?.signal(SIGKILL);
  }

  /** Fault: the container's first process ends by itself, with a code that nobody meant. */
  exits(container: SimContainer, code: number): void {
    this.#end(container, code, null);
    container.program?.signal(SIGKILL);
  }

  /** The power goes: every process, every cgroup. Runtime directories stay on disk. */
  reboot(): void {
    for (const container of this.containers.values()) {
      if (container.running) {
        container.alive = false;
        container.program?.signal(SIGKILL);
        for (const observer of this.observers) observer.ended(this, container);
      }
      container.left = 0;
      container.destroyed = true;
    }
    this.bootId = this.chance.uuid();
    this.#record("reboot", this.bootId);
  }

  #act(container: SimContainer, script: Script, index: number): void {
    if (!container.running) return;
    const act = script.acts[index];
    if (act === undefined) return this.#end(container, 0, null);
    const waitMs = this.#perform(container, act);
    if (waitMs === undefined || !container.running) return;
    this.world.after(waitMs, () => this.#act(container, script, index + 1));
  }

  /** Does one act; answers how long it takes, undefined when it never ends by itself. */
  #perform(container: SimContainer, act: Act): number | undefined {
    switch (act.kind) {
      case "print": {
        const bytes = new TextEncoder().encode(act.text);
        container.output[act.file] = appended(container.output[act.file], bytes);
        return TICK_MS;
      }
      case "sleep":
        return Number.isFinite(act.ms) ? act.ms : undefined;
      case "hang":
        return undefined;
      case "exit":
        this.#end(container, act.code, null);
        return undefined;
      case "raise":
        this.signal(container, act.signal);
        return TICK_MS;
      case "oom":
        this.#end(container, null, SIGKILL, 1);
        return undefined;
      case "ignore-term":
        container.ignoresTerm = true;
        return TICK_MS;
      case "on-term":
        container.codeOnTerm = act.code;
        return TICK_MS;
      case "fork":
        container.left += act.count;
        return TICK_MS;
      case "fill":
        container.diskBytes += act.mib * 1024 * 1024;
        return TICK_MS;
      case "listen":
        container.listening.add(act.port);
        return TICK_MS;
      case "flood":
        // Only an executor has somebody to say it to.
        return TICK_MS;
    }
  }

  #end(container: SimContainer, code: number | null, signal: number | null, oomKills = 0): void {
    if (!container.running) return;
    const ranMs = this.world.nowMs - container.startedAtMs;
    const exit: ContainerExit = {
      containerId: container.plan.containerId,
      outcome: code === null ? "signaled" : "exited",
      code,
      signal,
      atMs: Math.floor(this.world.wallBeginMs + this.world.nowMs),
      userMs: Math.floor(ranMs / 8),
      systemMs: Math.floor(ranMs / 64),
      maxRssKb: 4_096,
      oomKills,
      memoryPeakBytes: 4 * 1024 * 1024,
      logBytesDropped: 0,
    };
    container.exit = exit;
    if (container.empty) container.onEmpty?.();
    const how = code === null ? `signal ${String(signal)}` : `code ${code}`;
    const ended = this.#record("exit", `${nameOf(container.plan)} ${how}`);
    for (const observer of this.observers) observer.ended(this, container);
    this.world.because(ended, () => {
      for (const listener of [...this.#exitListeners]) listener(exit);
    });
  }

  #record(kind: string, summary: string): number {
    return this.world.record({ node: this.name, kind, summary });
  }
}

/** The container, and the executor that it is for: a command task's is called like the task. */
function nameOf({ containerId, env }: LaunchPlan): string {
  const executorId = env["MESOS_EXECUTOR_ID"];
  return executorId === undefined ? containerId : `${containerId} ${executorId}`;
}

function appended(one: Uint8Array<ArrayBuffer>, two: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(one.length + two.length);
  whole.set(one);
  whole.set(two, one.length);
  return whole.length > OUTPUT_BYTES_MAX ? whole.slice(-OUTPUT_BYTES_MAX) : whole;
}

/**
 * The port `Launcher` on a launcher process. Numbers requests, keeps those of one container in
 * order, watches the FIFO of every live container and tells its exit. Decides nothing about
 * containers; what it must know after a restart stands on disk.
 */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
} from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { type CgroupDriver, planFault } from "#isolation";
import {
  type CgroupStep,
  type ContainerExit,
  type ContainerFacts,
  type ContainerUsage,
  type FoundCgroup,
  LAUNCH_PLAN_BYTES_MAX,
  type Launcher,
  LAUNCHER_REQUESTS_MAX,
  type LauncherAnswer,
  type LauncherFailure,
  type LauncherLoss,
  type LauncherRefusal,
  type PidFacts,
} from "#runtime";
import { createCgroupReader, sampleProcesses } from "./cgroup-reader.ts";
import {
  findCgroups,
  isMissing,
  isProcessAlive,
  lostExit,
  parseExit,
  readBootId,
  readContainers,
  readExit,
  readPids,
  readText,
} from "./launcher-files.ts";
import { type LauncherPrograms, startLauncherProcess } from "./launcher-process.ts";
import {
  type Answer,
  endFields,
  EXIT_ID,
  EXIT_PROMISE,
  type Field,
  launchFields,
  type Operation,
  refusalOf,
  stepFields,
} from "./launcher-protocol.ts";

/** Launches being carried out at the same time; more only fight for the processors. */
export const LAUNCHES_AT_ONCE_MAX = 16;

const NO_VALUES = { cpu: null, memory: null, pids: null };

export interface LauncherOptions {
  readonly programs: LauncherPrograms;
  /** Made with mode 0700. One directory per container below it. */
  readonly runtimeDir: string;
  readonly driver: CgroupDriver;
  /** What the launcher complains about, line by line. */
  readonly onMessage: (line: string) => void;
}

/** The request of one container that others of the same container wait for. */
interface Lane {
  readonly waiting: (() => void)[];
}

/** Somebody will say that the container has ended: the launcher, or its FIFO. */
interface Watch {
  readonly by: "launcher" | "fifo";
  readonly close: () => void;
  /** What waits for the end to be told. */
  readonly ended: (() => void)[];
}

interface Open {
  readonly run: (answer: Answer) => void;
  readonly fail: (failure: LauncherFailure) => void;
}

const failure = (reason: LauncherRefusal, message: string): LauncherFailure => ({
  ok: false,
  reason,
  message,
});

/** Opens the port. The first launcher process is starting when this returns. */
export function openLauncher(options: LauncherOptions): Launcher {
  const { runtimeDir, driver, programs } = options;
  mkdirSync(runtimeDir, { recursive: true, mode: 0o700 });
  chmodSync(runtimeDir, 0o700);

  const open = new Map<number, Open>();
  const lanes = new Map<string, Lane>();
  const watches = new Map<string, Watch>();
  /** Grace of the plans launched here, until the container is forgotten. */
  const graces = new Map<string, number>();
  /** Exits that were told or stood in the answer of `recover`; until the container is forgotten. */
  const told = new Set<string>();
  const launches: (() => void)[] = [];
  const unsent: (() => void)[] = [];
  const reader = createCgroupReader();
  let nextId = 1;
  let launching = 0;
  let restarts = 0;
  let isReady = false;
  let state: "open" | "gaveUp" | "closed" = "open";
  let onExit: (exit: ContainerExit) => void = () => undefined;
  let onLoss: (loss: LauncherLoss) => void = () => undefined;

  const child = startLauncherProcess(
    { programs, runtimeDir, cgroupPaths: cgroupPaths(driver) },
    {
      ready() {
        isReady = true;
        joinCgroups();
        for (const send of unsent.splice(0)) send();
      },
      answer(answer) {
        if (answer.id === EXIT_ID) return exitSaid(answer.text);
        const request = open.get(answer.id);
        open.delete(answer.id);
        request?.run(answer);
      },
      ended(message, retryInMs) {
        isReady = false;
        watchAlone();
        if (retryInMs === null) state = "gaveUp";
        else restarts += 1;
        failAll(failure("launcherGone", message));
        onLoss({ restarts, retryInMs, message });
      },
      said: options.onMessage,
    },
  );

  function joinCgroups(): void {
    const files = driver.launcherJoin().filter((path) => existsSync(path));
    try {
      child.join(files);
    } catch (error) {
      // Only a supervisor that stops the agent's own cgroup would notice: say it, go on.
      options.onMessage(`the launcher could not be moved out of the agent's cgroup: ${error}`);
    }
  }

  function failAll(why: LauncherFailure): void {
    const requests = [...open.values()];
    open.clear();
    unsent.length = 0;
    for (const request of requests) request.fail(why);
  }

  const later = (run: () => void): void => void setImmediate(run);

  /** Sends a request or refuses it; `done` runs once, never within this call. */
  function ask(
    operation: Operation,
    fields: readonly Field[],
    done: (answer: LauncherFailure | { readonly ok: true; readonly text: string }) => void,
  ): void {
    const refuse = (reason: LauncherRefusal, message: string): void =>
      later(() => done(failure(reason, message)));
    if (state === "closed") return refuse("closed", "the launcher's port was closed");
    if (state === "gaveUp") return refuse("launcherGone", "the launcher cannot be started");
    if (open.size >= LAUNCHER_REQUESTS_MAX) {
      return refuse("busy", `${LAUNCHER_REQUESTS_MAX} requests are open`);
    }
    const bytes = fields.reduce((sum, [, value]) => sum + Buffer.byteLength(value) + 6, 5);
    if (bytes > LAUNCH_PLAN_BYTES_MAX) {
      const message = `the request has ${bytes} bytes, at most ${LAUNCH_PLAN_BYTES_MAX} are allowed`;
      return refuse("tooLarge", message);
    }
    const id = nextId++;
    open.set(id, {
      run: ({ code, text }) =>
        done(code === 0 ? { ok: true, text } : failure(refusalOf(code), text)),
      fail: done,
    });
    const send = (): void => child.send(id, operation, fields);
    if (isReady) send();
    else unsent.push(send);
  }

  /** Runs at once, or when the request that holds this container's lane is answered. */
  function inLane(containerId: string, run: () => void): void {
    const lane = lanes.get(containerId);
    if (lane === undefined) run();
    else lane.waiting.push(run);
  }

  /** Runs in the lane and holds it until `release`. */
  function holdLane(containerId: string, run: (release: () => void) => void): void {
    inLane(containerId, () => {
      const lane: Lane = { waiting: [] };
      lanes.set(containerId, lane);
      run(() => {
        lanes.delete(containerId);
        // Each goes through the lane again: the first of them may hold it anew.
        for (const next of lane.waiting) inLane(containerId, next);
      });
    });
  }

  function launchSlot(run: (free: () => void) => void): void {
    const begin = (): void => {
      launching += 1;
      run(() => {
        launching -= 1;
        launches.shift()?.();
      });
    };
    if (launching < LAUNCHES_AT_ONCE_MAX) begin();
    else launches.push(begin);
  }

  /** The launcher has promised to say it; a promise that ends with the launcher. */
  function awaitExit(containerId: string): void {
    if (watches.has(containerId) || told.has(containerId) || state === "closed") return;
    watches.set(containerId, { by: "launcher", close: () => undefined, ended: [] });
  }

  function exitSaid(text: string): void {
    const line = text.indexOf("\n");
    const containerId = text.slice(0, line);
    if (watches.get(containerId)?.by !== "launcher") return;
    hasExited(containerId, parseExit(text.slice(line + 1), containerId));
  }

  function watchAlone(): void {
    for (const [containerId, { by, ended }] of [...watches]) {
      if (by !== "launcher") continue;
      watches.delete(containerId);
      watch(containerId, ended);
    }
  }

  /** End of file on the FIFO means that the shim has ended; then the status is read. */
  function watch(containerId: string, ended: (() => void)[] = []): void {
    if (watches.has(containerId) || told.has(containerId) || state === "closed") return;
    const directory = join(runtimeDir, containerId);
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    const over = (): void => hasExited(containerId, readExit(directory, containerId));
    let descriptor: number;
    try {
      descriptor = openSync(join(directory, "alive"), flags);
    } catch (error) {
      if (!isMissing(error)) throw error;
      watches.set(containerId, { by: "fifo", close: () => undefined, ended });
      return later(over); // forgotten by another hand
    }
    // A FIFO whose writer left before the open never tells its end to a poll: ask it once.
    if (hasEnded(descriptor)) {
      closeSync(descriptor);
      watches.set(containerId, { by: "fifo", close: () => undefined, ended });
      return later(over);
    }
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    watches.set(containerId, { by: "fifo", close: () => socket.destroy(), ended });
    socket.on("error", (error) => options.onMessage(`${containerId}: alive: ${error.message}`));
    socket.on("close", over);
    socket.resume();
  }

  function hasExited(containerId: string, exit: ContainerExit | null): void {
    const ended = watches.get(containerId)?.ended ?? [];
    watches.delete(containerId);
    if (state !== "closed" && !told.has(containerId)) {
      told.add(containerId);
      onExit(exit ?? lostExit(containerId, Date.now()));
    }
    for (const run of ended) run();
  }

  /** The exit is told before the destroy is answered. */
  function afterExit(containerId: string, run: () => void): void {
    const watching = watches.get(containerId);
    if (watching === undefined) run();
    else watching.ended.push(run);
  }

  function simple(
    operation: Operation,
    fields: readonly Field[],
    done: (answer: LauncherAnswer) => void,
  ): void {
    ask(operation, fields, (answer) => done(answer.ok ? { ok: true } : answer));
  }

  return {
    prepare(steps: readonly CgroupStep[], done) {
      ask("steps", stepFields(steps), (answer) => {
        if (answer.ok && child.pid !== undefined) joinCgroups();
        done(answer.ok ? { ok: true } : answer);
      });
    },

    launch(plan, done) {
      const fault = planFault(plan);
      if (fault !== null) return later(() => done(failure("invalid", fault)));
      holdLane(plan.containerId, (release) =>
        launchSlot((free) =>
          ask("launch", launchFields(plan), (answer) => {
            free();
            release();
            if (!answer.ok) return done(answer);
            graces.set(plan.containerId, plan.graceMs);
            done({ ok: true, pids: pidsOf(answer.text) });
            if (answer.text.endsWith(EXIT_PROMISE)) awaitExit(plan.containerId);
            else watch(plan.containerId);
          }),
        ),
      );
    },

    update(containerId, steps, done) {
      holdLane(containerId, (release) =>
        ask("steps", stepFields(steps), (answer) => {
          release();
          done(answer.ok ? { ok: true } : answer);
        }),
      );
    },

    signal(containerId, signal, done) {
      const fields: Field[] = [
        ["C", containerId],
        ["I", String(signal)],
      ];
      inLane(containerId, () => simple("signal", fields, done));
    },

    destroy(containerId, graceMs, done) {
      inLane(containerId, () => {
        const fields = destroyFields(containerId, graceMs);
        if (fields === null) {
          return later(() => done(failure("unknown", `there is no container ${containerId}`)));
        }
        ask("destroy", fields, (answer) => {
          if (!answer.ok) return done(answer);
          reader.drop(containerId);
          afterExit(containerId, () => done({ ok: true }));
        });
      });
    },

    forget(containerId, done) {
      holdLane(containerId, (release) =>
        ask("forget", [["C", containerId]], (answer) => {
          release();
          if (answer.ok) {
            told.delete(containerId);
            graces.delete(containerId);
          }
          done(answer.ok ? { ok: true } : answer);
        }),
      );
    },

    recover(done) {
      later(() => {
        if (state === "closed") return done(failure("closed", "the launcher's port was closed"));
        let containers: ContainerFacts[];
        let cgroups: FoundCgroup[];
        try {
          containers = readContainers(runtimeDir);
          cgroups = findCgroups(driver.directories);
        } catch (error) {
          return done(failure("system", `cannot read ${runtimeDir}: ${error}`));
        }
        done({ ok: true, facts: { bootId: readBootId(), containers, cgroups } });
        for (const { containerId, alive, exit } of containers) {
          if (exit !== null) told.add(containerId);
          else if (alive) watch(containerId);
        }
      });
    },

    usage(containerIds, done) {
      later(() => {
        let usages: ContainerUsage[];
        try {
          usages = sampleAll(containerIds, Date.now());
        } catch (error) {
          return done(failure("system", `cannot read the counters: ${error}`));
        }
        done({ ok: true, usages });
      });
    },

    onExit(listener) {
      onExit = listener;
    },

    onLoss(listener) {
      onLoss = listener;
    },

    close() {
      if (state === "closed") return;
      state = "closed";
      child.close();
      for (const { close } of watches.values()) close();
      reader.close();
      later(() => failAll(failure("closed", "the launcher's port was closed")));
    },
  };

  function destroyFields(containerId: string, graceMs: number | null): Field[] | null {
    const directory = join(runtimeDir, containerId);
    const fields: Field[] = [["C", containerId]];
    const grace = graces.get(containerId);
    if (grace !== undefined) return [...fields, ["G", String(graceMs ?? grace)]];
    if (existsSync(directory)) {
      const planned = /^G (\d+)$/m.exec(readText(join(directory, "launch")) ?? "")?.[1];
      fields.push(["G", String(graceMs ?? planned ?? 0)]);
      return fields;
    }
    // A cgroup without a runtime directory: how to end it follows from the layout alone.
    const cgroups = driver.plan(containerId, NO_VALUES);
    if (!cgroups.remove.some((path) => existsSync(path))) return null;
    return [["C", containerId], ["G", "0"], ...endFields(cgroups)];
  }

  function sampleAll(containerIds: readonly string[], atMs: number): ContainerUsage[] {
    if (driver.mode === "none") return sampleProcesses(aliveShims(containerIds), atMs);
    return containerIds.flatMap((containerId) => {
      const one = reader.sample(containerId, driver.usageFiles(containerId), atMs);
      return one === null ? [] : [one];
    });
  }

  function aliveShims(containerIds: readonly string[]) {
    return containerIds.flatMap((containerId) => {
      const pids = readPids(join(runtimeDir, containerId));
      if (pids === null || !isProcessAlive(pids.shimPid, pids.shimStartTicks)) return [];
      return [{ containerId, shimPid: pids.shimPid }];
    });
  }
}

/** Whether nobody has the other end of a FIFO open. The shim never writes to it. */
function hasEnded(descriptor: number): boolean {
  try {
    return readSync(descriptor, Buffer.alloc(1)) === 0;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return false;
    throw error;
  }
}

/** All below the agent's own directories, and exactly what `prepare` makes and writes above. */
function cgroupPaths(driver: CgroupDriver): string[] {
  const above = driver.agentSteps().map((step) => step.path);
  return [...new Set([...driver.directories.map((path) => `${path}/`), ...above])];
}

/** `shim start pid start`, as the launcher's answer has it. */
function pidsOf(text: string): PidFacts {
  const [shimPid = 0, shimStartTicks = 0, pid = 0, startTicks = 0] = text
    .trim()
    .split(" ")
    .map(Number);
  return { shimPid, shimStartTicks, pid, startTicks };
}

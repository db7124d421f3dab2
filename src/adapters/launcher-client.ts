/**
 * The port `Launcher` on a launcher process. Numbers requests, keeps those of one container in
 * order, watches the FIFO of every live container and tells its exit. Decides nothing about
 * containers; what it must know after a restart stands on disk.
 */
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type CgroupDriver, planFault } from "#isolation";
import {
  type CgroupStep,
  type ContainerUsage,
  LAUNCH_PLAN_BYTES_MAX,
  type Launcher,
  LAUNCHER_REQUESTS_MAX,
  type LauncherAnswer,
  type LauncherFailure,
  type LauncherLoss,
  type LauncherRefusal,
  type PidFacts,
  type RecoveredFacts,
} from "#runtime";
import { type CgroupReader, createCgroupReader, sampleProcesses } from "./cgroup-reader.ts";
import {
  findCgroups,
  isProcessAlive,
  readBootId,
  readContainers,
  readPids,
  readText,
} from "./launcher-files.ts";
import { LauncherExits } from "./launcher-exits.ts";
import { LauncherLanes } from "./launcher-lanes.ts";
import {
  type LauncherPrograms,
  type LauncherProcess,
  startLauncherProcess,
} from "./launcher-process.ts";
import {
  type Answer,
  endFields,
  EXIT_ID,
  EXIT_PROMISE,
  type Field,
  launchFields,
  measureFields,
  type Operation,
  parseMeasure,
  refusalOf,
  stepFields,
} from "./launcher-protocol.ts";

const NO_VALUES = { cpu: null, memory: null, pids: null };

export interface LauncherOptions {
  readonly programs: LauncherPrograms;
  /** Made with mode 0700. One directory per container below it. */
  readonly runtimeDir: string;
  readonly driver: CgroupDriver;
  /** What the launcher complains about, line by line. */
  readonly onMessage: (line: string) => void;
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

/** Why a further request is beyond the port's limits; undefined when it is within. */
function beyondLimit(openCount: number, fields: readonly Field[]): LauncherFailure | undefined {
  if (openCount >= LAUNCHER_REQUESTS_MAX) {
    return failure("busy", `${LAUNCHER_REQUESTS_MAX} requests are open`);
  }
  const bytes = fields.reduce((sum, [, value]) => sum + Buffer.byteLength(value) + 6, 5);
  if (bytes <= LAUNCH_PLAN_BYTES_MAX) return undefined;
  const message = `the request has ${bytes} bytes, at most ${LAUNCH_PLAN_BYTES_MAX} are allowed`;
  return failure("tooLarge", message);
}

/** An answer never comes within the call that asked. */
const later = (run: () => void): void => void setImmediate(run);

/** Opens the port. The first launcher process is starting when this returns. */
export function openLauncher(options: LauncherOptions): Launcher {
  const { runtimeDir, driver, programs } = options;
  mkdirSync(runtimeDir, { recursive: true, mode: 0o700 });
  chmodSync(runtimeDir, 0o700);

  const open = new Map<number, Open>();
  const lanes = new LauncherLanes();
  /** Grace of the plans launched here, until the container is forgotten. */
  const graces = new Map<string, number>();
  const unsent: (() => void)[] = [];
  const reader = createCgroupReader();
  let nextId = 1;
  let restarts = 0;
  let isReady = false;
  let state: "open" | "gaveUp" | "closed" = "open";
  const exits = new LauncherExits(runtimeDir, options.onMessage);
  let onLoss: (loss: LauncherLoss) => void = () => undefined;

  const child = startLauncherProcess(
    { programs, runtimeDir, cgroupPaths: cgroupPaths(driver) },
    {
      ready() {
        isReady = true;
        joinCgroups(options, child);
        for (const send of unsent.splice(0)) send();
      },
      answer(answer) {
        if (answer.id === EXIT_ID) return exits.said(answer.text);
        const request = open.get(answer.id);
        open.delete(answer.id);
        request?.run(answer);
      },
      ended(message, retryInMs) {
        isReady = false;
        exits.watchAlone();
        if (retryInMs === null) state = "gaveUp";
        else restarts += 1;
        failAll(failure("launcherGone", message));
        onLoss({ restarts, retryInMs, message });
      },
      said: options.onMessage,
    },
  );

  function failAll(why: LauncherFailure): void {
    const requests = [...open.values()];
    open.clear();
    unsent.length = 0;
    for (const request of requests) request.fail(why);
  }

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
    const beyond = beyondLimit(open.size, fields);
    if (beyond !== undefined) return refuse(beyond.reason, beyond.message);
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
        if (answer.ok && child.pid !== undefined) joinCgroups(options, child);
        done(answer.ok ? { ok: true } : answer);
      });
    },
    launch(plan, done) {
      const fault = planFault(plan);
      if (fault !== null) return later(() => done(failure("invalid", fault)));
      lanes.hold(plan.containerId, (release) =>
        lanes.launchSlot((free) =>
          ask("launch", launchFields(plan), (answer) => {
            free();
            release();
            if (!answer.ok) return done(answer);
            graces.set(plan.containerId, plan.graceMs);
            done({ ok: true, pids: pidsOf(answer.text) });
            if (answer.text.endsWith(EXIT_PROMISE)) exits.promised(plan.containerId);
            else exits.watch(plan.containerId);
          }),
        ),
      );
    },
    update(containerId, steps, done) {
      lanes.hold(containerId, (release) =>
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
      lanes.pass(containerId, () => simple("signal", fields, done));
    },
    destroy(containerId, graceMs, done) {
      lanes.pass(containerId, () => {
        const fields = destroyFields(options, containerId, graceMs, graces.get(containerId));
        if (fields === null) {
          return later(() => done(failure("unknown", `there is no container ${containerId}`)));
        }
        ask("destroy", fields, (answer) => {
          if (!answer.ok) return done(answer);
          reader.drop(containerId);
          exits.after(containerId, () => done({ ok: true }));
        });
      });
    },
    forget(containerId, done) {
      lanes.hold(containerId, (release) =>
        ask("forget", [["C", containerId]], (answer) => {
          release();
          if (answer.ok) {
            exits.forget(containerId);
            graces.delete(containerId);
          }
          done(answer.ok ? { ok: true } : answer);
        }),
      );
    },
    recover(done) {
      later(() => {
        if (state === "closed") return done(failure("closed", "the launcher's port was closed"));
        const facts = readFacts(options);
        if ("ok" in facts) return done(facts);
        done({ ok: true, facts });
        for (const { containerId, alive, exit } of facts.containers) {
          if (exit !== null) exits.known(containerId);
          else if (alive) exits.watch(containerId);
        }
      });
    },
    usage(containerIds, done) {
      later(() => {
        let usages: ContainerUsage[];
        try {
          usages = sampleAll(options, reader, containerIds);
        } catch (error) {
          return done(failure("system", `cannot read the counters: ${error}`));
        }
        done({ ok: true, usages });
      });
    },
    measure(wish, done) {
      ask("measure", measureFields(wish), (answer) =>
        done(
          answer.ok ? { ok: true, measure: parseMeasure(wish.containerId, answer.text) } : answer,
        ),
      );
    },
    onExit(listener) {
      exits.listener = listener;
    },
    onLoss(listener) {
      onLoss = listener;
    },
    close() {
      if (state === "closed") return;
      state = "closed";
      child.close();
      exits.close();
      reader.close();
      later(() => failAll(failure("closed", "the launcher's port was closed")));
    },
  };
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

/** What ends a container; null where nothing of it is there. */
function destroyFields(
  { runtimeDir, driver }: LauncherOptions,
  containerId: string,
  graceMs: number | null,
  grace: number | undefined,
): Field[] | null {
  const directory = join(runtimeDir, containerId);
  const fields: Field[] = [["C", containerId]];
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

function sampleAll(
  { runtimeDir, driver }: LauncherOptions,
  reader: CgroupReader,
  containerIds: readonly string[],
): ContainerUsage[] {
  const atMs = Date.now();
  if (driver.mode === "none") return sampleProcesses(aliveShims(runtimeDir, containerIds), atMs);
  return containerIds.flatMap((containerId) => {
    const one = reader.sample(containerId, driver.usageFiles(containerId), atMs);
    return one === null ? [] : [one];
  });
}

function aliveShims(runtimeDir: string, containerIds: readonly string[]) {
  return containerIds.flatMap((containerId) => {
    const pids = readPids(join(runtimeDir, containerId));
    if (pids === null || !isProcessAlive(pids.shimPid, pids.shimStartTicks)) return [];
    return [{ containerId, shimPid: pids.shimPid }];
  });
}

/** Out of the agent's own cgroup goes the launcher, and so go all shims to come. */
function joinCgroups({ driver, onMessage }: LauncherOptions, child: LauncherProcess): void {
  try {
    child.join(driver.launcherJoin().filter((path) => existsSync(path)));
  } catch (error) {
    // Only a supervisor that stops the agent's own cgroup would notice: say it, go on.
    onMessage(`the launcher could not be moved out of the agent's cgroup: ${error}`);
  }
}

/** Everything that stands on disk, or why it cannot be read. */
function readFacts({ runtimeDir, driver }: LauncherOptions): RecoveredFacts | LauncherFailure {
  try {
    const containers = readContainers(runtimeDir);
    const cgroups = findCgroups(driver.directories);
    return { bootId: readBootId(), containers, cgroups };
  } catch (error) {
    return failure("system", `cannot read ${runtimeDir}: ${error}`);
  }
}

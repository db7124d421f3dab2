/**
 * Containers through the launcher's port alone, with this machine's cgroups and no agent:
 * `config.json` synced before each process exists, `status` synced before its end is told.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLauncherPrograms, openLauncher } from "#adapters";
import { driverOf, INSIDE_SETTINGS_DEFAULT, insideOptions, type MachineFacts } from "#daemon";
import { type CgroupDriver, defaultIsolators, insideIsolators, planLaunch } from "#isolation";
import type { ContainerId } from "#protocol";
import { asId } from "#protocol";
import type { Launcher, LauncherAnswer, LaunchPlan } from "#runtime";
import { removeCgroups } from "./agent-load.ts";
import type { ProcessorTime } from "./processor-time.ts";

export interface LauncherFigures {
  readonly containers: number;
  readonly atOnce: number;
  readonly mode: string;
  /** Launch until its exit was told. */
  readonly startMs: number;
  /** Destroy and forget of all of them, afterwards. */
  readonly endMs: number;
  readonly startCpuMs: number | null;
  readonly endCpuMs: number | null;
}

/** Each of the next containers begins when one of those before has come to its end. */
const AT_ONCE = 32;
const A_ROUND = 250;
const ROUNDS = 4;

export interface Rig {
  readonly launcher: Launcher;
  readonly driver: CgroupDriver;
  readonly dir: string;
  plan(containerId: string, argv: LaunchPlan["argv"]): LaunchPlan;
  close(): Promise<void>;
  /** Once all parts are over: files that are removed slow down those that are made (ext4). */
  remove(): void;
}

export async function openRig(machine: MachineFacts, root: string): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), "meseta-bench-"));
  const agentId = "bench-launcher";
  const driver = driverOf(machine, { root, agentId });
  const programs = findLauncherPrograms(fileURLToPath(new URL("../native/", import.meta.url)));
  const launcher = openLauncher({
    programs,
    runtimeDir: join(dir, "run"),
    driver,
    onMessage: (line) => process.stderr.write(`launcher: ${line}\n`),
  });
  await answerTo((done) => launcher.prepare(driver.agentSteps(), done));
  const facts = { isRoot: machine.isRoot, programs, workDir: dir };
  const isolators = [
    ...defaultIsolators({ pidsMax: 64 }),
    ...insideIsolators(insideOptions(INSIDE_SETTINGS_DEFAULT, facts)),
  ];
  return {
    launcher,
    driver,
    dir,
    plan(containerId, argv) {
      const planned = planLaunch({
        spec: {
          v: 1,
          containerId: asId<ContainerId>(containerId),
          nonce: containerId,
          agentId,
          bootId: "bench",
          createdAtMs: 0,
          cgroupMode: driver.mode,
          argv,
          env: { PATH: "/usr/bin:/bin" },
          user: null,
          sandbox: join(dir, "sandboxes", containerId),
          resources: { cpuMilli: 10, cpuMilliRevocable: 0, memMib: 32 },
          limits: { cpuMilli: null, memMib: null, pids: null },
          graceMs: 0,
          logs: { bytes: 65_536, files: 1 },
          owner: { frameworkId: "bench", executorId: containerId },
        },
        machine,
        driver,
        isolators,
      });
      if (!planned.ok) throw new Error(planned.message);
      return planned.plan;
    },
    async close() {
      launcher.close();
      await removeCgroups(driver);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export async function answerTo<T extends object>(
  ask: (done: (answer: LauncherAnswer<T>) => void) => void,
): Promise<T> {
  const answer = await new Promise<LauncherAnswer<T>>((resolve) => ask(resolve));
  if (!answer.ok) throw new Error(`${answer.reason}: ${answer.message}`);
  return answer;
}

/** Rounds of containers: all begun, then all ended. The first round is not counted. */
export async function measureLauncher(rig: Rig, cpu: ProcessorTime): Promise<LauncherFigures> {
  const { launcher, driver } = rig;
  const exits = new Map<string, () => void>();
  let failed = 0;
  // The sleepers of other parts are killed, which is no failure: only those begun here count.
  launcher.onExit(({ containerId, code }) => {
    const told = exits.get(containerId);
    if (told !== undefined && code !== 0) failed += 1;
    told?.();
  });
  const begin = async (id: string): Promise<void> => {
    const over = new Promise<void>((resolve) => exits.set(id, resolve));
    await answerTo((done) => launcher.launch(rig.plan(id, ["/bin/true"]), done));
    await over;
  };
  const finish = async (id: string): Promise<void> => {
    await answerTo((done) => launcher.destroy(id, 0, done));
    await answerTo((done) => launcher.forget(id, done));
  };
  const start = { ms: 0, cpuMs: 0 };
  const end = { ms: 0, cpuMs: 0 };
  for (let round = 0; round <= ROUNDS; round++) {
    const ids = Array.from({ length: A_ROUND }, (_, index) => `c${round}-${index}`);
    const counted = round > 0;
    await timed(cpu, counted ? start : null, () => forAll(ids, begin));
    await timed(cpu, counted ? end : null, () => forAll(ids, finish));
  }
  if (failed > 0) process.stderr.write(`${failed} containers ended with another code than 0\n`);
  const counts = cpu.readMs() !== null;
  return {
    containers: A_ROUND * ROUNDS,
    atOnce: AT_ONCE,
    mode: driver.mode,
    startMs: start.ms,
    endMs: end.ms,
    startCpuMs: counts ? start.cpuMs : null,
    endCpuMs: counts ? end.cpuMs : null,
  };
}

async function timed(
  cpu: ProcessorTime,
  sum: { ms: number; cpuMs: number } | null,
  run: () => Promise<void>,
): Promise<void> {
  const startMs = performance.now();
  const cpuMs = cpu.readMs() ?? 0;
  await run();
  if (sum === null) return;
  sum.ms += performance.now() - startMs;
  sum.cpuMs += (cpu.readMs() ?? 0) - cpuMs;
}

async function forAll(ids: readonly string[], run: (id: string) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) await run(id);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

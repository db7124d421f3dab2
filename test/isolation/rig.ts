/**
 * Real launchers for tests: a directory of their own, cgroups under a name that begins with
 * `meseta-test-`, both removed afterwards whatever the test did. The sweep at the start takes
 * what a killed test run left.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  findLauncherPrograms,
  type LauncherPrograms,
  openLauncher,
  shellLauncherPrograms,
} from "#adapters";
import { driverOf, probeMachine } from "#daemon";
import { type CgroupDriver, type CgroupValues, noneDriver } from "#isolation";
import type { LaunchPlan, Launcher } from "#runtime";
import { until as untilWithin, within } from "../support/until.ts";
import { ask, type KnownCommands, type LauncherRig, recover } from "../contracts/launcher.cases.ts";

const NATIVE_DIR = join(process.cwd(), "dist", "native");
/** Bound of every wait; an emulated machine is some fifty times slower. */
const SETTLE_MS = process.env["MESETA_VM"] === "1" ? 120_000 : 40_000;

export const machine = probeMachine(tmpdir());
export const nativePrograms: LauncherPrograms = findLauncherPrograms(NATIVE_DIR);
export const shellPrograms: LauncherPrograms = shellLauncherPrograms(NATIVE_DIR);

export const shell = (script: string): LaunchPlan["argv"] => ["/bin/sh", "-c", script];

/** In perl, which every Debian has and which starts fast in an emulated machine too. */
export const listenScript = (port: number): string =>
  `my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => ${port},
    ReuseAddr => 1) or die $!; $| = 1; print "up\n"; sleep 1000`;

const commands: KnownCommands = {
  exits: (code) => shell(`exit ${code}`),
  runs: shell("exec sleep 1000"),
  // The loop in the shell itself: a child's sleep would end the wait when the signal kills it.
  stubborn: shell("trap '' TERM; echo up; while :; do sleep 1000; done"),
  obedient: shell("trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done"),
  missing: ["/no/such/program"],
  fills: (mib) => shell(`head -c ${mib}M /dev/zero > file; exec sleep 1000`),
  listens: (port) => ["perl", "-MIO::Socket::INET", "-e", listenScript(port)],
};

export const NO_LIMITS: CgroupValues = { cpu: null, memory: null, pids: null };

let count = 0;

export interface RealRig extends LauncherRig {
  readonly directory: string;
  readonly driver: CgroupDriver;
  readonly messages: string[];
  planWith(change: Partial<LaunchPlan>, values?: CgroupValues): LaunchPlan;
  restart(): void;
}

export type RigKind = { readonly programs: LauncherPrograms; readonly enforced: boolean };

/** @param runtime directory of the launcher's files, where it is not to be below the rig's own. */
export async function makeRig(kind: RigKind, runtime?: string): Promise<RealRig> {
  const directory = mkdtempSync(join(tmpdir(), "meseta-test-"));
  const place = { root: `meseta-test-${process.pid}`, agentId: `agent-${++count}` };
  const driver = kind.enforced ? driverOf(machine, place) : noneDriver;
  const messages: string[] = [];
  const open = (): Launcher =>
    openLauncher({
      programs: kind.programs,
      runtimeDir: runtime ?? join(directory, "runtime"),
      driver,
      onMessage: (line) => messages.push(line),
    });
  const rig: RealRig = {
    launcher: open(),
    commands,
    directory,
    driver,
    messages,
    plan: (argv, containerId) =>
      rig.planWith(containerId === undefined ? { argv } : { argv, containerId }),
    planWith(change, values = NO_LIMITS) {
      const containerId = change.containerId ?? `container-${++count}`;
      return {
        containerId,
        nonce: `nonce-${++count}`,
        argv: shell("true"),
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        sandbox: join(directory, "sandboxes", containerId),
        user: null,
        cgroups: driver.plan(containerId, values),
        oomScoreAdj: null,
        logs: { bytes: 1_000_000, files: 2 },
        graceMs: 100,
        config: `{"container":"${containerId}"}\n`,
        ...change,
      };
    },
    restart() {
      rig.launcher.close();
      rig.launcher = open();
    },
    async reopen() {
      rig.restart();
    },
    started: ({ sandbox }) =>
      until("the command is up", () => {
        const stdout = join(sandbox, "stdout");
        // The shell shim makes it a moment after it has answered.
        return existsSync(stdout) && readFileSync(stdout, "utf8") === "up\n";
      }),
    settle: (promise) => settle(promise),
  };
  await ask(rig, (done) => rig.launcher.prepare(driver.agentSteps(), done));
  return rig;
}

export function settle<T>(promise: Promise<T>): Promise<T> {
  return within(promise, "an answer of the launcher", SETTLE_MS);
}

/** Polls a condition with a bound that fits an emulated machine too; for what nobody announces. */
export function until(what: string, holds: () => boolean): Promise<void> {
  return untilWithin(holds, what, SETTLE_MS);
}

/** Destroys whatever is left, then removes directory and cgroups. */
export async function dropRig(rig: RealRig): Promise<void> {
  rig.restart();
  const facts = await recover(rig);
  const found = [...facts.containers, ...facts.cgroups];
  for (const containerId of new Set(found.map((one) => one.containerId))) {
    await ask(rig, (done) => rig.launcher.destroy(containerId, 0, done));
    await ask(rig, (done) => rig.launcher.forget(containerId, done));
  }
  rig.launcher.close();
  const own = new Set(
    rig.driver.agentSteps().flatMap((step) => (step.kind === "make" ? [step.path] : [])),
  );
  const procs = rig.driver.launcherJoin();
  await until("the launcher has left its cgroup", () => procs.every((path) => isEmpty(path)));
  // Deepest first; the test root itself is shared by the rigs of this process.
  for (const path of [...own].sort((a, b) => b.length - a.length)) removeQuietly(path);
  // A launcher that was closed while it started may still make its socket, behind the removal.
  await until("the directory is gone", () => removeDirectory(rig.directory));
}

function removeDirectory(path: string): boolean {
  try {
    rmSync(path, { recursive: true, force: true });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTEMPTY") return false;
    throw error;
  }
}

function isEmpty(procs: string): boolean {
  try {
    return readFileSync(procs, "utf8") === "";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return true;
    throw error;
  }
}

function removeQuietly(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ENOENT" && code !== "EBUSY" && code !== "ENOTEMPTY") throw error;
  }
}

/** Kills and removes what test runs that no longer live have left. Returns the names. */
export function sweepLeftovers(): string[] {
  const mounts = [
    ...machine.hierarchies.v1.values(),
    ...(machine.hierarchies.v2 ? [machine.hierarchies.v2] : []),
  ];
  const swept = new Set<string>();
  for (const mount of machine.cgroupMode === "none" ? [] : mounts) {
    for (const name of readdirSync(mount)) {
      const pid = /^meseta-test-(\d+)$/.exec(name)?.[1];
      if (pid === undefined || isAlive(Number(pid))) continue;
      swept.add(name);
      removeTree(join(mount, name));
    }
  }
  return [...swept];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(path, entry.name));
  }
  for (const pid of readFileSync(join(path, "cgroup.procs"), "utf8").split("\n")) {
    if (pid !== "" && isAlive(Number(pid))) process.kill(Number(pid), "SIGKILL");
  }
  removeQuietly(path);
}

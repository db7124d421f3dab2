/**
 * What a container with all default isolators costs: lives a second, LAUNCH to running, memory
 * outside of the task, sampling a thousand of them. Beside them, in the same run and equally many
 * at once: `crun run` with the same limits where crun is installed, and a plain spawn.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { type MachineFacts, probeMachine } from "#daemon";
import type { ContainerUsage, PidFacts } from "#runtime";
import { print, quantile, type Row } from "./harness.ts";
import { answerTo, measureLauncher, openRig, type Rig } from "./launcher-load.ts";
import { countProcessorTime, type ProcessorTime } from "./processor-time.ts";

const LIVES_A_SECOND_MIN = 200;
const RUNNING_MS_P50_BELOW = 15;
const KB_A_CONTAINER_BELOW = 300;
const SAMPLE_CPU_MS_BELOW = 60;

const SLEEPERS = 1_000;
const SAMPLINGS = 11;
const OTHERS = 200;
const OTHERS_AT_ONCE = 8;

export async function run(): Promise<boolean> {
  const machine = probeMachine(tmpdir());
  const root = `meseta-bench-${process.pid}`;
  const cpu = countProcessorTime(machine, root);
  const rows: Row[] = [];
  const said: string[] = [`cgroups ${machine.cgroupMode}`];
  const rig = await openRig(machine, root);
  try {
    said.push(await lives(rig, cpu, rows));
    said.push(await sleepers(rig, rows));
    said.push(await plain(rows));
    said.push(await crun(machine, rig.dir, rows));
  } finally {
    await rig.close();
    cpu.leave();
    rig.remove();
  }
  const [load = 0] = loadavg();
  rows.push({ name: "load of the machine, 1 min", value: load, unit: "" });
  return print({ benchmark: "containers", workload: said.join("; "), rows });
}

async function lives(rig: Rig, cpu: ProcessorTime, rows: Row[]): Promise<string> {
  const figures = await measureLauncher(rig, cpu);
  const { containers, atOnce, startMs, endMs, startCpuMs, endCpuMs } = figures;
  rows.push({
    name: "launched and destroyed",
    value: (containers * 1_000) / (startMs + endMs),
    unit: "a second",
    atLeast: LIVES_A_SECOND_MIN,
  });
  if (startCpuMs !== null && endCpuMs !== null) {
    const value = (startCpuMs + endCpuMs) / containers;
    rows.push({ name: "processor time of one life", value, unit: "ms" });
  }
  return `${containers} of /bin/true, ${atOnce} at once, all default isolators`;
}

/** A thousand that do nothing: how soon they run, what they cost, what sampling them costs. */
async function sleepers({ launcher, plan }: Rig, rows: Row[]): Promise<string> {
  const ids = Array.from({ length: SLEEPERS }, (_, index) => `sleeper-${index}`);
  const waits: number[] = [];
  let bytes = 0;
  for (const id of ids) {
    const startMs = performance.now();
    const { pids } = await answerTo<{ readonly pids: PidFacts }>((done) =>
      launcher.launch(plan(id, ["/bin/sleep", "100000"]), done),
    );
    waits.push(performance.now() - startMs);
    bytes += pssOf(pids.shimPid);
  }
  const cpuMs: number[] = [];
  for (let round = 0; round < SAMPLINGS; round++) {
    const before = process.cpuUsage();
    const { usages } = await answerTo<{ readonly usages: readonly ContainerUsage[] }>((done) =>
      launcher.usage(ids, done),
    );
    const { user, system } = process.cpuUsage(before);
    if (usages.length !== SLEEPERS) throw new Error(`${usages.length} of ${SLEEPERS} sampled`);
    cpuMs.push((user + system) / 1_000);
  }
  rows.push(
    {
      name: "LAUNCH to running, p50",
      value: quantile(waits, 0.5),
      unit: "ms",
      below: RUNNING_MS_P50_BELOW,
    },
    { name: "LAUNCH to running, p99", value: quantile(waits, 0.99), unit: "ms" },
    {
      name: "memory outside of the task",
      value: bytes / 1_000 / SLEEPERS,
      unit: "kB each",
      below: KB_A_CONTAINER_BELOW,
    },
    {
      name: `processor time of sampling ${SLEEPERS}, p50`,
      // The first opens the files that the others read again.
      value: quantile(cpuMs.slice(1), 0.5),
      unit: "ms",
      below: SAMPLE_CPU_MS_BELOW,
    },
    { name: "of the first sampling", value: cpuMs[0] ?? 0, unit: "ms" },
  );
  await Promise.all(
    ids.map(async (id) => {
      await answerTo((done) => launcher.destroy(id, 0, done));
      await answerTo((done) => launcher.forget(id, done));
    }),
  );
  return `${SLEEPERS} sleepers launched one after the other`;
}

const pssOf = (pid: number): number => {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1_024;
};

async function plain(rows: Row[]): Promise<string> {
  const { aSecond, waits } = await many(() => ended("/bin/true", []));
  rows.push(
    { name: "plain spawn of node, to its end", value: aSecond, unit: "a second" },
    { name: "plain spawn of node, p50", value: quantile(waits, 0.5), unit: "ms" },
  );
  return `${OTHERS} plain ones, ${OTHERS_AT_ONCE} at once`;
}

/** Runs one after another in so many lanes. */
async function many(one: (index: number) => Promise<void>) {
  const waits: number[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < OTHERS; index = next++) {
      const startMs = performance.now();
      await one(index);
      waits.push(performance.now() - startMs);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: OTHERS_AT_ONCE }, lane));
  return { aSecond: (OTHERS * 1_000) / (performance.now() - startMs), waits };
}

function ended(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    let why = "";
    child.stderr.on("data", (data: Buffer) => {
      why += data.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ended with ${code}: ${why.trim()}`));
    });
  });
}

async function crun(machine: MachineFacts, dir: string, rows: Row[]): Promise<string> {
  const version = spawnSync("crun", ["--version"], { encoding: "utf8" });
  if (version.error !== undefined) return "crun is not installed and not compared";
  const cgroup = `meseta-bench-crun-${process.pid}`;
  const rootfs = join(dir, "rootfs");
  mkdirSync(rootfs);
  const bundles = Array.from({ length: OTHERS }, (_, index) => {
    const bundle = join(dir, `bundle-${index}`);
    mkdirSync(bundle);
    const config = ociConfig(`${cgroup}/${index}`, rootfs);
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    return bundle;
  });
  const { v2 } = machine.hierarchies;
  // It refuses a unified tree that holds a controller beside v1: hidden from it, as is usual.
  const hide = machine.cgroupMode === "hybrid" && v2 !== null ? `mount -t tmpfs none ${v2} &&` : "";
  const state = join(dir, "crun");
  try {
    const { aSecond, waits } = await many((index) => {
      const id = `bench-${process.pid}-${index}`;
      const run = `${hide} mount --bind / ${rootfs} && exec crun --root ${state} run -b ${bundles[index]} ${id}`;
      return ended("unshare", ["-m", "--propagation", "private", "sh", "-c", run]);
    });
    rows.push(
      { name: "crun run, to its end", value: aSecond, unit: "a second" },
      { name: "crun run, p50", value: quantile(waits, 0.5), unit: "ms" },
    );
  } finally {
    for (const mount of machine.hierarchies.v1.values()) removeIfThere(`${mount}/${cgroup}`);
    if (v2 !== null) removeIfThere(`${v2}/${cgroup}`);
    rmSync(state, { recursive: true, force: true });
  }
  return `${OTHERS} of ${version.stdout.split("\n")[0]}, ${OTHERS_AT_ONCE} at once`;
}

/** It leaves the cgroup above its containers behind. */
function removeIfThere(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** The same limits as ours, on the machine's own root: no image is unpacked on either side. */
function ociConfig(cgroup: string, rootfs: string): object {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["/bin/true"],
      env: ["PATH=/usr/bin:/bin"],
      cwd: "/",
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: true },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: {
      namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }],
      cgroupsPath: `/${cgroup}`,
      resources: {
        cpu: { shares: 10 },
        memory: { limit: 33_554_432, reservation: 33_554_432 },
        pids: { limit: 64 },
      },
    },
  };
}

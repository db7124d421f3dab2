/**
 * What a launch costs: containers a second through launcher and cgroups, alone and through an
 * agent; ACCEPT to TASK_RUNNING on an idle cluster; memory of a running task outside of it. Beside
 * them stands what starting a plain process costs on this machine at this moment.
 */
import { spawn } from "node:child_process";
import { loadavg, tmpdir } from "node:os";
import { probeMachine } from "#daemon";
import { measureAgent } from "./agent-load.ts";
import { type ClusterFigures, measureCluster } from "./cluster-load.ts";
import { print, quantile, type Row } from "./harness.ts";
import { measureLauncher, openRig } from "./launcher-load.ts";
import { countProcessorTime, type ProcessorTime } from "./processor-time.ts";

const A_SECOND_MIN = 300;
const RUNNING_MS_P50_BELOW = 20;
const RUNNING_MS_P99_BELOW = 100;
const KB_A_TASK_BELOW = 300;
const SPAWNS = 100;

const PARTS = ["spawn", "launcher", "agent", "cluster"] as const;
type Part = (typeof PARTS)[number];

/** `--only launcher,agent` for some of the parts. */
export async function run(args: readonly string[]): Promise<boolean> {
  const only = args[0] === "--only" ? (args[1] ?? "").split(",") : PARTS;
  const machine = probeMachine(tmpdir());
  const root = `meseta-bench-${process.pid}`;
  const cpu = countProcessorTime(machine, root);
  const rows: Row[] = [];
  const removals: (() => void)[] = [];
  const workload: string[] = [`cgroups ${machine.cgroupMode}`];
  const parts: Readonly<Record<Part, () => Promise<string>>> = {
    spawn: () => plainSpawn(cpu, rows),
    async launcher() {
      const rig = await openRig(machine, root);
      const { containers, atOnce, startMs, endMs, startCpuMs, endCpuMs } = await measureLauncher(
        rig,
        cpu,
      );
      await rig.close();
      removals.push(rig.remove);
      const bothMs = startMs + endMs;
      rows.push(
        perSecond("launcher: containers, end included", containers, bothMs),
        perSecond("launcher: containers, end excluded", containers, startMs),
        each("launcher: processor time, end included", containers, sum(startCpuMs, endCpuMs)),
      );
      return `launcher: ${containers} of /bin/true, ${atOnce} at once, config and status synced`;
    },
    async agent() {
      const figures = await measureAgent(root, cpu);
      const { containers, atOnce, tookMs, cpuMs, nodeCpuMs, waits, remove } = figures;
      removals.push(remove);
      rows.push(
        // No target: leader, agent and launcher's client share one thread here, as in no cluster.
        {
          name: "agent: tasks from RunTask to the end",
          value: (containers / tookMs) * 1000,
          unit: "a second",
        },
        {
          name: "agent: RunTask to TASK_RUNNING p50, full",
          value: quantile(waits, 0.5),
          unit: "ms",
        },
        each("agent: processor time", containers, cpuMs),
        each("agent: processor time of node alone", containers, nodeCpuMs),
      );
      return `agent: ${containers} of /bin/true, ${atOnce} under way, journal synced as well`;
    },
    async cluster() {
      const figures = await measureCluster();
      rows.push(...clusterRows(figures));
      return `cluster: ${figures.launches} launches one after the other, ${figures.tasks} sleepers`;
    },
  };
  try {
    for (const part of PARTS) if (only.includes(part)) workload.push(await parts[part]());
  } finally {
    cpu.leave();
    for (const remove of removals) remove();
  }
  const [load = 0] = loadavg();
  rows.push({ name: "load of the machine, 1 min", value: load, unit: "" });
  return print({ benchmark: "launch", workload: workload.join("; "), rows });
}

function clusterRows(figures: ClusterFigures): Row[] {
  const { acceptToRunningMs: waits, acceptToUpdateMs, tasks, shimBytes, agentBytes } = figures;
  const kb = (bytes: number): number => bytes / 1_000 / tasks;
  return [
    {
      name: "cluster: ACCEPT to TASK_RUNNING p50",
      value: quantile(waits, 0.5),
      unit: "ms",
      below: RUNNING_MS_P50_BELOW,
    },
    {
      name: "cluster: ACCEPT to TASK_RUNNING p99",
      value: quantile(waits, 0.99),
      unit: "ms",
      below: RUNNING_MS_P99_BELOW,
    },
    {
      name: "cluster: of it until the agent knows",
      value: quantile(acceptToUpdateMs, 0.5),
      unit: "ms",
    },
    {
      name: "memory of a running task outside of it",
      value: kb(shimBytes + Math.max(0, agentBytes)),
      unit: "kB",
      below: KB_A_TASK_BELOW,
    },
    { name: "memory: of it the shim", value: kb(shimBytes), unit: "kB" },
    { name: "memory: growth of the agent", value: kb(agentBytes), unit: "kB" },
  ];
}

const perSecond = (name: string, count: number, ms: number): Row => ({
  name,
  value: (count * 1_000) / ms,
  unit: "a second",
  atLeast: A_SECOND_MIN,
});

const each = (name: string, count: number, cpuMs: number | null): Row => ({
  name,
  value: cpuMs === null ? Number.NaN : cpuMs / count,
  unit: "ms each",
});

const sum = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : a + b;

async function plainSpawn(cpu: ProcessorTime, rows: Row[]): Promise<string> {
  const waits: number[] = [];
  const cpuBefore = cpu.readMs();
  for (let i = 0; i < SPAWNS; i++) {
    const startMs = performance.now();
    await new Promise((resolve) => spawn("/bin/true", { stdio: "ignore" }).on("exit", resolve));
    waits.push(performance.now() - startMs);
  }
  const cpuAfter = cpu.readMs();
  const cpuMs = cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore;
  rows.push(
    { name: "plain spawn of node, to its end, p50", value: quantile(waits, 0.5), unit: "ms" },
    each("plain spawn of node: processor time", SPAWNS, cpuMs),
  );
  return `plain: ${SPAWNS} of /bin/true, one after the other`;
}

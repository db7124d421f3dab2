/**
 * `npm run bench -- allocator [--list] [NAME …] [--agents N] [--frameworks N] [--rounds N]`: runs
 * workloads of Mesos' allocator benchmarks, prints a table and a line of JSON for each. `--growth`
 * runs W1 from 1,000 to 50,000 agents and says how time grows. Judges nothing by itself.
 */
import { quantile } from "./harness.ts";
import { WORKLOADS } from "./allocator-load.ts";
import { Meter, type Phase, type Size, type Workload } from "./allocator-meter.ts";

const GROWTH_AGENTS = [1000, 5000, 10_000, 20_000, 50_000];

export function run(args: readonly string[]): boolean {
  if (args.includes("--list")) {
    for (const { name, about, size } of WORKLOADS) {
      process.stdout.write(
        `${name.padEnd(5)} ${about} (${size.agents} agents, ${size.frameworks} frameworks)\n`,
      );
    }
    return true;
  }
  const reference = referenceMs();
  process.stdout.write(`reference loop: least ${reference.toFixed(1)} ms of CPU\n`);
  if (args.includes("--growth")) return growth(reference);
  const names = args.filter((each) => each.startsWith("W"));
  const chosen = WORKLOADS.filter(({ name }) => names.length === 0 || names.includes(name));
  for (const workload of chosen) report(workload, sizeOf(args, workload.size), reference);
  return chosen.length > 0;
}

function sizeOf(args: readonly string[], given: Size): Size {
  const read = (name: string, otherwise: number): number => {
    const at = args.indexOf(name);
    return at < 0 ? otherwise : Number(args[at + 1]);
  };
  return {
    agents: read("--agents", given.agents),
    frameworks: read("--frameworks", given.frameworks),
    rounds: read("--rounds", given.rounds),
  };
}

function report(workload: Workload, size: Size, reference: number): Meter {
  const meter = new Meter();
  workload.run(meter, size);
  const { maxRSS } = process.resourceUsage();
  const lines = [`${workload.name}: ${workload.about}; ${JSON.stringify(size)}`];
  const phases = [...meter.phases.values()].map(figures);
  for (const each of phases) {
    const { name, medianMs, leastMs, greatestMs, totalMs, count } = each;
    const rate =
      count > 0 && totalMs > 0 ? ` ${Math.round((count * 1000) / totalMs)} a second` : "";
    lines.push(
      `  ${name.padEnd(16)} CPU median ${medianMs.toFixed(2)} least ${leastMs.toFixed(2)} greatest ${greatestMs.toFixed(2)} sum ${totalMs.toFixed(1)} ms${rate}`,
    );
  }
  const peakMib = Math.round(maxRSS / 1024);
  lines.push(`  peak memory of the process ${peakMib} MiB`);
  const json = {
    benchmark: "allocator",
    workload: workload.name,
    size,
    reference,
    phases,
    peakMib,
  };
  process.stdout.write(`${lines.join("\n")}\n${JSON.stringify(json)}\n`);
  return meter;
}

function figures({ name, cpuMs, wallMs, count }: Phase) {
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  return {
    name,
    rounds: cpuMs.length,
    medianMs: quantile(cpuMs, 0.5),
    leastMs: Math.min(...cpuMs),
    greatestMs: Math.max(...cpuMs),
    totalMs: sum(cpuMs),
    wallMs: sum(wallMs),
    count,
  };
}

/** How the median cycle of W1 grows with agents at 1,000 frameworks: the exponent of a power. */
function growth(reference: number): boolean {
  const w1 = WORKLOADS.find(({ name }) => name === "W1");
  if (w1 === undefined) return false;
  const points = GROWTH_AGENTS.map((agents) => {
    const meter = report(w1, { agents, frameworks: 1000, rounds: 5 }, reference);
    return { agents, ms: quantile(meter.phases.get("cycle")?.cpuMs ?? [], 0.5) };
  });
  const xs = points.map(({ agents }) => Math.log(agents));
  const ys = points.map(({ ms }) => Math.log(ms));
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const above = mean(xs.map((x, i) => (x - mx) * ((ys[i] ?? 0) - my)));
  const below = mean(xs.map((x) => (x - mx) ** 2));
  process.stdout.write(`growth exponent in agents ${(above / below).toFixed(3)}\n`);
  return true;
}

/** The loop that other machines' figures are scaled by: its least CPU time of some rounds. */
function referenceMs(): number {
  const map = new Map<string, { a: number; b: number }>();
  const list = new Float64Array(1 << 20);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 7; i++) {
    const cpu = process.cpuUsage();
    referenceRound(map, list);
    const { user, system } = process.cpuUsage(cpu);
    if (i >= 2) least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

function referenceRound(map: Map<string, { a: number; b: number }>, list: Float64Array): number {
  map.clear();
  for (let i = 0; i < 200_000; i++) map.set(`k${i % 50_000}`, { a: i, b: i * 2 });
  let sum = 0;
  for (const value of map.values()) sum += value.a;
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < list.length; i++) {
      const value = (list[i] ?? 0) * 1.0000001 + 1;
      list[i] = value;
      sum += value;
    }
  }
  return sum;
}

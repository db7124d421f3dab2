/**
 * `npm run bench -- allocator [--list] [NAME …] [--agents N] [--frameworks N] [--rounds N]
 * [--json FILE]`: runs the workloads of Mesos' allocator benchmarks, each size in a process of its
 * own, beside the scaled figures of the C++ original. Prints a table and a line of JSON for each
 * size, or writes the lines to a file. Answers whether all that is asked was met.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { YOUNG_GENERATION_MIB_MAX, youngGenerationFlags } from "#daemon";
import { Meter, type Phase, type Point, referenceMs, type Workload } from "./allocator-meter.ts";
import {
  exponent,
  flatness,
  growthLine,
  measured,
  type PointReport,
  summary,
  table,
  verdicts,
} from "./allocator-report.ts";
import { WORKLOADS } from "./allocator-workloads.ts";
import { endWhenUnread } from "./harness.ts";

const HERE = fileURLToPath(import.meta.url);
/**
 * A size is gone through so often, or until so much processor time is spent in its phases, or in
 * all: the first time is cold, the median is not, which takes a few times where a phase is short.
 */
const REPEATS_MIN = 9;
/** Fewer where each repeat keeps so much that the next ones would not fit. */
const REPEATS_LARGE_MIN = 5;
const LARGE_BYTES = 1.5 * 1024 ** 3;
const REPEATS_MAX = 31;
const PHASES_CPU_MS_MAX = 3000;
const CPU_MS_MAX = 10_000;

export function run(args: readonly string[]): boolean {
  if (args.includes("--list")) return list();
  if (args[0] === "--child") return child(args);
  const options = optionsOf(args);
  if (typeof options === "string") {
    process.stderr.write(`${options}\n`);
    return false;
  }
  if (options.json !== undefined) writeFileSync(options.json, "");
  const emptyMib = emptyProcessMib();
  const asked: (readonly [what: string, met: boolean])[] = [];
  process.stdout.write(
    `each size in a process like a master's: a young generation of up to ${YOUNG_GENERATION_MIB_MAX} MiB\n`,
  );
  for (const workload of options.workloads) {
    const told = workload.told === undefined ? "" : `\n  not judged: ${workload.told}`;
    process.stdout.write(`\n${workload.name}: ${workload.about}${told}\n`);
    const reports = options.pointsOf(workload).map((point) => {
      const report = inProcess(workload, point, emptyMib);
      process.stdout.write(table(report));
      say(options.json, { youngGenerationMib: YOUNG_GENERATION_MIB_MAX, ...report });
      asked.push(...verdicts(report));
      return report;
    });
    const grown = workload.name === "growth" ? exponent(reports) : [];
    const { name, flatMost } = workload;
    for (const each of flatMost === undefined ? grown : flatness(reports, flatMost)) {
      process.stdout.write(growthLine(each));
      say(options.json, { workload: name, ...each });
      asked.push([`${name}: ${each.what}`, each.met]);
    }
  }
  process.stdout.write(summary(asked));
  return asked.every(([, met]) => met);
}

/** One line of JSON, to the file where one is named. */
function say(file: string | undefined, what: object): void {
  const line = `${JSON.stringify({ benchmark: "allocator", ...what })}\n`;
  if (file === undefined) process.stdout.write(line);
  else appendFileSync(file, line);
}

function list(): boolean {
  for (const { name, about, points } of WORKLOADS) {
    const sizes = points.map(({ agents, frameworks }) => `${agents}×${frameworks}`);
    process.stdout.write(`${name.padEnd(11)}${about}\n${"".padEnd(11)}${sizes.join(", ")}\n`);
  }
  return true;
}

type Options = {
  readonly workloads: readonly Workload[];
  readonly pointsOf: (workload: Workload) => readonly Point[];
  readonly json: string | undefined;
};

/** Or a sentence that says what is wrong. */
function optionsOf(args: readonly string[]): Options | string {
  const known = new Map(WORKLOADS.map((workload) => [workload.name, workload]));
  const numbers = new Map<string, number>();
  const chosen: Workload[] = [];
  let json: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const workload = known.get(arg);
    if (workload !== undefined) chosen.push(workload);
    else if (arg === "--json") json = args[++i];
    else if (arg === "--agents" || arg === "--frameworks" || arg === "--rounds") {
      const value = Number(args[++i]);
      if (!Number.isInteger(value) || value < 1) return `${arg} needs a number of at least 1`;
      numbers.set(arg, value);
    } else return `${arg}: no workload and no option; --list names the workloads`;
  }
  if (args.includes("--json") && json === undefined) return "--json needs the name of a file";
  const pointsOf = ({ points }: Workload): readonly Point[] => {
    const [first] = points;
    if (numbers.size === 0 || first === undefined) return points;
    const { agents, frameworks, rounds } = first;
    return [
      {
        agents: numbers.get("--agents") ?? agents,
        frameworks: numbers.get("--frameworks") ?? frameworks,
        rounds: numbers.get("--rounds") ?? rounds,
      },
    ];
  };
  return { workloads: chosen.length > 0 ? chosen : WORKLOADS, pointsOf, json };
}

type Measured = {
  readonly phases: readonly Phase[];
  readonly notes: readonly string[];
  readonly referenceMs: number;
  readonly peakMib: number;
};

/** One size in a fresh process, so that its memory is its own and it begins cold. */
function inProcess(workload: Workload, point: Point, emptyMib: number): PointReport {
  const size = [point.agents, point.frameworks, point.rounds].map(String);
  const flags = youngGenerationFlags({});
  const args = ["--expose-gc", ...flags, HERE, "--child", workload.name, ...size];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${workload.name} ${size.join(" ")} ended with ${status}`);
  const child = JSON.parse(stdout) as Measured;
  const { referenceMs: reference, peakMib, notes } = child;
  const memoryMib = Math.max(0, Math.round(peakMib - emptyMib));
  return measured(workload, point, { ...child, referenceMs: reference, memoryMib, notes });
}

function child([, name, ...size]: readonly string[]): boolean {
  const workload = WORKLOADS.find((each) => each.name === name);
  const [agents = 0, frameworks = 0, rounds = 0] = size.map(Number);
  if (workload === undefined) return false;
  const meter = new Meter();
  let peakMib = 0;
  for (let i = 0; i < REPEATS_MAX; i++) {
    const spent = meter.cpuMs > PHASES_CPU_MS_MAX || process.cpuUsage().user > CPU_MS_MAX * 1000;
    const large = i >= REPEATS_LARGE_MIN && process.memoryUsage.rss() > LARGE_BYTES;
    if (spent && (large || i >= REPEATS_MIN)) break;
    workload.run(meter, { agents, frameworks, rounds });
    // What later repeats add is garbage of the earlier ones.
    if (i === 0) peakMib = process.resourceUsage().maxRSS / 1024;
  }
  const phases = [...meter.phases.values()];
  const [note] = meter.notes;
  const notes = note === undefined ? [] : [note];
  const result: Measured = { phases, notes, referenceMs: referenceMs(), peakMib };
  process.stdout.write(JSON.stringify(result));
  return true;
}

function emptyProcessMib(): number {
  const script = "process.stdout.write(String(process.resourceUsage().maxRSS))";
  const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
  return Number(stdout) / 1024;
}

if (process.argv[1] === HERE) {
  endWhenUnread();
  if (!run(process.argv.slice(2))) process.exitCode = 1;
}

/**
 * What a size of a workload came to: medians beside the first time, the original's figures scaled
 * to this machine, whether what is asked is met. Computes and prints; measures nothing.
 */
import { quantile } from "./harness.ts";
import type { OriginalPhase, Phase, Point, Workload } from "./allocator-meter.ts";

/** The reference loop's least time on the machine of the original's figures. */
const ORIGINAL_REFERENCE_MS = 60;
/** How many times less than the original a phase must take, if that took this long at this size. */
const RATIO_MIN = 10;
const JUDGED_MS_MIN = 20;
const JUDGED_AGENTS_MIN = 1000;
const MEMORY_AGENTS_MIN = 5000;

export type PhaseReport = {
  readonly name: string;
  readonly times: number;
  readonly coldMs: number;
  readonly medianMs: number;
  readonly leastMs: number;
  readonly wallMs: number;
  readonly perSecond: number | undefined;
  /** The original's figure, scaled. */
  readonly originalMs: number | undefined;
  readonly ratio: number | undefined;
  readonly belowMs: number | undefined;
  /** Undefined: nothing is asked of it. */
  readonly met: boolean | undefined;
};

export type PointReport = {
  readonly workload: string;
  readonly agents: number;
  readonly frameworks: number;
  readonly rounds: number;
  readonly referenceMs: number;
  readonly memoryMib: number;
  readonly memoryMaxMib: number | undefined;
  readonly rate: { readonly perSecond: number; readonly asked: number } | undefined;
  readonly phases: readonly PhaseReport[];
  readonly notes: readonly string[];
};

export function measured(
  workload: Workload,
  point: Point,
  of: {
    readonly phases: readonly Phase[];
    readonly referenceMs: number;
    readonly memoryMib: number;
    readonly notes: readonly string[];
  },
): PointReport {
  const { agents, frameworks, rounds } = point;
  const scale = of.referenceMs / ORIGINAL_REFERENCE_MS;
  const phases = of.phases.map((phase) => phaseReport(workload, phase, point, scale));
  const { referenceMs, memoryMib, notes } = of;
  return {
    workload: workload.name,
    agents,
    frameworks,
    rounds,
    referenceMs,
    memoryMib,
    memoryMaxMib: workload.told === undefined ? memoryMaxOf(point) : undefined,
    rate: rateOf(workload, point, of.phases, scale),
    phases,
    notes,
  };
}

function phaseReport(workload: Workload, phase: Phase, point: Point, scale: number): PhaseReport {
  const { name, cpuMs, wallMs, counts } = phase;
  const medianMs = quantile(cpuMs, 0.5);
  const count = quantile(counts, 0.5);
  const original = point.original?.[name];
  const unscaledMs = original === undefined ? undefined : millisecondsOf(original, count);
  const originalMs = unscaledMs === undefined ? undefined : unscaledMs * scale;
  const ratio = originalMs === undefined ? undefined : originalMs / medianMs;
  const asked = point.belowMs?.[name];
  const belowMs = asked === undefined ? undefined : asked * scale;
  const large = (unscaledMs ?? 0) >= JUDGED_MS_MIN && point.agents >= JUDGED_AGENTS_MIN;
  const judged = large && workload.told === undefined;
  const fast = judged && ratio !== undefined ? ratio >= RATIO_MIN : undefined;
  const below = belowMs === undefined ? undefined : medianMs < belowMs;
  return {
    name,
    times: cpuMs.length,
    coldMs: cpuMs[0] ?? 0,
    medianMs,
    leastMs: Math.min(...cpuMs),
    wallMs: quantile(wallMs, 0.5),
    perSecond: count > 0 && medianMs > 0 ? Math.round((count * 1000) / medianMs) : undefined,
    originalMs,
    ratio,
    belowMs,
    met: fast === undefined && below === undefined ? undefined : (fast ?? true) && (below ?? true),
  };
}

function millisecondsOf(original: OriginalPhase, count: number): number {
  return "ms" in original ? original.ms : (original.usEach * count) / 1000;
}

function memoryMaxOf({ agents, originalMib, belowMib }: Point): number | undefined {
  const original = agents >= MEMORY_AGENTS_MIN ? originalMib : undefined;
  if (original === undefined) return belowMib;
  return belowMib === undefined ? original : Math.min(original, belowMib);
}

/** Through all the phases named, by their medians; what is asked is scaled too. */
function rateOf(
  { told }: Workload,
  point: Point,
  phases: readonly Phase[],
  scale: number,
): PointReport["rate"] {
  if (point.atLeast === undefined || told !== undefined) return undefined;
  const { phases: names, perSecond } = point.atLeast;
  const among = phases.filter(({ name }) => names.includes(name));
  const spentMs = among.reduce((sum, { cpuMs }) => sum + quantile(cpuMs, 0.5), 0);
  const count = quantile(among[0]?.counts ?? [], 0.5);
  const asked = Math.round(perSecond / scale);
  return { perSecond: Math.round((count * 1000) / spentMs), asked };
}

/** What is asked of this size, by a name for each, and whether it was met. */
export function verdicts(report: PointReport): [what: string, met: boolean][] {
  const { workload, agents, frameworks, phases, memoryMib, memoryMaxMib, rate } = report;
  const asked: [string, boolean][] = [];
  const ask = (what: string, met: boolean): void => {
    asked.push([`${workload} ${agents}×${frameworks} ${what}`, met]);
  };
  for (const { name, met } of phases) if (met !== undefined) ask(name, met);
  if (memoryMaxMib !== undefined) ask("memory", memoryMib <= memoryMaxMib);
  if (rate !== undefined) ask("rate", rate.perSecond >= rate.asked);
  return asked;
}

/** The last lines: how much was asked, and what was missed. */
export function summary(asked: readonly (readonly [what: string, met: boolean])[]): string {
  if (asked.length === 0) return "\nnothing is asked of these\n";
  const missed = asked.filter(([, met]) => !met).map(([what]) => `  MISSED: ${what}\n`);
  return `\n${asked.length - missed.length} of ${asked.length} that is asked was met\n${missed.join("")}`;
}

const mark = (met: boolean | undefined): string =>
  met === undefined ? "" : met ? "  met" : "  MISSED";
const figure = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);

export function table(report: PointReport): string {
  const { agents, frameworks, rounds, phases, memoryMib, memoryMaxMib, rate } = report;
  const lines = [
    `  ${agents} agents, ${frameworks} frameworks, ${rounds} rounds; reference ${figure(report.referenceMs)} ms; processor time in ms`,
    `    ${"phase".padEnd(24)}${["cold", "median", "least", "wall", "a second", "C++ scaled", "ratio", "below"].map((each) => each.padStart(11)).join("")}`,
  ];
  for (const each of phases) {
    const cells = [each.coldMs, each.medianMs, each.leastMs, each.wallMs].map(figure);
    cells.push(each.perSecond === undefined ? "" : String(each.perSecond));
    cells.push(each.originalMs === undefined ? "" : figure(each.originalMs));
    cells.push(each.ratio === undefined ? "" : `${figure(each.ratio)}×`);
    cells.push(each.belowMs === undefined ? "" : figure(each.belowMs));
    const row = cells.map((cell) => cell.padStart(11)).join("");
    lines.push(`    ${each.name.padEnd(24)}${row}${mark(each.met)}`);
  }
  const within = memoryMaxMib === undefined ? undefined : memoryMib <= memoryMaxMib;
  const most = memoryMaxMib === undefined ? "" : `, at most ${memoryMaxMib}`;
  lines.push(`    peak memory above an empty process ${memoryMib} MiB${most}${mark(within)}`);
  if (rate !== undefined) {
    const reached = mark(rate.perSecond >= rate.asked);
    lines.push(`    in all ${rate.perSecond} a second, at least ${rate.asked}${reached}`);
  }
  for (const note of report.notes) lines.push(`    ${note}`);
  return `${lines.join("\n")}\n`;
}

const cycleMs = ({ phases }: PointReport): number =>
  phases.find(({ name }) => name === "cycle")?.medianMs ?? Number.NaN;

/** How a cycle grew, and whether it may. */
export type Growth = {
  readonly what: string;
  readonly measured: number;
  readonly most: number;
  readonly met: boolean;
};

export const growthLine = ({ what, measured, most, met }: Growth): string =>
  `  ${what} ${measured.toFixed(2)}, at most ${most.toFixed(2)}${mark(met)}\n`;

/** Of each number of agents, the dearest cycle by the one with the fewest frameworks. */
export function flatness(reports: readonly PointReport[], most: number): Growth[] {
  return [...new Set(reports.map(({ agents }) => agents))].flatMap((agents) => {
    const some = reports.filter((report) => report.agents === agents);
    const [fewest, ...others] = some.sort((a, b) => a.frameworks - b.frameworks);
    if (fewest === undefined || others.length === 0) return [];
    const measured = Math.max(...others.map(cycleMs)) / cycleMs(fewest);
    const range = `${fewest.frameworks} to ${others.at(-1)?.frameworks} frameworks`;
    const what = `growth of a cycle over ${agents} agents from ${range}`;
    return [{ what, measured, most, met: measured <= most }];
  });
}

/** Machines are noisy: an exponent that is fitted to times is no better known than this. */
const EXPONENT_SLACK = 0.05;

/** The exponent of a power fitted to the median cycles, beside that of n·log n. */
export function exponent(reports: readonly PointReport[]): Growth[] {
  if (reports.length < 2) return [];
  const measured = exponentOf(reports, cycleMs);
  const most = exponentOf(reports, ({ agents }) => agents * Math.log(agents)) + EXPONENT_SLACK;
  const what = "growth exponent in agents";
  return [{ what, measured, most, met: measured <= most }];
}

function exponentOf(reports: readonly PointReport[], of: (report: PointReport) => number): number {
  const xs = reports.map(({ agents }) => Math.log(agents));
  const ys = reports.map((report) => Math.log(of(report)));
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const above = mean(xs.map((x, i) => (x - mx) * ((ys[i] ?? 0) - my)));
  return above / mean(xs.map((x) => (x - mx) ** 2));
}

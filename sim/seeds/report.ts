/**
 * What a swarm says of its seeds: a line each, failures with the command that repeats them,
 * groups by statement and place, and the least of what each seed must have had. Speaks of no
 * clock but in `speedOf`, so the same seeds give the same text.
 */
import { createHash } from "node:crypto";
import type { Violation } from "../checkers/index.ts";
import type { SeedOutcome } from "./outcome.ts";

/** The violation that a seed is known by: one that ends runs, or the first. */
export function mainOf(
  { violations }: SeedOutcome,
  stopAt: readonly string[],
): Violation | undefined {
  return violations.find(({ id }) => stopAt.includes(id)) ?? violations[0];
}

export function seedLine(outcome: SeedOutcome, stopAt: readonly string[]): string {
  const { seed, crash, events, tasks, launched, faults, leaders, digest } = outcome;
  if (crash !== undefined) return `seed ${seed}: crash: ${crash.split("\n")[0]}`;
  const first = mainOf(outcome, stopAt);
  if (first !== undefined) {
    return `seed ${seed}: ${first.id} at ${first.atMs.toFixed(0)} ms: ${first.message}`;
  }
  return (
    `seed ${seed}: passed, ${events} events, ${tasks} tasks (${launched} launched), ` +
    `${faults} faults, ${leaders} leaders, digest ${digest.slice(0, 16)}`
  );
}

/** One line for each seed that failed: seed, statement, event, virtual time, and the command. */
export function failureLines(
  outcomes: readonly SeedOutcome[],
  stopAt: readonly string[],
  replay: (seed: string) => string,
): string[] {
  return outcomes.flatMap((outcome) => {
    const { seed, crash } = outcome;
    const first = mainOf(outcome, stopAt);
    if (crash !== undefined) return [`${seed} crash  ${replay(seed)}`];
    if (first === undefined) return [];
    const at = `event ${first.event} at ${(first.atMs / 1000).toFixed(3)} s`;
    return [`${seed} ${first.id} ${at}  ${replay(seed)}`];
  });
}

export interface Group {
  readonly id: string;
  readonly frame: string;
  readonly seeds: readonly string[];
  readonly example: string;
}

/** Failures of the same statement at the same place of the project, the most frequent first. */
export function groupsOf(outcomes: readonly SeedOutcome[], stopAt: readonly string[]): Group[] {
  const groups = new Map<string, { group: Group; seeds: string[] }>();
  for (const outcome of outcomes) {
    const first = mainOf(outcome, stopAt);
    const { crash, seed } = outcome;
    if (first === undefined && crash === undefined) continue;
    const id = crash === undefined ? (first?.id ?? "") : "crash";
    const frame = first?.frame ?? "";
    const key = `${id} ${frame}`;
    let found = groups.get(key);
    if (found === undefined) {
      const seeds: string[] = [];
      const example = crash ?? first?.message ?? "";
      found = { group: { id, frame, seeds, example }, seeds };
      groups.set(key, found);
    }
    found.seeds.push(seed);
  }
  const all = [...groups.values()].map(({ group }) => group);
  return all.sort((one, other) => other.seeds.length - one.seeds.length);
}

export function groupLine({ id, frame, seeds, example }: Group): string {
  const shown = seeds.slice(0, 10).join(", ") + (seeds.length > 10 ? ", …" : "");
  return `${id} in ${frame || "the simulator"}: seeds ${shown} (${seeds.length}): ${
    example.split("\n")[0]
  }`;
}

/** Counts of the whole swarm, the least that any seed had, and one digest of all digests. */
export function totalLines(outcomes: readonly SeedOutcome[]): string[] {
  const failed = outcomes.filter(({ violations, crash }) => violations.length > 0 || crash);
  const whole = outcomes.filter(({ crash }) => crash === undefined);
  const least = (of: (outcome: SeedOutcome) => number): number =>
    whole.reduce((low, outcome) => Math.min(low, of(outcome)), Number.POSITIVE_INFINITY);
  const hash = createHash("sha256");
  for (const { seed, digest } of outcomes) hash.update(`${seed} ${digest}\n`);
  const lines = [
    `${outcomes.length} seeds: ${outcomes.length - failed.length} passed, ${failed.length} failed`,
  ];
  if (whole.length > 0) {
    lines.push(
      `each seed: at least ${least(({ tasks }) => tasks)} tasks, ` +
        `${least(({ faults }) => faults)} faults, ` +
        `${least(({ leaders }) => leaders) - 1} changes of leader, ` +
        `${least(({ events }) => events)} events`,
    );
  }
  lines.push(`digest ${hash.digest("hex")}`);
  lines.push(...rareLines(sometimesOf(outcomes)));
  return lines;
}

/** Rare branches over all seeds, by name. */
export function sometimesOf(outcomes: readonly SeedOutcome[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { sometimes } of outcomes) {
    for (const [name, times] of Object.entries(sometimes)) sum[name] = (sum[name] ?? 0) + times;
  }
  return sum;
}

/** CV: what no seed has reached, the faults do not try. */
function rareLines(sum: Readonly<Record<string, number>>): string[] {
  const names = Object.keys(sum);
  if (names.length === 0) return [];
  const missed = names.filter((name) => sum[name] === 0);
  const reached = `${names.length - missed.length} of ${names.length} rare branches were reached`;
  return [missed.length === 0 ? reached : `${reached}; never: ${missed.join(", ")}`];
}

/** Speed against the processor time that the seeds took, so for one core; then of all by the clock. */
export function speedOf(outcomes: readonly SeedOutcome[], realMs: number): string {
  const sum = (of: (outcome: SeedOutcome) => number): number =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const cpuMs = Math.max(
    1,
    sum((outcome) => outcome.cpuMs),
  );
  const perSecond = Math.round((sum(({ events }) => events) * 1000) / cpuMs);
  const virtualMs = sum((outcome) => outcome.virtualMs);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  return [
    `${perSecond} events a second and ${Math.round(virtualMs / cpuMs)} times real time per core`,
    `${seconds(cpuMs)} of processor in ${seconds(realMs)}`,
    `${Math.round(virtualMs / Math.max(1, realMs))} times real time in all`,
  ].join(", ");
}

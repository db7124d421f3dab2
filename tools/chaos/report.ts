/** What a run has shown, as lines for people. Pure. */
import type { Struck } from "./faults.ts";
import { FAULTS } from "./faults.ts";
import { LEADER_GAP_MS_MIN, OFFER_GAP_MS_MIN, type Gaps } from "./gaps.ts";
import { KINDS } from "./node.ts";
import { type Finding, JUDGED } from "./verdict.ts";

export interface Shown {
  readonly seed: string;
  readonly minutes: number;
  readonly struck: readonly Struck[];
  readonly gaps: Gaps;
  /** Tasks by what was said of them last. */
  readonly states: ReadonlyMap<string, number>;
  readonly records: number;
  readonly messages: number;
  /** Ends of processes that no fault made, by name and why. */
  readonly ownEnds: readonly string[];
  readonly findings: readonly Finding[];
  readonly left: readonly string[];
}

export function reportOf(shown: Shown): string[] {
  const { struck, gaps, states, findings, left, ownEnds } = shown;
  const sum = [...states.values()].reduce((one, two) => one + two, 0);
  const lasts = [...states].map(([state, count]) => `${count} ${state}`).join(", ");
  return [
    "",
    `faults survived: ${struck.length}`,
    ...faultTable(struck),
    "",
    gapLine(`no leader (over ${LEADER_GAP_MS_MIN / 1_000} s between beacons)`, gaps.leader),
    gapLine(`no offers (over ${OFFER_GAP_MS_MIN / 1_000} s between offers)`, gaps.offers),
    `epochs: ${gaps.epochs}; records in the log: ${shown.records}; messages seen: ${shown.messages}`,
    `tasks: ${sum}, last said to be: ${lasts}`,
    `processes that ended by themselves: ${ownEnds.length}`,
    ...ownEnds.map((end) => `  ${end}`),
    "",
    ...findings.map(({ id, message, atMs }) => `VIOLATION ${id} at ${timeOf(atMs)}: ${message}`),
    ...left.map((what) => `LEFT BEHIND ${what}`),
    findings.length + left.length === 0
      ? `passed: ${JUDGED.join(", ")}, X1; nothing is left behind`
      : `FAILED: --minutes ${shown.minutes} --seed ${shown.seed}`,
  ];
}

function timeOf(atMs: number): string {
  return Number.isFinite(atMs) ? new Date(atMs).toISOString() : "the end";
}

function faultTable(struck: readonly Struck[]): string[] {
  const names = FAULTS.map(({ name }) => name);
  const count = (kind: string, fault: string): string =>
    String(struck.filter((one) => one.kind === kind && one.fault === fault).length);
  const row = (head: string, cells: readonly string[]): string =>
    `  ${head.padEnd(10)}${cells.map((cell) => cell.padStart(11)).join("")}`;
  return [
    row("", names),
    ...KINDS.map((kind) =>
      row(
        kind,
        names.map((name) => count(kind, name)),
      ),
    ),
  ];
}

function gapLine(what: string, gaps: readonly number[]): string {
  if (gaps.length === 0) return `${what}: never`;
  const sorted = [...gaps].sort((one, two) => one - two);
  const at = (share: number): string => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return `${(value / 1_000).toFixed(1)} s`;
  };
  return `${what}: ${gaps.length} times, p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`;
}

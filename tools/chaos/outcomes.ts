/**
 * What tasks really did, from what they wrote into their sandboxes, beside what their frameworks
 * were told of them: none runs twice, none that ran is said never to have, none that is said to
 * have finished did not run.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JournalRow } from "./journal.ts";
import type { Finding } from "./verdict.ts";

/**
 * Words for tasks that nobody has ever run. TASK_GONE is said of one that its agent, which is there,
 * does not know (mesos.md §8): no agent is gone for good in a run.
 */
const NEVER_RAN: ReadonlySet<string> = new Set([
  "TASK_UNKNOWN",
  "TASK_DROPPED",
  "TASK_ERROR",
  "TASK_GONE",
]);

/** Agents on which each task wrote that it ran, once for each time; by task. */
export function runsOf(workDirs: ReadonlyMap<string, string>): Map<string, string[]> {
  const runs = new Map<string, string[]>();
  for (const [agent, dir] of workDirs) {
    if (!existsSync(dir)) continue;
    for (const path of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
      if (!/(?:^|\/)stdout$/.test(path)) continue;
      for (const [, taskId = ""] of readFileSync(join(dir, path), "utf8").matchAll(
        /^ran (\S+)$/gm,
      )) {
        const before = runs.get(taskId);
        if (before === undefined) runs.set(taskId, [agent]);
        else before.push(agent);
      }
    }
  }
  return runs;
}

export interface Outcomes {
  readonly findings: readonly Finding[];
  /** How many tasks were last told to be in each state. */
  readonly states: ReadonlyMap<string, number>;
}

export function outcomesOf(
  journals: ReadonlyMap<string, readonly JournalRow[]>,
  runs: ReadonlyMap<string, readonly string[]>,
): Outcomes {
  const findings: Finding[] = [];
  const states = new Map<string, number>();
  const wrong = (message: string): void =>
    void findings.push({ id: "T1", message, atMs: Date.now() });
  for (const rows of journals.values()) {
    for (const [taskId, { state, lasts }] of lastWords(rows)) {
      states.set(state, (states.get(state) ?? 0) + 1);
      const times = runs.get(taskId) ?? [];
      if (times.length > 1) wrong(`${taskId} ran ${times.length} times: on ${times.join(" and ")}`);
      if (times.length > 0 && NEVER_RAN.has(state)) {
        wrong(`${taskId} ran on ${times.join()} and is said to be ${state}`);
      }
      if (state === "TASK_FINISHED" && lasts) wrong(`${taskId} would never finish, and is said to`);
    }
  }
  return { findings, states };
}

function lastWords(rows: readonly JournalRow[]) {
  const tasks = new Map<string, { state: string; lasts: boolean }>();
  for (const row of rows) {
    if (row.what === "launch") {
      tasks.set(row.taskId, { state: "nothing was said", lasts: row.lastsS === null });
    }
    const task = row.what === "told" ? tasks.get(row.taskId) : undefined;
    if (row.what === "told" && task !== undefined) task.state = row.state;
  }
  return tasks;
}

/** What must be true at the end of the demo, each as one line with its finding. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Batch } from "./batch.ts";
import { directDigests, directWords, type Work } from "./work.ts";

/** A task as the API shows it. */
export interface TaskRow {
  readonly id: string;
  readonly name: string;
  readonly agentId: string;
  readonly role: string;
  readonly state: string;
  readonly reason?: string;
  readonly message?: string;
  readonly containerId?: string;
  readonly cgroup?: string;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  readonly limitation?: { readonly limitBytes?: number; readonly peakBytes?: number };
  readonly history: readonly { readonly state: string; readonly uuid?: string }[];
}

export interface Check {
  readonly name: string;
  readonly result: "ok" | "FAILED" | "skipped";
  readonly detail: string;
}

export function check(name: string, faults: readonly string[], detail: string): Check {
  if (faults.length === 0) return { name, result: "ok", detail };
  const shown = faults.slice(0, 3).join("; ");
  const more = faults.length > 3 ? ` and ${faults.length - 3} more` : "";
  return { name, result: "FAILED", detail: `${shown}${more}` };
}

/** Each chunk's one finished task printed what the direct computation says. */
export function checkResults(work: Work, batch: Batch, results: ReadonlyMap<string, string>) {
  const expected: readonly object[] =
    batch.kind === "words" ? directWords(work) : directDigests(work);
  const faults: string[] = [];
  expected.forEach((right, chunk) => {
    const tasks = [...batch.launched].filter(([, its]) => its === chunk).map(([id]) => id);
    const finished = tasks.filter((id) => batch.states.get(id) === "TASK_FINISHED");
    if (finished.length !== 1) {
      const states = tasks.map((id) => `${id} ${batch.states.get(id) ?? "unheard"}`).join(", ");
      faults.push(`chunk ${chunk} finished ${finished.length} times (${states || "no task"})`);
    }
    for (const id of finished) {
      const got = resultOf(results.get(id));
      if (JSON.stringify(got) !== JSON.stringify(right)) {
        faults.push(`${id} printed ${JSON.stringify(got)}, expected ${JSON.stringify(right)}`);
      }
    }
  });
  const sum = batch.kind === "words" ? sumOfWords(expected) : `${expected.length} digests`;
  return check(`${batch.kind}: results are those of a direct computation`, faults, sum);
}

function sumOfWords(expected: readonly object[]): string {
  const words = expected.reduce((sum, one) => sum + (one as { words: number }).words, 0);
  return `${words.toLocaleString("en")} words`;
}

/** The result without the time that it took; undefined when it is none. */
function resultOf(text: string | undefined): object | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  try {
    const { tookMs: _took, ...result } = JSON.parse(text) as Record<string, unknown>;
    return result;
  } catch (error) {
    // Cut short or not from our program: then it is not the expected one.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Each run of the chunk program left a mark. */
export function checkOnce(marks: string, work: Work, batches: readonly Batch[]): Check {
  const names = readdirSync(marks);
  const faults: string[] = [];
  for (const { kind } of batches) {
    for (const [first] of work.chunks) {
      const runs = names.filter((name) => name.startsWith(`${kind}-${first}-`)).length;
      if (runs !== 1) faults.push(`the chunk of ${kind} from line ${first} ran ${runs} times`);
    }
  }
  return check("every chunk ran exactly once", faults, `${names.length} runs`);
}

/** Every update that the cluster knows was heard by its framework, under one id. */
export function checkUpdates(tasks: readonly TaskRow[], batches: readonly Batch[]): Check {
  const faults: string[] = [];
  let count = 0;
  for (const batch of batches) {
    for (const id of batch.launched.keys()) {
      const heard = batch.said.filter((said) => said.task === id && said.event === "update");
      const made = tasks.find((task) => task.id === id)?.history ?? [];
      for (const { uuid, state } of made) {
        if (uuid === undefined) continue;
        count += 1;
        if (!heard.some((said) => said.uuid === uuid)) faults.push(`${id} ${state} was not heard`);
      }
      for (const state of new Set(heard.map((said) => said.state))) {
        const ids = new Set(heard.filter((said) => said.state === state).map(({ uuid }) => uuid));
        if (ids.size > 1) faults.push(`${id} ${state} was heard under ${ids.size} ids`);
      }
    }
  }
  return check("no status update is missing or made twice", faults, `${count} updates`);
}

export function checkMemory(hog: TaskRow | undefined, exit: number | null, unenforced: boolean) {
  const name = "the task beyond its memory limit is ended and reported";
  if (unenforced) return { name, result: "skipped", detail: "limits need root" } as const;
  const faults: string[] = [];
  if (hog?.state !== "TASK_FAILED") faults.push(`it is ${hog?.state ?? "not known"}`);
  if (hog?.reason !== "REASON_CONTAINER_LIMITATION_MEMORY") {
    faults.push(`its reason is ${hog?.reason ?? "none"}`);
  }
  const { limitBytes, peakBytes } = hog?.limitation ?? {};
  if (limitBytes === undefined || peakBytes === undefined) faults.push("limit or peak is missing");
  if (exit === 0) faults.push("meseta run ended with 0");
  return check(name, faults, hog?.message ?? "");
}

export interface Killed {
  readonly agent: string;
  readonly pid: number;
  readonly atMs: number;
  /** Chunk tasks that ran on it at that moment. */
  readonly tasks: readonly string[];
  /** When it had registered again; undefined while it has not. */
  backAtMs: number | undefined;
}

export function checkKilled(killed: Killed | undefined, batches: readonly Batch[]): Check {
  const name = "tasks of the killed agent go on and are told";
  if (killed === undefined) return check(name, ["no agent was killed"], "");
  const { agent, tasks, backAtMs, atMs } = killed;
  const faults: string[] = [];
  if (tasks.length === 0) faults.push(`nothing ran on ${agent}`);
  if (backAtMs === undefined) faults.push(`${agent} did not come back`);
  for (const id of tasks) {
    const state = batches.map(({ states }) => states.get(id)).find((one) => one !== undefined);
    if (state !== "TASK_FINISHED") faults.push(`${id} is ${state ?? "unheard"}`);
  }
  const backMs = (backAtMs ?? atMs) - atMs;
  return check(name, faults, `${agent}: ${tasks.length} tasks, back after ${backMs} ms`);
}

/** Nothing of the demo is left on the machine. */
export function checkLeftovers(pids: readonly number[], cgroups: readonly string[]): Check {
  const faults = [
    ...pids.filter((pid) => existsSync(join("/proc", `${pid}`))).map((pid) => `process ${pid}`),
    ...cgroups.filter((path) => existsSync(path)),
  ];
  const detail = `${pids.length} processes and ${cgroups.length} cgroups looked for`;
  return check("nothing is left behind", faults, detail);
}

/**
 * How the agent begins, step by step, each after the one before is durable: its identity read,
 * its start counted, its journal replayed, what runs compared with it. Before the end of this it
 * hears nobody and says nothing (P-3.8, P-4.3).
 */
import { asId, type ContainerId, encodePlain } from "#protocol";
import { Resources } from "#resources";
import type { DiskRead, Effect, Env } from "#runtime";
import type { IsolatorReport } from "#isolation";
import { snapshot, type Task } from "./checkpoint.ts";
import { runs, ended } from "./containers.ts";
import { executorEnded, executorRecovered } from "./executors.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { start } from "./placement.ts";
import { fateOf, knownContainers, replay } from "./recovery.ts";
import {
  type AgentState,
  ask,
  commit,
  JOURNAL_PATH,
  META_PATH,
  recount,
  retotal,
} from "./state.ts";
import { askLimits } from "./resize.ts";
import { resumeShutdowns } from "./shutdown.ts";

export function begin(out: Effect[]): void {
  out.push({ kind: "disk-read", token: META_PATH, path: META_PATH });
}

export function wasRead(
  state: AgentState,
  { token, outcome }: { readonly token: string; readonly outcome: DiskRead },
  out: Effect[],
): void {
  if (outcome.kind === "failed") return fail(`${token} cannot be read: ${outcome.why}`, out);
  const bytes = outcome.kind === "read" ? outcome.bytes : undefined;
  if (token === META_PATH && state.recovering === "reading-meta") {
    return metaRead(state, bytes, out);
  }
  if (token === JOURNAL_PATH && state.recovering === "reading-journal") {
    return journalRead(state, bytes, out);
  }
}

function metaRead(state: AgentState, bytes: Uint8Array | undefined, out: Effect[]): void {
  let { meta } = state;
  if (bytes !== undefined) {
    const read = readMeta(bytes);
    if (!read.ok) return fail(read.message, out);
    const { agentId } = state.config;
    if (read.meta.agentId !== agentId) {
      return fail(`this work directory belongs to agent ${read.meta.agentId}, not ${agentId}`, out);
    }
    meta = read.meta;
  }
  state.recovering = "writing-meta";
  writeMeta(state, { ...{}, ...meta, incarnation: meta.incarnation + 1 }, out);
}

/** The start is counted, durably: from here on this incarnation may be named. */
export function metaWritten(state: AgentState, out: Effect[]): void {
  if (state.recovering !== "writing-meta") return;
  state.recovering = "reading-journal";
  out.push({ kind: "disk-read", token: JOURNAL_PATH, path: JOURNAL_PATH });
}

function journalRead(state: AgentState, bytes: Uint8Array | undefined, out: Effect[]): void {
  if (bytes !== undefined && state.meta.incarnation === 1) {
    return fail(`there is a journal but no ${META_PATH}: the work directory is damaged`, out);
  }
  const replayed = replay(bytes ?? new Uint8Array(0));
  if (!replayed.ok) return fail(replayed.message, out);
  const { model, records, tornBytes } = replayed;
  state.model = model;
  if (!retotal(state)) {
    const made = Resources.fromWire(model.checkpointed);
    const why = `its resources no longer hold what operations have made of them: ${made}`;
    return fail(`${why}; give it as much again, or a new work directory`, out);
  }
  recount(state);
  state.recovering = "comparing";
  const fields = { records, tornBytes, tasks: model.tasks.size };
  out.push({ kind: "log", level: "info", sentence: "The journal is read", fields });
  // Rewritten at every start: a torn tail would hide what is appended behind it.
  state.journal.rewrite(snapshot(model).map(encodePlain), out);
  ask(state, { kind: "RecoverContainers", known: knownContainers(model) }, out);
}

export function containersRecovered(
  state: AgentState,
  { bootId, containers }: Extract<IsolatorReport, { readonly kind: "ContainersRecovered" }>,
  env: Env,
  out: Effect[],
): void {
  if (state.recovering !== "comparing") return;
  state.recovering = "done";
  state.bootId = bootId;
  for (const { containerId, found } of containers) {
    const executor = state.model.executors.get(containerId);
    if (executor !== undefined) {
      if (found === "running") executorRecovered(state, executor, out);
      if (found !== "absent") continue;
      const message = "its container was gone when the agent came back";
      executorEnded(state, containerId, { exit: null, message }, env, out);
      continue;
    }
    for (const task of state.model.tasksIn(containerId)) decide(state, task, found, env, out);
  }
  resumeShutdowns(state, env, out);
  out.push({ kind: "lifecycle", event: { type: "Recovered" } });
}

function decide(
  state: AgentState,
  task: Task,
  found: "running" | "ended" | "absent",
  env: Env,
  out: Effect[],
): void {
  const fate = fateOf(task, found, state.bootId);
  out.push({ kind: "count", name: "task-recovered", reason: fate.do });
  switch (fate.do) {
    case "wait":
      return;
    case "watch": {
      // Its container's own checkpoint has the limits that it was started with.
      if (task.resized) askLimits(state, task, out);
      if (task.kill === null) return runs(state, task, env, out);
      const graceMs = Math.max(0, task.kill.untilMs - env.wallMs);
      return ask(state, { kind: "KillContainer", containerId: task.containerId, graceMs }, out);
    }
    case "launch": {
      const containerId = asId<ContainerId>(env.random.uuid());
      commit(state, { k: "container", key: task.key, containerId, bootId: state.bootId });
      return start(state, task, env, out);
    }
    case "end":
      return ended(state, task, fate.fields, env, out);
  }
}

/** The actor cannot go on with this disk; its process says so and ends. */
export function fail(why: string, out: Effect[]): void {
  out.push({ kind: "count", name: "agent-failed", reason: "startup-or-disk" });
  out.push({ kind: "log", level: "error", sentence: `The agent cannot go on: ${why}` });
  out.push({ kind: "lifecycle", event: { type: "Fail" } });
}

/**
 * How the isolator begins: the agent's cgroups are made, what runs is found, what the agent's
 * journal names is adopted, and only then what nobody names is swept, in the agent's own subtree.
 */
import { asId, type ContainerId } from "#protocol";
import type { Effect, Env, LauncherAnswer, RecoveredFacts } from "#runtime";
import { newerFault, recoverContainers, type Recovered } from "../recover.ts";
import { askDestroy, ended, forget, kill, planAgain } from "./lives.ts";
import { type RecoveredContainer, tell } from "./messages.ts";
import {
  type IsolatorState,
  RECOVER_ATTEMPTS_MAX,
  REQUEST_RETRY_MS_MAX,
  REQUEST_RETRY_MS_MIN,
} from "./state.ts";
import { beginWatching } from "./watching.ts";

/** First the directories above the containers, then what runs in them. */
export function recover(state: IsolatorState, out: Effect[]): void {
  const steps = state.config.driver.agentSteps();
  out.push({ kind: "launcher", request: { token: "prepare", call: "prepare", steps } });
}

export function prepared(state: IsolatorState, answer: LauncherAnswer, out: Effect[]): void {
  if (!answer.ok) return failed(state, "prepare", answer.message, out);
  out.push({ kind: "launcher", request: { token: "recover", call: "recover" } });
}

function failed(state: IsolatorState, call: string, message: string, out: Effect[]): void {
  state.attempts += 1;
  out.push({ kind: "count", name: "recover-retried", reason: call });
  if (state.attempts < RECOVER_ATTEMPTS_MAX) {
    const inMs = Math.min(REQUEST_RETRY_MS_MAX, REQUEST_RETRY_MS_MIN * 2 ** state.attempts);
    return void out.push({ kind: "timer", name: "recover", inMs });
  }
  giveUp(`${call} failed ${state.attempts} times: ${message}`, out);
}

function giveUp(why: string, out: Effect[]): void {
  out.push({ kind: "log", level: "error", sentence: `The isolator gives up: ${why}` });
  out.push(tell({ kind: "IsolatorFailed", message: why }));
  out.push({ kind: "lifecycle", event: { type: "Fail" } });
}

export function recovered(
  state: IsolatorState,
  answer: LauncherAnswer<{ readonly facts: RecoveredFacts }>,
  env: Env,
  out: Effect[],
): void {
  if (!answer.ok) return failed(state, "recover", answer.message, out);
  const { facts } = answer;
  const newer = newerFault(facts);
  if (newer !== undefined) return giveUp(newer, out);
  state.bootId = facts.bootId;
  const found = new Map<string, RecoveredContainer>();
  const again: Effect[] = [];
  let orphans = 0;
  for (const verdict of recoverContainers(facts, state.config.agentId)) {
    const containerId = idOf(verdict);
    // An actor of the agent that came back within one process finds its containers watched.
    const there = state.containers.get(containerId);
    const known = state.known.has(containerId) && verdict.kind !== "orphan";
    if (there !== undefined && known) {
      const over = there.progress.step !== "destroying";
      if (over) again.push(ended(there, env.wallMs));
      found.set(containerId, { containerId, found: over ? "ended" : "running" });
      continue;
    }
    if (there !== undefined) {
      there.orphan = true;
      kill(there, 0, out);
      forget(there, out);
      continue;
    }
    if (!known) orphans += 1;
    const running = adopt(state, containerId, verdict, known, out);
    if (known) found.set(containerId, { containerId, found: running ? "running" : "ended" });
  }
  const containers = [...state.known].map(
    (id): RecoveredContainer =>
      found.get(id) ?? { containerId: asId<ContainerId>(id), found: "absent" },
  );
  state.known = new Set();
  const { bootId } = facts;
  if (orphans > 0) {
    const sentence = "Containers that no journal names are ended";
    out.push({ kind: "log", level: "warn", sentence, fields: { orphans, atMs: env.wallMs } });
  }
  // Told before the ends of the containers, which come with their destruction.
  out.push(tell({ kind: "ContainersRecovered", bootId, containers, orphans }), ...again);
  out.push({ kind: "lifecycle", event: { type: "Recovered" } });
  beginWatching(state, out);
}

/** True when it runs on; whatever else was found is destroyed. */
function adopt(
  state: IsolatorState,
  containerId: ContainerId,
  verdict: Recovered,
  known: boolean,
  out: Effect[],
): boolean {
  const container = state.add(containerId, true);
  container.orphan = !known;
  if (verdict.kind !== "orphan") {
    container.origin = verdict.checkpoint;
    const planned = planAgain(state, verdict.checkpoint);
    container.values = planned?.values ?? null;
    container.watch = planned?.watch ?? {};
  }
  if (known && verdict.kind === "running") return true;
  if (verdict.kind === "ended") container.exit = verdict.exit;
  const reason = known ? verdict.kind : "orphan";
  out.push({ kind: "count", name: "container-recovered", reason });
  container.life.send({ type: verdict.kind === "ended" ? "Exited" : "Destroy" });
  container.graceMs = 0;
  askDestroy(container, out);
  return false;
}

function idOf(verdict: Recovered): ContainerId {
  return asId<ContainerId>(
    verdict.kind === "orphan" ? verdict.containerId : verdict.checkpoint.containerId,
  );
}

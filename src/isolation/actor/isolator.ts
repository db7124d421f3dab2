/**
 * The cgroup isolator of a node: one switch over what it is told, what the launcher answers and
 * what is due. It prepares, watches, updates, destroys and recovers containers, each with a
 * life of its own; it writes nothing itself and knows no task. Whatever it wants gone it asks for
 * until it is gone (isolation is level-triggered: a lost request is asked again, never forgotten).
 */
import type { ContainerId } from "#protocol";
import type {
  Behaviour,
  Due,
  Effect,
  Env,
  Input,
  LauncherAnswer,
  LauncherEvent,
  LocalMessage,
} from "#runtime";
import { isolatorMachine } from "./machine.ts";
import { AGENT_ACTOR, ISOLATOR_ACTOR, type IsolatorRequest, tell } from "./messages.ts";
import {
  destroyed,
  exited,
  forget,
  kill,
  launch,
  launched,
  retry,
  update,
  updated,
} from "./lives.ts";
import { prepared, recover, recovered } from "./recovery.ts";
import { type IsolatorConfig, IsolatorState } from "./state.ts";
import { beginRound, measured, watchedOf } from "./watching.ts";

/** Containers of one usage request; the launcher reads them in one go. */
export const USAGE_CONTAINERS_MAX = 1_024;

export function isolatorBehaviour(config: IsolatorConfig): Behaviour<IsolatorState> {
  return {
    name: ISOLATOR_ACTOR,
    machine: isolatorMachine,
    state: new IsolatorState(config),
    step,
    entered: () => undefined,
    batchEnded: () => undefined,
  };
}

export function step(state: IsolatorState, input: Input, env: Env, out: Effect[]): void {
  if (input.family === "mail") return count(out, "isolator-mail", input.kind);
  if (input.family === "due") return due(state, input, env, out);
  if (input.what === "told") return told(state, input.by, input.message, env, out);
  if (input.what === "launcher") return fromLauncher(state, input.launcher, env, out);
}

function due(state: IsolatorState, { timer }: Due, env: Env, out: Effect[]): void {
  if (timer === "recover") return recover(state, out);
  const watched = watchedOf(timer);
  if (watched !== null) return beginRound(state, watched, out);
  const container = state.containers.get(timer.slice(timer.indexOf("/") + 1));
  if (container !== undefined) retry(state, container, env, out);
}

function told(
  state: IsolatorState,
  by: string,
  message: LocalMessage,
  env: Env,
  out: Effect[],
): void {
  if (by !== AGENT_ACTOR) return count(out, "isolator-told", by);
  const request = message as IsolatorRequest;
  if (request.kind === "RecoverContainers") {
    state.known = new Set(request.known);
    state.attempts = 0;
    out.push({ kind: "lifecycle", event: { type: "Recover" } });
    return recover(state, out);
  }
  if (request.kind === "LaunchContainer") return launch(state, request, env, out);
  if (request.kind === "SampleUsage") return sample(state, out);
  const container = state.containers.get(request.containerId);
  if (container === undefined) return missing(request, out);
  switch (request.kind) {
    case "KillContainer":
      return kill(container, request.graceMs, out);
    case "UpdateContainer":
      return update(state, container, request, out);
    case "ForgetContainer":
      return forget(container, out);
  }
}

/** A kill is answered, so that the agent is not left waiting; the others have no object. */
function missing(
  request: IsolatorRequest & { readonly containerId: ContainerId },
  out: Effect[],
): void {
  count(out, "isolator-unknown-container", request.kind);
  if (request.kind !== "KillContainer") return;
  const { containerId } = request;
  const message = "no container of this id is known on this node";
  out.push(tell({ kind: "ContainerRefused", containerId, reason: "unknown", message }));
}

function fromLauncher(state: IsolatorState, event: LauncherEvent, env: Env, out: Effect[]): void {
  switch (event.event) {
    case "exit": {
      const container = state.containers.get(event.exit.containerId);
      if (container !== undefined) exited(container, event.exit, out);
      return;
    }
    case "loss":
      return lost(event.loss.message, event.loss.retryInMs, out);
    case "answer":
      return answered(state, event, env, out);
  }
}

/** Open requests come back `launcherGone` and are asked again one by one. */
function lost(message: string, retryInMs: number | null, out: Effect[]): void {
  count(out, "launcher-lost", retryInMs === null ? "given-up" : "restarting");
  const level = retryInMs === null ? "error" : "warn";
  out.push({ kind: "log", level, sentence: `The launcher has ended: ${message}` });
  if (retryInMs !== null) return;
  out.push(tell({ kind: "IsolatorFailed", message: `the launcher was given up: ${message}` }));
}

function answered(
  state: IsolatorState,
  event: LauncherEvent & { readonly event: "answer" },
  env: Env,
  out: Effect[],
): void {
  if (event.call === "prepare") return prepared(state, event.answer, out);
  if (event.call === "recover") return recovered(state, event.answer, env, out);
  if (event.call === "usage") {
    state.sampling = false;
    if (!event.answer.ok) return count(out, "usage-failed", event.answer.reason);
    return void out.push(tell({ kind: "Usage", usages: event.answer.usages }));
  }
  if (event.call === "measure") return measured(state, event, out);
  const container = state.containers.get(event.token.slice(event.token.indexOf("/") + 1));
  if (container === undefined) return count(out, "late-answer", event.call);
  if (event.call === "launch") return launched(container, event.answer, out);
  if (event.call === "update") return updated(container, event.answer, out);
  if (event.call === "signal") return count(out, "late-answer", event.call);
  const gone = destroyed(container, event.call, event.answer as LauncherAnswer, env, out);
  if (gone) state.containers.delete(container.containerId);
}

function sample(state: IsolatorState, out: Effect[]): void {
  if (state.sampling) return;
  const containerIds: string[] = [];
  for (const container of state.containers.values()) {
    if (!container.launched || container.progress.step !== "destroying") continue;
    containerIds.push(container.containerId);
    if (containerIds.length === USAGE_CONTAINERS_MAX) break;
  }
  if (containerIds.length === 0) return;
  state.sampling = true;
  const request = { token: "usage", call: "usage", containerIds } as const;
  out.push({ kind: "launcher", request });
}

function count(out: Effect[], name: string, reason: string): void {
  out.push({ kind: "count", name, reason });
}

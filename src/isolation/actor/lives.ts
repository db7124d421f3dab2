/**
 * What happens to one container: launch, exit, kill, change of limits, destruction. Decides by
 * the state of the container's machine and asks the launcher; never touches another container.
 */
import type { ContainerId, Limitation } from "#protocol";
import type { ContainerExit, Effect, Env, LauncherAnswer, PidFacts } from "#runtime";
import { assign } from "../assign.ts";
import type { Assigned, ContainerLimits, ContainerResources, ContainerSpec } from "../container.ts";
import { afterDestroyAnswer, DESTROY_RETRY_MS_MAX } from "../destroy.ts";
import { type CgroupValues, standing } from "../cgroups/driver.ts";
import { mergeFor, planLaunch } from "../launch-plan.ts";
import { oomVerdict } from "../oom.ts";
import type { Watch } from "../watch.ts";
import { type ContainerRefusal, type LaunchSpec, tell } from "./messages.ts";
import {
  type Container,
  CONTAINERS_MAX,
  type IsolatorState,
  type Origin,
  REQUEST_RETRY_MS_MAX,
  REQUEST_RETRY_MS_MIN,
} from "./state.ts";

export function launch(
  state: IsolatorState,
  { containerId, spec }: { readonly containerId: ContainerId; readonly spec: LaunchSpec },
  env: Env,
  out: Effect[],
): void {
  const there = state.containers.get(containerId);
  if (there !== undefined) return void out.push(count("launch-repeated", there.life.state));
  if (state.containers.size >= CONTAINERS_MAX) {
    const message = `this node has ${CONTAINERS_MAX} containers, its most; end some first`;
    return void out.push(refusal(containerId, "busy", message));
  }
  const { machine, driver, isolators } = state.config;
  const assignment = assign(spec, machine, () => heldIn(state));
  if (!assignment.ok) return void out.push(refusal(containerId, "invalid", assignment.message));
  const container = state.add(containerId, false);
  const { assigned } = assignment;
  const bare = wholeSpec(state, containerId, spec, env.wallMs);
  const whole = assigned === undefined ? bare : { ...{}, ...bare, assigned };
  const planned = planLaunch({ spec: whole, machine, driver, isolators });
  if (!planned.ok) {
    container.life.send({ type: "Refused" });
    state.containers.delete(containerId);
    return void out.push(refusal(containerId, "invalid", planned.message));
  }
  container.origin = whole;
  container.values = planned.values;
  container.watch = planned.watch;
  container.plan = planned.plan;
  container.life.send({ type: "Isolate" });
  askLaunch(container, out);
}

/** What containers that are not gone yet were given of whole cpus and GPUs. */
function heldIn(state: IsolatorState): Assigned[] {
  return [...state.containers.values()].flatMap(({ origin, progress }) =>
    progress.step === "destroying" ? (origin?.assigned ?? []) : [],
  );
}

/** The nonce is the id: ids are drawn once and written down, so the same id is the same launch. */
function wholeSpec(
  state: IsolatorState,
  containerId: ContainerId,
  spec: LaunchSpec,
  wallMs: number,
): ContainerSpec {
  const { agentId, machine, logs } = state.config;
  return {
    ...{},
    ...spec,
    v: 1,
    containerId,
    nonce: containerId,
    agentId,
    bootId: state.bootId,
    createdAtMs: wallMs,
    cgroupMode: machine.cgroupMode,
    logs,
  };
}

function askLaunch(container: Container, out: Effect[]): void {
  const { plan, containerId } = container;
  if (plan === null) return;
  out.push({
    kind: "launcher",
    request: { token: `launch/${containerId}`, call: "launch", plan },
  });
}

export function launched(
  container: Container,
  answer: LauncherAnswer<{ readonly pids: PidFacts }>,
  out: Effect[],
): void {
  const { life, containerId } = container;
  if (answer.ok) {
    container.plan = null;
    container.launched = true;
    if (life.state !== "isolating") return;
    life.send({ type: "Launched" });
    out.push(tell({ kind: "ContainerLaunched", containerId, pids: answer.pids }));
    // The answer was lost and asked for again; the program may have ended meanwhile.
    if (container.exit !== null) exited(container, container.exit, out);
    return;
  }
  // A kill is on its way; its destroy is behind this launch and tells the end.
  if (life.state !== "isolating") return;
  if (answer.reason === "busy" || answer.reason === "launcherGone") {
    out.push(count("launch-retried", answer.reason));
    return void out.push(again(container, container.failures++));
  }
  if (answer.reason === "closed") return void out.push(count("launch-closed", answer.reason));
  life.send({ type: "Refused" });
  container.plan = null;
  container.progress = { step: "gone", failures: 0, message: answer.message };
  out.push(refusal(containerId, "launch-failed", answer.message));
}

export function kill(container: Container, graceMs: number, out: Effect[]): void {
  const { life, progress } = container;
  if (progress.step !== "destroying" || life.state === "destroyed") return;
  if (container.graceMs !== null && container.graceMs <= graceMs) return;
  container.graceMs = graceMs;
  if (life.state !== "stopping") life.send({ type: "Destroy" });
  out.push({ kind: "cancel-timer", name: `retry/${container.containerId}` });
  askDestroy(container, out);
}

export function exited(container: Container, exit: ContainerExit, out: Effect[]): void {
  container.exit ??= exit;
  if (container.life.state !== "running") return;
  container.life.send({ type: "Exited" });
  // Whatever the first process leaves behind has nobody who would end it.
  container.graceMs = 0;
  askDestroy(container, out);
}

export function askDestroy(container: Container, out: Effect[]): void {
  const { containerId, graceMs } = container;
  const token = `destroy/${containerId}`;
  out.push({ kind: "launcher", request: { token, call: "destroy", containerId, graceMs } });
}

function askForget({ containerId }: Container, out: Effect[]): void {
  const token = `forget/${containerId}`;
  out.push({ kind: "launcher", request: { token, call: "forget", containerId } });
}

/** True when nothing of the container is left and its record can go. */
export function destroyed(
  container: Container,
  call: "destroy" | "forget",
  answer: LauncherAnswer,
  env: Env,
  out: Effect[],
): boolean {
  const before = container.progress;
  const asked = before.step === "destroying" ? "destroy" : "forget";
  // Two destroys of different grace are answered both; the second answer has nothing to say.
  if (call !== asked) return false;
  const next = afterDestroyAnswer(before, answer);
  container.progress = next.progress;
  if (next.do !== "nothing") {
    const { failures, message } = next.progress;
    out.push(count(`${next.do}-retried`, answer.ok ? "ok" : answer.reason));
    if (next.inMs >= DESTROY_RETRY_MS_MAX) {
      const sentence = `A container cannot be ${next.do === "destroy" ? "ended" : "forgotten"}`;
      const fields = { containerId: container.containerId, failures, message: message ?? "" };
      out.push({ kind: "log", level: "error", sentence, fields });
    }
    out.push({ kind: "timer", name: `retry/${container.containerId}`, inMs: next.inMs });
    return false;
  }
  if (next.progress.step === "gone") return true;
  container.life.send({ type: "Destroyed" });
  if (container.orphan) askForget(container, out);
  else {
    out.push(ended(container, env.wallMs));
    if (container.forgettable) askForget(container, out);
  }
  return false;
}

/** How it ended, for the agent; said again when the agent asks again. */
export function ended(container: Container, wallMs: number): Effect {
  const { containerId, launched: ran, exit, values, limitation: overstepped } = container;
  if (!ran && exit === null) {
    return refusal(containerId, "killed", "killed before the program ran");
  }
  const told = exit ?? lostExit(containerId, wallMs);
  const limitation = overstepped ?? limitationOf(told, values?.memory?.hardBytes ?? null);
  const report = { kind: "ContainerExited", containerId, exit: told } as const;
  return tell(limitation === null ? report : { ...{}, ...report, limitation });
}

function limitationOf(
  exit: ContainerExit,
  hardBytes: number | "infinite" | null,
): Limitation | null {
  const verdict = oomVerdict(exit, hardBytes);
  if (verdict === null) return null;
  return {
    resource: "mem",
    detail: verdict.message,
    ...(typeof hardBytes === "number" ? { limitBytes: hardBytes } : {}),
    ...(exit.memoryPeakBytes === null ? {} : { peakBytes: exit.memoryPeakBytes }),
  };
}

/** Nobody saw it end and no status was written. */
export function lostExit(containerId: string, atMs: number): ContainerExit {
  return {
    containerId,
    outcome: "lost",
    code: null,
    signal: null,
    atMs,
    userMs: 0,
    systemMs: 0,
    maxRssKb: 0,
    oomKills: 0,
    memoryPeakBytes: null,
    logBytesDropped: 0,
  };
}

export function forget(container: Container, out: Effect[]): void {
  if (container.forgettable) return;
  container.forgettable = true;
  if (container.progress.step !== "destroying") askForget(container, out);
}

/** The pause is over: the request that stands is asked again. */
export function retry(state: IsolatorState, container: Container, _env: Env, out: Effect[]): void {
  const { life, progress } = container;
  if (state.containers.get(container.containerId) !== container) return;
  if (life.state === "isolating") askLaunch(container, out);
  else if (progress.step === "destroying") askDestroy(container, out);
  else askForget(container, out);
}

export function update(
  state: IsolatorState,
  container: Container,
  next: { readonly resources: ContainerResources; readonly limits: ContainerLimits },
  out: Effect[],
): void {
  const { origin, values, containerId } = container;
  if (origin === null || values === null || container.progress.step !== "destroying") return;
  const { resources, limits } = next;
  const changed = { ...{}, ...origin, resources, limits };
  const found = planAgain(state, changed);
  if (found === null) {
    const message = "the new limits contradict each other";
    return void out.push(tell({ kind: "ContainerUpdateFailed", containerId, message }));
  }
  const { values: planned, watch } = found;
  const steps = state.config.driver.update(containerId, values, planned);
  container.origin = changed;
  container.watch = watch;
  container.values = standing(values, planned);
  if (steps.length === 0) return;
  const token = `update/${containerId}`;
  out.push({ kind: "launcher", request: { token, call: "update", containerId, steps } });
}

export function updated(container: Container, answer: LauncherAnswer, out: Effect[]): void {
  if (answer.ok) return;
  const { containerId } = container;
  out.push(count("update-failed", answer.reason));
  const { message } = answer;
  out.push(tell({ kind: "ContainerUpdateFailed", containerId, message }));
}

/** What bounds a container whose argv and environment are not known any more. */
export function planAgain(
  state: IsolatorState,
  origin: Origin,
): { readonly values: CgroupValues; readonly watch: Watch } | null {
  const { machine, isolators, logs } = state.config;
  const spec: ContainerSpec = { ...{}, ...origin, argv: ["-"], env: {}, logs };
  const found = mergeFor({ spec, machine, isolators });
  return found.ok ? { values: found.merged.cgroups, watch: found.merged.watch } : null;
}

function again({ containerId }: Container, failures: number): Effect {
  const inMs = Math.min(REQUEST_RETRY_MS_MAX, REQUEST_RETRY_MS_MIN * 2 ** Math.min(failures, 10));
  return { kind: "timer", name: `retry/${containerId}`, inMs };
}

function refusal(containerId: ContainerId, reason: ContainerRefusal, message: string): Effect {
  return tell({ kind: "ContainerRefused", containerId, reason, message });
}

function count(name: string, reason: string): Effect {
  return { kind: "count", name, reason };
}

/**
 * Calls of frameworks: one switch, and the promise that a repeated number gets its first answer
 * (P-5.2). A call carries the epoch it was meant for (P-5.1); the host drops other epochs before.
 */
import type { BodyOf, MessageId, Peer } from "#protocol";
import type { MailOf } from "#runtime";
import { accept } from "./accept.ts";
import { complete, infoFault, sayDisplaced } from "./frameworks.ts";
import { inverseOffersAnswered } from "./maintenance.ts";
import { acknowledgeOperation, reconcileOperations } from "./operations.ts";
import { decline, frameworkSpec, revive, suppress } from "./offers.ts";
import { reconcile, reconcileOne, tellKnown } from "./reconcile.ts";
import type { FrameworkRecord } from "./records.ts";
import {
  ANSWERS_PER_FRAMEWORK_MAX,
  PROMISED_MAX,
  propose,
  refuse,
  say,
  type Turn,
} from "./state.ts";
import { killTask } from "./tasks.ts";
import { acknowledge, frameworkMessage } from "./updates.ts";
import { isTerminal } from "#protocol";

export type Call = MailOf<
  | "TEARDOWN"
  | "ACCEPT"
  | "DECLINE"
  | "REVIVE"
  | "SUPPRESS"
  | "KILL"
  | "SHUTDOWN"
  | "ACKNOWLEDGE"
  | "RECONCILE"
  | "MESSAGE"
  | "UPDATE_FRAMEWORK"
  | "ACKNOWLEDGE_OPERATION_STATUS"
  | "RECONCILE_OPERATIONS"
  | "ACCEPT_INVERSE_OFFERS"
  | "DECLINE_INVERSE_OFFERS"
>;

type Answer = BodyOf<"ANSWER">;
const DONE: Answer = { accepted: true };

export function called(turn: Turn, mail: Call): void {
  const { state } = turn;
  const { from, id } = mail;
  const framework = state.frameworksByPeer.get(from);
  if (framework?.connected !== true || framework.peer !== from) {
    if (state.displaced.has(from)) return sayDisplaced(turn, from);
    refuse(turn, "no-session", "calls");
    return answer(turn, from, id, refusal("not-allowed", "subscribe first"));
  }
  const first = id === 0 ? undefined : framework.answers.get(id);
  if (first !== undefined) return answer(turn, from, id, first);
  if (id !== 0 && id <= framework.answersForgotten) {
    const message = `call ${id} was answered long ago; its answer is forgotten`;
    return answer(turn, from, id, refusal("invalid", message));
  }
  if (id !== 0 && mail.epoch !== state.epoch) {
    return answer(turn, from, id, refusal("wrong-epoch", `this is epoch ${state.epoch}`));
  }
  const given = perform(turn, framework, mail);
  if (given === undefined) return;
  if (!given.accepted) refuse(turn, given.reason ?? "invalid", "calls");
  remember(framework, id, given);
  answer(turn, from, id, given);
}

function refusal(reason: NonNullable<Answer["reason"]>, message: string): Answer {
  return { accepted: false, reason, message };
}

/** Says the answer; a call without number wants none. */
export function answer(turn: Turn, peer: Peer, id: MessageId, given: Answer): void {
  if (id === 0) return;
  const framework = turn.state.frameworksByPeer.get(peer);
  if (framework !== undefined) framework.said += 1;
  say(turn, peer, { kind: "ANSWER", body: given, re: id });
}

/** Keeps the answer; being busy is none, the call is to be said again. */
export function remember(framework: FrameworkRecord, id: MessageId, given: Answer): void {
  if (id === 0 || given.reason === "busy") return;
  framework.answers.set(id, given);
  for (const oldest of framework.answers.keys()) {
    if (framework.answers.size <= ANSWERS_PER_FRAMEWORK_MAX) return;
    framework.answers.delete(oldest);
    framework.answersForgotten = Math.max(framework.answersForgotten, oldest);
  }
}

/** The answer; undefined where it comes when a record is committed. */
function perform(turn: Turn, framework: FrameworkRecord, mail: Call): Answer | undefined {
  switch (mail.kind) {
    case "ACCEPT":
      return accept(turn, framework, mail.body);
    case "DECLINE":
      decline(turn, framework, mail);
      return DONE;
    case "REVIVE":
    case "SUPPRESS":
      return changeRoles(turn, framework, mail);
    case "KILL":
      return kill(turn, framework, mail.body);
    case "SHUTDOWN":
      return shutdown(turn, framework, mail.body);
    case "ACKNOWLEDGE":
      acknowledge(turn, framework, mail);
      return DONE;
    case "RECONCILE":
      reconcile(turn, framework, mail.body);
      return DONE;
    case "MESSAGE":
      frameworkMessage(turn, framework, mail);
      return DONE;
    case "ACKNOWLEDGE_OPERATION_STATUS":
      acknowledgeOperation(turn, framework, mail.body);
      return DONE;
    case "RECONCILE_OPERATIONS":
      reconcileOperations(turn, framework, mail.body);
      return DONE;
    case "ACCEPT_INVERSE_OFFERS":
      inverseOffersAnswered(turn, framework, mail.body, "ACCEPT");
      return DONE;
    case "DECLINE_INVERSE_OFFERS":
      inverseOffersAnswered(turn, framework, mail.body, "DECLINE");
      return DONE;
    case "UPDATE_FRAMEWORK":
      return update(turn, framework, mail);
    case "TEARDOWN":
      return teardown(turn, framework, mail);
  }
}

function changeRoles(
  turn: Turn,
  framework: FrameworkRecord,
  { kind, body }: MailOf<"REVIVE" | "SUPPRESS">,
): Answer {
  const stranger = body.roles.find((role) => !framework.info.roles.includes(role));
  if (stranger !== undefined) {
    return refusal("invalid", `roles: ${stranger} is none of the framework's roles`);
  }
  if (kind === "REVIVE") revive(turn, framework, body.roles);
  else suppress(turn, framework, body.roles);
  return DONE;
}

/** A known task is killed by its agent; an unknown one is answered as reconciliation. */
function kill(turn: Turn, framework: FrameworkRecord, body: BodyOf<"KILL">): Answer {
  const task = framework.tasks.get(body.taskId);
  if (task === undefined) {
    reconcileOne(turn, framework, body.taskId, body.agentId);
    return DONE;
  }
  if (isTerminal(task.state)) tellKnown(turn, task);
  else killTask(turn, task, body.killPolicy);
  return DONE;
}

function shutdown(
  turn: Turn,
  { frameworkId }: FrameworkRecord,
  { executorId, agentId }: BodyOf<"SHUTDOWN">,
): Answer {
  const agent = turn.state.agents.get(agentId);
  if (agent?.condition !== "registered") {
    return refusal("agent-not-connected", `agent ${agentId} is not connected`);
  }
  say(turn, agent.peer, { kind: "ShutdownExecutor", body: { frameworkId, executorId } });
  return DONE;
}

function update(
  turn: Turn,
  framework: FrameworkRecord,
  { from, id, body }: MailOf<"UPDATE_FRAMEWORK">,
): Answer | undefined {
  const { state } = turn;
  const { frameworkId } = framework;
  const { frameworkInfo: info, suppressedRoles } = body;
  const fault = infoFault(info, suppressedRoles);
  if (fault !== undefined) return refusal("invalid", fault);
  for (const field of ["user", "checkpoint"] as const) {
    if (info[field] !== framework.info[field]) return refusal("invalid", `${field}: cannot change`);
  }
  const full = state.promised.length >= PROMISED_MAX;
  if (full || !propose(turn, { kind: "FrameworkUpdated", frameworkId, info })) {
    return refusal("busy", "the log is busy; call again");
  }
  framework.suppressedRoles = new Set(suppressedRoles);
  state.promised.push({ frameworkId, by: "FrameworkUpdated", to: { peer: from, id } });
  return undefined;
}

/** The log has the new description. */
export function frameworkUpdated(turn: Turn, frameworkId: FrameworkRecord["frameworkId"]): void {
  const { state } = turn;
  const framework = state.frameworks.get(frameworkId);
  const registered = state.registry.frameworks.get(frameworkId);
  if (framework === undefined || registered === undefined) return;
  framework.info = registered.info;
  if (framework.allocated) {
    state.allocator.updateFramework(frameworkId, frameworkSpec(framework));
    state.allocationWanted = true;
  }
  state.publisher.frameworkChanged(framework);
}

function teardown(
  turn: Turn,
  framework: FrameworkRecord,
  { from, id }: MailOf<"TEARDOWN">,
): Answer | undefined {
  const { state } = turn;
  if (state.promised.length >= PROMISED_MAX || !complete(turn, framework, "teardown")) {
    return refusal("busy", "the log is busy; call again");
  }
  const { frameworkId } = framework;
  state.promised.push({ frameworkId, by: "FrameworkCompleted", to: { peer: from, id } });
  return undefined;
}

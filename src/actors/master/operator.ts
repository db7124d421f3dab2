/**
 * Calls of people and gateways: one request, one reply, outside sessions. What changes something
 * is appended, then applied, then answered; a read is answered after a proof of lead, so that a
 * master that was replaced answers none (P-7.2).
 */
import { type BodyOf, KINDS, type MessageId, type OperatorCallKind } from "#protocol";
import type { Mail, MailOf } from "#runtime";
import { askWhy, explanationOf } from "./explain.ts";
import { complete } from "./frameworks.ts";
import { yieldLead } from "./speech.ts";
import { agentOrdered } from "./drain.ts";
import { maintenanceOrdered, whitelistOrdered } from "./maintenance.ts";
import { type Answer, refusal } from "./orders.ts";
import { operatorOperation } from "./operations.ts";
import { removeQuota, updateQuota, updateWeight } from "./quota.ts";
import { PROMISED_MAX, refuse, say, type Turn, type WaitingRead } from "./state.ts";
import { resize } from "./resize.ts";
import { killTask } from "./tasks.ts";

export type OperatorCall = MailOf<OperatorCallKind>;

/** Records that give the lead away came with this version (P-7.8). */
const YIELD_VERSION = 2;

const DONE: Answer = { accepted: true };

export function operatorCalled(turn: Turn, mail: OperatorCall): void {
  const { reply, id } = mail;
  if (reply === undefined) return refuse(turn, "invalid", "operator-calls");
  const given = turn.state.muted
    ? refusal("mute", "the leader cannot prove its lead right now; ask again")
    : perform(turn, mail, reply);
  if (given === undefined) return;
  if (!given.accepted) refuse(turn, given.reason ?? "invalid", "operator-calls");
  answerOperator(turn, reply, id, given);
}

export function answerOperator(
  { state, out }: Turn,
  reply: string,
  id: MessageId,
  given: Answer,
): void {
  const body = { ...{}, ...given, epoch: state.epoch };
  out.push({ kind: "reply", reply, message: { kind: "OPERATOR_ANSWER", body, re: id } });
}

/** The answer; undefined where it comes later. */
function perform(turn: Turn, mail: OperatorCall, reply: string): Answer | undefined {
  switch (mail.kind) {
    case "OPERATOR_TEARDOWN":
      return teardown(turn, mail, reply);
    case "OPERATOR_KILL":
      return kill(turn, mail.body);
    case "OPERATOR_UPDATE_TASK":
      return updateTask(turn, mail.body);
    case "OPERATOR_EXPLAIN":
      return askWhy(turn, mail, reply);
    case "OPERATOR_UPDATE_QUOTA":
      return updateQuota(turn, mail, reply);
    case "OPERATOR_REMOVE_QUOTA":
      return removeQuota(turn, mail, reply);
    case "OPERATOR_UPDATE_WEIGHT":
      return updateWeight(turn, mail, reply);
    case "OPERATOR_OPEN_STREAM":
      return openStream(turn, mail.body);
    case "OPERATOR_CLOSE_STREAM":
      return closeStream(turn, mail.body);
    case "OPERATOR_APPLY_OPERATION":
      return operatorOperation(turn, mail, reply);
    case "OPERATOR_DRAIN_AGENT":
    case "OPERATOR_DEACTIVATE_AGENT":
    case "OPERATOR_REACTIVATE_AGENT":
    case "OPERATOR_MARK_AGENT_GONE":
      return agentOrdered(turn, mail, reply);
    case "OPERATOR_SCHEDULE_MAINTENANCE":
    case "OPERATOR_START_MAINTENANCE":
    case "OPERATOR_STOP_MAINTENANCE":
      return maintenanceOrdered(turn, mail, reply);
    case "OPERATOR_WHITELIST":
      return whitelistOrdered(turn, mail, reply);
    case "OPERATOR_TRANSFER":
      return transfer(turn, mail, reply);
    case "OPERATOR_SET_LOG_LEVEL":
      turn.out.push({ kind: "set-log-level", level: mail.body.level });
      return DONE;
    case "OPERATOR_SNAPSHOT":
      turn.state.publisher.snapshot(turn.state.settings.masterId, turn.state);
      return DONE;
  }
}

/** Answered first: from the yield on this master says nothing any more. */
function transfer(
  turn: Turn,
  { body, id }: MailOf<"OPERATOR_TRANSFER">,
  reply: string,
): Answer | undefined {
  const { state } = turn;
  const { masterId } = state.settings;
  if (body.masterId !== undefined && body.masterId !== masterId) {
    return refusal("not-found", `masterId: ${body.masterId} does not lead, ${masterId} does`);
  }
  if (state.exclusive) {
    return refusal("invalid", "this log is in files of one machine: no other master can lead");
  }
  if (state.registry.minimumVersion < YIELD_VERSION) {
    const why = `masters that know version ${YIELD_VERSION} only; stop the leader instead`;
    return refusal("invalid", `the lead can be given to ${why}`);
  }
  answerOperator(turn, reply, id, DONE);
  yieldLead(turn);
  return undefined;
}

function teardown(
  turn: Turn,
  { body, id }: MailOf<"OPERATOR_TEARDOWN">,
  reply: string,
): Answer | undefined {
  const { state } = turn;
  const { frameworkId } = body;
  const framework = state.frameworks.get(frameworkId);
  if (framework === undefined || framework.ended) {
    return refusal("not-found", `frameworkId: ${frameworkId} is not known; see framework list`);
  }
  if (state.promised.length >= PROMISED_MAX || !complete(turn, framework, "operator")) {
    return refusal("busy", "the log is busy; call again");
  }
  state.promised.push({ frameworkId, by: "FrameworkCompleted", to: { reply, id } });
  return undefined;
}

function kill(turn: Turn, body: BodyOf<"OPERATOR_KILL">): Answer {
  const { frameworkId, taskId, killPolicy } = body;
  const task = turn.state.frameworks.get(frameworkId)?.tasks.get(taskId);
  if (task === undefined) {
    return refusal("not-found", `taskId: ${taskId} of ${frameworkId} is not known or has ended`);
  }
  killTask(turn, task, killPolicy);
  return DONE;
}

function updateTask(turn: Turn, body: BodyOf<"OPERATOR_UPDATE_TASK">): Answer {
  const { frameworkId, taskId, amounts } = body;
  const task = turn.state.frameworks.get(frameworkId)?.tasks.get(taskId);
  if (task === undefined) {
    return refusal("not-found", `taskId: ${taskId} of ${frameworkId} is not known or has ended`);
  }
  const flaw = resize(turn, task, amounts);
  return flaw === undefined ? DONE : refusal(flaw.reason, flaw.message);
}

/** Have the agent send a log; what it is answered with goes over the stream. */
function openStream(turn: Turn, body: BodyOf<"OPERATOR_OPEN_STREAM">): Answer {
  const { agentId, ...stream } = body;
  const agent = turn.state.agents.get(agentId);
  if (agent?.condition !== "registered") {
    return refusal("agent-not-connected", `agentId: ${agentId} is not connected; its logs wait`);
  }
  say(turn, agent.peer, { kind: "OpenStream", body: stream });
  return DONE;
}

function closeStream(turn: Turn, body: BodyOf<"OPERATOR_CLOSE_STREAM">): Answer {
  const { agentId, streamId } = body;
  const agent = turn.state.agents.get(agentId);
  if (agent?.condition !== "registered") {
    return refusal("agent-not-connected", `agentId: ${agentId} is not connected`);
  }
  say(turn, agent.peer, { kind: "CloseStream", body: { streamId } });
  return DONE;
}

/** The lead is proven after the question was asked: what stands here now is the answer. */
export function answerRead(turn: Turn, { reply, id, question }: WaitingRead): void {
  const explanation = explanationOf(turn, question);
  answerOperator(turn, reply, id, { accepted: true, explanation });
}

const OPERATOR_KINDS: ReadonlySet<string> = new Set(
  Object.keys(KINDS).filter((kind) => kind.startsWith("OPERATOR_") && kind !== "OPERATOR_ANSWER"),
);

export function isOperatorCall(mail: Mail): mail is OperatorCall {
  return OPERATOR_KINDS.has(mail.kind);
}

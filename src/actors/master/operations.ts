/**
 * Operations on resources, frameworks' and operators' (P-8.1). A framework's takes effect here at
 * once and goes to the agent before the launches that rest on it; an operator's is intent in the
 * log first, and stays there until the agent has it on disk. The agent's word is the truth: where
 * it refuses what was counted here, its session ends and it registers with what it has.
 */
import {
  type AgentId,
  type BodyOf,
  isOperationOver,
  type OfferOperation,
  type OperationRecord,
  type OperationState,
  type OperationStatus,
  type Uuid,
} from "#protocol";
import type { RegisteredOperation } from "#replication";
import { type Converted, conversionOf, Resources } from "#resources";
import type { MailOf } from "#runtime";
import { operatorFault } from "./operation-rules.ts";
import { rescind } from "./offers.ts";
import type { Answer } from "./orders.ts";
import type { AgentCondition, AgentRecord, FrameworkRecord, OpenOperation } from "./records.ts";
import {
  note,
  OPERATIONS_OPEN_MAX,
  OPERATIONS_VERSION,
  propose,
  refuse,
  say,
  type Turn,
} from "./state.ts";
import { roomOf } from "./tell.ts";
import { registeredAgent } from "./updates.ts";

/** An operation of an ACCEPT that is none on tasks. */
export type OfferedOperation = Exclude<OfferOperation, { type: "LAUNCH" | "LAUNCH_GROUP" }>;
type Said = Pick<OperationStatus, "state"> & Partial<OperationStatus>;

// ---- frameworks'

/** Counted here, and sent: what comes behind it in the same session may rest on it. */
export function applyOffered(
  turn: Turn,
  {
    framework,
    agent,
    role,
  }: {
    readonly framework: FrameworkRecord;
    readonly agent: AgentRecord;
    readonly role: string;
  },
  { type, resources, id }: OfferedOperation,
): Converted {
  const { state, env } = turn;
  const operation = { type, resources };
  const change = conversionOf(operation);
  state.allocator.updateAllocation(framework.frameworkId, agent.agentId, role, [change]);
  const open: OpenOperation = {
    operationUuid: env.random.uuid(),
    frameworkId: framework.frameworkId,
    operationId: id,
    operation,
    status: { state: "OPERATION_PENDING", agentId: agent.agentId },
    counted: true,
  };
  if (id !== undefined) framework.operations.set(id, open);
  begin(turn, agent, open);
  return change;
}

/** The agent has other resources now, as far as is known here. */
function begin(turn: Turn, agent: AgentRecord, open: OpenOperation): void {
  const { state } = turn;
  const { operationUuid, frameworkId, operationId, operation } = open;
  agent.operations.set(operationUuid, open);
  if (open.counted === true) {
    const resources = state.allocator.total(agent.agentId).toWire();
    agent.info = { ...{}, ...agent.info, resources };
  }
  state.publisher.agentChanged(agent);
  const body = {
    operationUuid,
    ...(frameworkId === undefined ? {} : { frameworkId }),
    ...(operationId === undefined ? {} : { operationId }),
    operation,
  };
  say(turn, agent.peer, { kind: "ApplyOperation", body });
}

/** The operation does not come to be; told where the framework wants to hear of it. */
export function refuseOffered(
  turn: Turn,
  framework: FrameworkRecord,
  operationId: OperationStatus["operationId"],
  said: Said,
): void {
  refuse(turn, "invalid", "operations-not-done");
  if (operationId !== undefined) tellOperation(turn, framework, { ...{}, ...said, operationId });
}

/** A framework without room is told when its agent says it again, or when it asks. */
export function tellOperation(
  turn: Turn,
  framework: FrameworkRecord,
  status: OperationStatus,
): void {
  const { peer, connected } = framework;
  if (peer === undefined || !connected) return refuse(turn, "no-session", "operations-untold");
  if (roomOf(turn, framework) <= 0) return refuse(turn, "framework-slow", "operations-untold");
  framework.said += 1;
  say(turn, peer, { kind: "UPDATE_OPERATION_STATUS", body: { status } });
}

/** What is known of the operations of one that has subscribed. */
export function tellOpenOperations(turn: Turn, framework: FrameworkRecord): void {
  for (const { status } of framework.operations.values()) {
    if (status.uuid !== undefined) tellOperation(turn, framework, status);
  }
}

export function acknowledgeOperation(
  turn: Turn,
  framework: FrameworkRecord,
  { operationId, agentId, uuid }: BodyOf<"ACKNOWLEDGE_OPERATION_STATUS">,
): void {
  const open = framework.operations.get(operationId);
  const agent = turn.state.agents.get(agentId);
  if (open?.status.uuid !== uuid) return refuse(turn, "not-found", "operation-acknowledgements");
  if (agent?.condition !== "registered") {
    // Not kept: the agent will say it again, and it will be acknowledged again.
    return refuse(turn, "agent-not-connected", "operation-acknowledgements");
  }
  close(turn, agent, open);
}

/** Nobody waits for its status any more: the agent forgets it. */
function close(turn: Turn, agent: AgentRecord, open: OpenOperation): void {
  forget(turn, agent, open);
  const { uuid } = open.status;
  if (uuid === undefined) return;
  const body = { operationUuid: open.operationUuid, statusUuid: uuid };
  say(turn, agent.peer, { kind: "OperationStatusAcknowledgement", body });
}

function forget({ state }: Turn, agent: AgentRecord, open: OpenOperation): void {
  const { operationUuid, frameworkId, operationId } = open;
  agent.operations.delete(operationUuid);
  state.publisher.agentChanged(agent);
  const framework = frameworkId === undefined ? undefined : state.frameworks.get(frameworkId);
  if (operationId === undefined || framework?.operations.get(operationId) !== open) return;
  framework.operations.delete(operationId);
}

/** A completed framework hears of nothing: what its agents have to say of it is acknowledged. */
export function closeOperationsOf(turn: Turn, framework: FrameworkRecord): void {
  for (const open of [...framework.operations.values()]) {
    const agent = agentOf(turn, open);
    if (agent?.condition === "registered" && open.status.uuid !== undefined) {
      close(turn, agent, open);
    }
  }
  framework.operations.clear();
}

function agentOf({ state }: Turn, { status }: OpenOperation): AgentRecord | undefined {
  return status.agentId === undefined ? undefined : state.agents.get(status.agentId);
}

// ---- reconciliation

/** What there is to say of an operation that nobody here knows; as for tasks (mesos.md §1.6). */
export function reconciledOperation(
  agent: AgentCondition | "unknown" | "unnamed",
  anyAbsent: boolean,
): OperationState {
  switch (agent) {
    case "absent":
      return "OPERATION_RECOVERING";
    case "unreachable":
      return "OPERATION_UNREACHABLE";
    case "gone":
      return "OPERATION_GONE_BY_OPERATOR";
    case "registered":
    case "disconnected":
    case "unknown":
      return "OPERATION_UNKNOWN";
    case "unnamed":
      return anyAbsent ? "OPERATION_RECOVERING" : "OPERATION_UNKNOWN";
  }
}

export function reconcileOperations(
  turn: Turn,
  framework: FrameworkRecord,
  { operations }: BodyOf<"RECONCILE_OPERATIONS">,
): void {
  const { state } = turn;
  const anyAbsent = state.missing.size > 0;
  for (const { operationId, agentId } of operations) {
    const open = framework.operations.get(operationId);
    if (open !== undefined) {
      tellOperation(turn, framework, { ...{}, ...open.status, operationId });
      continue;
    }
    const condition = agentId === undefined ? "unnamed" : conditionOf(turn, agentId);
    tellOperation(turn, framework, {
      operationId,
      state: reconciledOperation(condition, anyAbsent),
      message: `the operation is not known; its agent is ${condition}`,
      ...(agentId === undefined ? {} : { agentId }),
    });
  }
}

function conditionOf({ state }: Turn, agentId: AgentId): AgentCondition | "unknown" {
  const condition = state.agents.get(agentId)?.condition;
  if (condition !== undefined) return condition;
  const registered = state.registry.agents.get(agentId)?.condition;
  return registered === "admitted" ? "absent" : (registered ?? "unknown");
}

// ---- the agent's word

export function operationStatus(turn: Turn, { from, body }: MailOf<"OperationStatusUpdate">): void {
  const agent = registeredAgent(turn, from);
  if (agent !== undefined) settle(turn, agent, body);
}

function settle(turn: Turn, agent: AgentRecord, said: OperationRecord): void {
  const { state } = turn;
  const known = agent.operations.get(said.operationUuid);
  const open = known ?? reported(turn, agent, said);
  const isNews = open.status.uuid !== said.status.uuid;
  open.status = said.status;
  if (isNews) state.publisher.agentChanged(agent);
  const done = said.status.state === "OPERATION_FINISHED";
  if (open.counted !== undefined && open.counted !== done) return disbelieve(turn, agent);
  open.counted = undefined;
  const { frameworkId, operationId } = open;
  if (frameworkId === undefined) return settleIntent(turn, agent, open);
  const framework = state.frameworks.get(frameworkId);
  if (framework === undefined || framework.ended || operationId === undefined) {
    return close(turn, agent, open);
  }
  tellOperation(turn, framework, said.status);
}

/** One that an earlier leader, or an earlier session, has sent. */
function reported({ state }: Turn, agent: AgentRecord, said: OperationRecord): OpenOperation {
  const { operationUuid, frameworkId, operation, status } = said;
  const { operationId } = status;
  const open: OpenOperation = {
    operationUuid,
    frameworkId,
    operationId,
    operation,
    status: { state: "OPERATION_PENDING", agentId: agent.agentId },
    counted: undefined,
  };
  agent.operations.set(operationUuid, open);
  const framework = frameworkId === undefined ? undefined : state.frameworks.get(frameworkId);
  if (operationId !== undefined) framework?.operations.set(operationId, open);
  return open;
}

/** What was counted here is not so: the agent says anew what it has (P-3.1). */
function disbelieve(turn: Turn, agent: AgentRecord): void {
  const { agentId, peer } = agent;
  refuse(turn, "overcommitted", "operations-refused-by-agents");
  note(turn, "warn", "an agent refused an operation that was counted; it registers anew", {
    agentId,
  });
  turn.state.toClose.add(peer);
}

/** The session of a registered agent began: what it lists is settled, what it lacks is not there. */
export function enrolOperations(
  turn: Turn,
  agent: AgentRecord,
  listed: readonly OperationRecord[],
): void {
  const { state } = turn;
  const there = new Set(listed.map(({ operationUuid }) => operationUuid));
  for (const open of [...agent.operations.values()]) {
    // Its resources are what the agent says that they are.
    open.counted = undefined;
    if (there.has(open.operationUuid)) continue;
    forget(turn, agent, open);
    dropped(turn, open);
  }
  for (const each of listed) settle(turn, agent, each);
  if (state.registry.operations.size === 0) return;
  for (const intent of state.registry.operations.values()) {
    if (intent.agentId !== agent.agentId || there.has(intent.operationUuid)) continue;
    beginIntent(turn, agent, intent);
  }
}

/** Sent in a session that has ended, and never come there. */
function dropped(turn: Turn, { frameworkId, operationId, status }: OpenOperation): void {
  if (frameworkId === undefined || operationId === undefined) return;
  const framework = turn.state.frameworks.get(frameworkId);
  if (framework === undefined || isOperationOver(status.state)) return;
  const message = "the agent registered again without it";
  const { agentId } = status;
  const named = agentId === undefined ? {} : { agentId };
  tellOperation(turn, framework, { operationId, state: "OPERATION_DROPPED", message, ...named });
}

/** The agent is unreachable, or gone for good. */
export function operationsLost(turn: Turn, agent: AgentRecord, how: "unreachable" | "gone"): void {
  const { state } = turn;
  const said = how === "gone" ? "OPERATION_GONE_BY_OPERATOR" : "OPERATION_UNREACHABLE";
  for (const open of [...agent.operations.values()]) {
    const { frameworkId, operationId } = open;
    const framework = frameworkId === undefined ? undefined : state.frameworks.get(frameworkId);
    forget(turn, agent, open);
    if (framework === undefined || operationId === undefined) continue;
    const { agentId } = agent;
    tellOperation(turn, framework, { operationId, state: said, agentId });
  }
  answerAway(turn, agent.agentId, how);
}

// ---- operators'

/** The answer; undefined where it comes when the agent has done it. */
export function operatorOperation(
  turn: Turn,
  { body, id }: MailOf<"OPERATOR_APPLY_OPERATION">,
  reply: string,
): Answer | undefined {
  const { state, env } = turn;
  const { agentId, ...operation } = body;
  const agent = state.agents.get(agentId);
  if (agent === undefined || state.registry.agents.get(agentId)?.condition !== "admitted") {
    const message = `agentId: ${agentId} is not known, unreachable or gone; see agent list`;
    return { accepted: false, reason: "not-found", message };
  }
  const { minimumVersion, operations } = state.registry;
  if (minimumVersion < OPERATIONS_VERSION) {
    const message = `a master that led does not know version ${OPERATIONS_VERSION}; upgrade it first`;
    return { accepted: false, reason: "invalid", message };
  }
  const { total, used } = holdings(agent);
  const free = total.subtract(used);
  const world = { agent: agent.info, free, total, open: openOf(turn, agent) };
  const fault = operatorFault(operation, world);
  if (fault !== undefined) return { accepted: false, reason: "invalid", message: fault };
  const operationUuid = env.random.uuid();
  const full = operations.size + state.operationCalls.size >= OPERATIONS_OPEN_MAX;
  if (full || !propose(turn, { kind: "OperationOpened", operationUuid, agentId, operation })) {
    return { accepted: false, reason: "busy", message: "the log is busy; call again" };
  }
  state.operationCalls.set(operationUuid, { agentId, reply, id });
  return undefined;
}

function openOf({ state }: Turn, agent: AgentRecord): number {
  let open = agent.operations.size;
  for (const { agentId } of state.operationCalls.values()) if (agentId === agent.agentId) open += 1;
  return open;
}

/** What the agent has, and what of it tasks and executors use; without allocation roles. */
function holdings({ info, tasks, executors }: AgentRecord) {
  let used = Resources.EMPTY;
  for (const { holds, resources } of tasks) if (holds) used = used.add(resources.unallocate());
  for (const { resources } of executors.values()) used = used.add(resources.unallocate());
  return { total: Resources.fromWire(info.resources), used };
}

/** The log has the intent. */
export function operationOpened(turn: Turn, operationUuid: Uuid): void {
  const { state } = turn;
  const intent = state.registry.operations.get(operationUuid);
  const agent = intent === undefined ? undefined : state.agents.get(intent.agentId);
  if (intent !== undefined && agent?.condition === "registered") {
    return beginIntent(turn, agent, intent);
  }
  const call = state.operationCalls.get(operationUuid);
  if (call !== undefined) answerAway(turn, call.agentId, agent?.condition ?? "gone");
}

/** Offers in its way are taken back; what nobody holds is as it will be, from here on. */
function beginIntent(turn: Turn, agent: AgentRecord, intent: RegisteredOperation): void {
  const { state } = turn;
  const { operationUuid, operation } = intent;
  const change = conversionOf(operation);
  makeFree(turn, agent, change.consumed);
  const counted = state.allocator.updateAvailable(agent.agentId, [change]);
  begin(turn, agent, {
    operationUuid,
    frameworkId: undefined,
    operationId: undefined,
    operation,
    status: { state: "OPERATION_PENDING", agentId: agent.agentId },
    counted,
  });
}

function makeFree(turn: Turn, agent: AgentRecord, wanted: Resources): void {
  const { allocator, offers } = turn.state;
  for (const offerId of [...agent.offers].reverse()) {
    if (allocator.free(agent.agentId).contains(wanted)) return;
    const offer = offers.get(offerId);
    if (offer === undefined) continue;
    const held = offer.resources.unallocate();
    if (held.subtract(wanted).equals(held)) continue;
    rescind(turn, offer, "rescinded", "an operator changes what it holds");
  }
}

/** The agent has an operator's operation on disk: closed in the log, then acknowledged. */
function settleIntent(turn: Turn, agent: AgentRecord, open: OpenOperation): void {
  const { state } = turn;
  const { operationUuid, status } = open;
  if (status.uuid === undefined) return answerCall(turn, operationUuid, status);
  if (!state.registry.operations.has(operationUuid)) return close(turn, agent, open);
  if (state.closing.has(operationUuid)) return;
  if (!propose(turn, { kind: "OperationClosed", operationUuid })) return refuse(turn, "busy");
  state.closing.add(operationUuid);
}

export function operationClosed(turn: Turn, operationUuid: Uuid): void {
  const { state } = turn;
  state.closing.delete(operationUuid);
  for (const agent of state.agents.values()) {
    const open = agent.operations.get(operationUuid);
    if (open === undefined) continue;
    answerCall(turn, operationUuid, open.status);
    if (agent.condition === "registered") close(turn, agent, open);
    return;
  }
  // Its agent was lost between its word and the log's: it says it again when it returns.
  answerCall(turn, operationUuid, { state: "OPERATION_FINISHED" });
}

function answerCall(turn: Turn, operationUuid: Uuid, { state, message }: OperationStatus): void {
  const call = turn.state.operationCalls.get(operationUuid);
  if (call === undefined) return;
  turn.state.operationCalls.delete(operationUuid);
  const given: Answer =
    state === "OPERATION_FINISHED"
      ? { accepted: true, message: `operation ${operationUuid}: the agent has done it` }
      : { accepted: false, reason: "overcommitted", message: message ?? `it is ${state}` };
  answer(turn, call, given);
}

/** Whoever waits for the agent hears that it is away, and what becomes of the operation. */
export function answerAway(turn: Turn, agentId: AgentId, how: AgentCondition): void {
  const { operationCalls, registry } = turn.state;
  for (const [operationUuid, call] of operationCalls) {
    // What is not in the log yet is answered when it is.
    if (call.agentId !== agentId || (how !== "gone" && !registry.operations.has(operationUuid))) {
      continue;
    }
    operationCalls.delete(operationUuid);
    const message =
      how === "gone"
        ? `agentId: ${agentId} is gone, and the operation with it`
        : `operation ${operationUuid}: agent ${agentId} is ${how}; it is done when it registers`;
    answer(
      turn,
      call,
      how === "gone"
        ? { accepted: false, reason: "not-found", message }
        : { accepted: true, message },
    );
  }
}

function answer(
  { state, out }: Turn,
  { reply, id }: { readonly reply: string; readonly id: number },
  given: Answer,
): void {
  const body = { ...{}, ...given, ...state.publisher.seenFrom(state), epoch: state.epoch };
  out.push({ kind: "reply", reply, message: { kind: "OPERATOR_ANSWER", body, re: id } });
}

/**
 * ACCEPT: offers of one agent and one role are taken, operations run in order against what is
 * left of them, the rest goes back refused for a while (mesos.md §1.3). One stale offer voids the
 * call; one invalid task only itself.
 */
import type {
  ExecutorInfo,
  BodyOf,
  CallReason,
  OfferOperation,
  StatusReason,
  TaskInfo,
  TaskState,
} from "#protocol";
import { Resources } from "#resources";
import {
  allocated,
  groupFault,
  type LaunchContext,
  type LaunchGroup,
  taskFault,
  tasksOf,
  wanted,
  withExecutor,
} from "./accept-rules.ts";
import { endOffer, recoverOffered, refuseMsOf } from "./offers.ts";
import {
  type AgentRecord,
  executorKey,
  type FrameworkRecord,
  type OfferRecord,
  type TaskRecord,
} from "./records.ts";
import { offeredFault } from "./operation-rules.ts";
import { applyOffered, type OfferedOperation, refuseOffered } from "./operations.ts";
import { tellKnown } from "./reconcile.ts";
import { refuse, say, type Turn } from "./state.ts";
import { addExecutor, addTask } from "./tasks.ts";
import { masterStatus, tell } from "./tell.ts";

type Answer = BodyOf<"ANSWER">;
type Accept = BodyOf<"ACCEPT">;

interface Fault {
  readonly reason: CallReason;
  readonly message: string;
  /** What the tasks of the call are told. */
  readonly status: StatusReason;
}

/** Offers that stand and belong together. */
interface Taken {
  readonly agent: AgentRecord;
  readonly role: string;
  remaining: Resources;
  /** What operations of this call have made; what is left of it is no refusal. */
  made: Resources;
}

export function accept(turn: Turn, framework: FrameworkRecord, body: Accept): Answer {
  const offers = body.offerIds.flatMap((offerId) => {
    const offer = turn.state.offers.get(offerId);
    return offer?.frameworkId === framework.frameworkId ? [offer] : [];
  });
  const taken = judgeOffers(turn, framework, body, offers);
  const one = new Set(offers);
  for (const offer of one) endOffer(turn, offer, "accepted");
  if (one.size > 0) answered(turn, framework);
  if ("reason" in taken) {
    for (const offer of one) recoverOffered(turn, offer, offer.resources, undefined);
    return voidCall(turn, framework, body, taken);
  }
  for (const operation of body.operations) perform(turn, framework, taken, operation);
  const [first] = offers;
  if (first !== undefined) {
    const left = taken.remaining.subtract(taken.made);
    recoverOffered(turn, first, left, refuseMsOf(turn, body.filters));
    recoverOffered(turn, first, taken.remaining.subtract(left), undefined);
  }
  return { accepted: true };
}

/** Whoever answers is no hoarder, or none any more. */
function answered({ state }: Turn, { frameworkId }: FrameworkRecord): void {
  state.allocator.offerAnswered(frameworkId);
  state.allocationWanted = true;
}

/** In the order of mesos.md §3.4; the first failure is the message. */
function judgeOffers(
  { state }: Turn,
  { frameworkId }: FrameworkRecord,
  { offerIds }: Accept,
  offers: readonly OfferRecord[],
): Taken | Fault {
  const status = "REASON_INVALID_OFFERS";
  if (new Set(offerIds).size !== offerIds.length) {
    return { reason: "invalid", message: "offerIds: an offer occurs twice", status };
  }
  for (const offerId of offerIds) {
    const offer = state.offers.get(offerId);
    if (offer?.frameworkId === frameworkId) continue;
    const end = offer === undefined ? state.offersEnded.get(offerId) : undefined;
    const message = `offer ${offerId} is not outstanding${end === undefined ? "" : `: it was ${end}`}`;
    if (end === "expired") return { reason: "offer-expired", message, status };
    if (end === "rescinded") return { reason: "offer-rescinded", message, status };
    return { reason: "offer-not-outstanding", message, status };
  }
  const [first] = offers;
  if (first === undefined) return { reason: "invalid", message: "offerIds: none", status };
  const { role, agentId } = first;
  if (offers.some((offer) => offer.role !== role)) {
    return { reason: "invalid", message: "offerIds: offers of more than one role", status };
  }
  if (offers.some((offer) => offer.agentId !== agentId)) {
    return { reason: "invalid", message: "offerIds: offers of more than one agent", status };
  }
  const agent = state.agents.get(agentId);
  if (agent?.condition !== "registered") {
    const message = `agent ${agentId} is not connected`;
    return { reason: "agent-not-connected", message, status: "REASON_AGENT_DISCONNECTED" };
  }
  const remaining = offers.reduce((sum, { resources }) => sum.add(resources), Resources.EMPTY);
  return { agent, role, remaining, made: Resources.EMPTY };
}

/** Nothing of the call is done: its tasks are dropped, those that are known say their state. */
function voidCall(turn: Turn, framework: FrameworkRecord, body: Accept, fault: Fault): Answer {
  const { reason, message, status } = fault;
  refuse(turn, reason, "accepts");
  for (const info of tasksOf(body)) fail(turn, framework, info, "TASK_DROPPED", status, message);
  for (const operation of body.operations) {
    if (operation.type === "LAUNCH" || operation.type === "LAUNCH_GROUP") continue;
    refuseOffered(turn, framework, operation.id, { state: "OPERATION_ERROR", message });
  }
  return { accepted: false, reason, message };
}

/** The task does not come to be. A known id is never said to have failed (P-5.2). */
function fail(
  turn: Turn,
  framework: FrameworkRecord,
  info: TaskInfo,
  state: TaskState,
  reason: StatusReason,
  message: string,
): void {
  const known = framework.tasks.get(info.taskId);
  if (known !== undefined) return tellKnown(turn, known);
  refuse(turn, "invalid", "tasks-not-launched");
  const status = masterStatus(turn, info, state, { reason, message });
  tell(turn, framework.frameworkId, status);
}

function perform(
  turn: Turn,
  framework: FrameworkRecord,
  taken: Taken,
  operation: OfferOperation,
): void {
  if (operation.type === "LAUNCH_GROUP") return launchGroup(turn, framework, taken, operation);
  if (operation.type !== "LAUNCH") return change(turn, framework, taken, operation);
  for (const info of operation.taskInfos) {
    const known = framework.tasks.get(info.taskId);
    if (known !== undefined) {
      refuse(turn, "task-known", "tasks-not-launched");
      tellKnown(turn, known);
      continue;
    }
    const fault = taskFault(info, contextOf(turn, framework, taken));
    if (fault === undefined) launchTask(turn, framework, taken, info);
    else fail(turn, framework, info, "TASK_ERROR", "REASON_TASK_INVALID", fault);
  }
}

/** RESERVE and its like: what comes behind it in this call may use what it makes. */
function change(
  turn: Turn,
  framework: FrameworkRecord,
  taken: Taken,
  operation: OfferedOperation,
): void {
  const { agent, role } = taken;
  const { id } = operation;
  const twice = id !== undefined && framework.operations.has(id);
  const fault = twice
    ? `id: operation ${id} is under way`
    : offeredFault(operation, {
        agent: agent.info,
        free: taken.remaining.unallocate(),
        total: Resources.fromWire(agent.info.resources),
        open: agent.operations.size,
        role,
        framework: framework.info,
        principal: framework.principal,
      });
  if (fault !== undefined) {
    const said = { state: "OPERATION_ERROR", message: fault, agentId: agent.agentId } as const;
    // A name that is under way keeps what is told of it.
    return refuseOffered(turn, framework, twice ? undefined : id, said);
  }
  const { consumed, converted } = applyOffered(turn, { framework, agent, role }, operation);
  const made = converted.allocate(role);
  taken.made = taken.made.subtract(consumed.allocate(role)).add(made);
  taken.remaining = taken.remaining.subtract(consumed.allocate(role)).add(made);
}

function contextOf({ state }: Turn, framework: FrameworkRecord, taken: Taken): LaunchContext {
  const { agent, role, remaining } = taken;
  return {
    agent: agent.info,
    role,
    remaining,
    executor: (id) => agent.executors.get(executorKey(framework.frameworkId, id))?.info,
    refuseRoot: state.settings.refuseRoot,
  };
}

function launchTask(turn: Turn, framework: FrameworkRecord, taken: Taken, info: TaskInfo): void {
  const { agent } = taken;
  take(turn, framework, taken, [info]);
  const begins = beginsExecutor(framework, agent, info.executor);
  const task = record(turn, framework, taken, info);
  const { frameworkId, info: frameworkInfo } = framework;
  const body = { frameworkId, framework: frameworkInfo, task: task.info, ...begins };
  say(turn, agent.peer, { kind: "RunTask", body });
}

/** Whether the executor is counted with this launch, or runs already as far as is known here. */
function beginsExecutor(
  { frameworkId }: FrameworkRecord,
  { executors }: AgentRecord,
  executor: ExecutorInfo | undefined,
): { launchExecutor?: boolean } {
  if (executor?.type !== "CUSTOM") return {};
  return { launchExecutor: !executors.has(executorKey(frameworkId, executor.executorId)) };
}

function launchGroup(
  turn: Turn,
  framework: FrameworkRecord,
  taken: Taken,
  group: LaunchGroup,
): void {
  const { agent, role } = taken;
  const { tasks } = group.taskGroup;
  const known = tasks.find(({ taskId }) => framework.tasks.has(taskId));
  const fault =
    known === undefined
      ? groupFault(group, contextOf(turn, framework, taken))
      : `task ${known.taskId} is known already`;
  if (fault !== undefined) {
    const reason = "REASON_TASK_GROUP_INVALID";
    for (const info of tasks) fail(turn, framework, info, "TASK_ERROR", reason, fault);
    return;
  }
  const infos = withExecutor(group);
  take(turn, framework, taken, infos);
  const begins = beginsExecutor(framework, agent, group.executor);
  const launched = infos.map((info) => record(turn, framework, taken, info).info);
  const { frameworkId, info: frameworkInfo } = framework;
  const executor = { ...{}, ...group.executor, resources: inRole(group.executor.resources, role) };
  const taskGroup = { tasks: launched };
  const body = { frameworkId, framework: frameworkInfo, executor, taskGroup, ...begins };
  say(turn, agent.peer, { kind: "RunTaskGroup", body });
}

function take(
  turn: Turn,
  framework: FrameworkRecord,
  taken: Taken,
  infos: readonly TaskInfo[],
): void {
  const context = contextOf(turn, framework, taken);
  taken.remaining = taken.remaining.subtract(wanted(infos, context));
}

function inRole(resources: TaskInfo["resources"], role: string): TaskInfo["resources"] {
  return allocated(resources, role).toWire();
}

/** The record of a task that is on its way, with its resources allocated to the role. */
function record(
  turn: Turn,
  framework: FrameworkRecord,
  { agent, role }: Taken,
  info: TaskInfo,
): TaskRecord {
  const { executor } = info;
  const resources = allocated(info.resources, role);
  const inform: TaskInfo = { ...{}, ...info, resources: resources.toWire() };
  if (executor !== undefined) {
    inform.executor = { ...{}, ...executor, resources: inRole(executor.resources, role) };
  }
  const task = addTask(turn, framework, agent, inform, {
    role,
    state: "TASK_STAGING",
    resources,
  });
  addExecutor(agent, task);
  turn.state.publisher.taskAdded(task);
  turn.state.publisher.agentChanged(agent);
  turn.state.publisher.frameworkChanged(framework);
  return task;
}

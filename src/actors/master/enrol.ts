/**
 * Taking an agent in: its record, its tasks, what the allocator counts there. What the leader
 * knew and the registration does not list will never run (P-3.2); what was unreachable and runs
 * is announced once (mesos.md §8).
 */
import {
  type AgentId,
  type BodyOf,
  type FrameworkId,
  type FrameworkInfo,
  holdsResources,
  isTerminal,
  type TaskInfo,
  type TaskRecord as ReportedTask,
} from "#protocol";
import { Resources } from "#resources";
import { agentAccounted } from "./absence.ts";
import type { AgentRecord, FrameworkRecord, TaskRecord } from "./records.ts";
import { enrolActivity } from "./drain.ts";
import { enrolWindow } from "./maintenance.ts";
import { enrolOperations } from "./operations.ts";
import { Sums } from "./sums.ts";
import { note, type Registration, refuse, say, type Turn } from "./state.ts";
import {
  addExecutor,
  addTask,
  dropFramework,
  forgetTask,
  keepStatus,
  moveTask,
  putExecutor,
  sayKill,
  setHolds,
} from "./tasks.ts";
import { masterStatus, tell } from "./tell.ts";

/** The log knows the agent as it is now: it is registered from here on. */
export function enrol(turn: Turn, registration: Registration): void {
  const { state, env } = turn;
  const { peer, first } = registration;
  const { agentId } = first.agent;
  const known = state.agents.get(agentId);
  const agent = known ?? newAgent(turn, registration);
  const wasAway = known === undefined || known.condition !== "disconnected";
  state.coming.delete(peer);
  state.agents.set(agentId, agent);
  state.agentsByPeer.set(peer, agent);
  agent.info = first.agent;
  agent.incarnation = first.incarnation;
  agent.condition = "registered";
  agent.sinceMs = env.nowMs;
  agent.leaving = false;
  if (known !== undefined) agent.reregisteredAtMs = env.wallMs;
  const { heartbeatIntervalMs } = state.settings;
  say(turn, peer, { kind: "AgentRegistered", body: { agentId, heartbeatIntervalMs } });
  const completed = takeTasks(turn, agent, registration, wasAway);
  for (const frameworkId of completed) {
    say(turn, peer, { kind: "ShutdownFramework", body: { frameworkId } });
  }
  countTasks(turn, agent);
  enrolWindow(turn, agent);
  enrolActivity(turn, agent);
  enrolOperations(turn, agent, registration.operations);
  agentAccounted(turn, agentId);
  if (known === undefined) state.publisher.agentAdded(agent);
  else state.publisher.agentChanged(agent);
  note(turn, "info", "an agent is registered", { agentId, tasks: agent.tasks.size });
}

function newAgent({ env }: Turn, { peer, principal, first }: Registration): AgentRecord {
  return makeAgent(first.agent, { peer, principal, incarnation: first.incarnation }, env);
}

/** An agent's record before anything is known of what runs there. */
export function makeAgent(
  info: BodyOf<"RegisterAgent">["agent"],
  identity: Pick<AgentRecord, "peer" | "principal" | "incarnation">,
  { nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number },
): AgentRecord {
  return {
    agentId: info.agentId,
    ...identity,
    info,
    condition: "absent",
    sinceMs: nowMs,
    registeredAtMs: wallMs,
    reregisteredAtMs: undefined,
    displaced: false,
    leaving: false,
    tasks: new Set(),
    executors: new Map(),
    offers: new Set(),
    offered: Resources.EMPTY,
    operations: new Map(),
  };
}

/** Merges what it reports with what is known; returns frameworks that are no more. */
function takeTasks(
  turn: Turn,
  agent: AgentRecord,
  registration: Registration,
  wasAway: boolean,
): Set<FrameworkId> {
  const { state } = turn;
  const infos = new Map(registration.frameworks.map((each) => [each.frameworkId, each.info]));
  const completed = new Set<FrameworkId>();
  const reported = new Set<TaskRecord>();
  for (const each of registration.tasks) {
    const framework = frameworkFor(turn, each.frameworkId, infos.get(each.frameworkId));
    if (framework === undefined) {
      completed.add(each.frameworkId);
      continue;
    }
    if (framework.ended) {
      completed.add(each.frameworkId);
      // Its resources are another's only when the agent says that it has ended.
      if (!holdsResources(each.state)) continue;
    }
    const task = takeTask(turn, framework, agent, each, wasAway);
    if (task !== undefined) reported.add(task);
  }
  for (const task of [...agent.tasks]) if (!reported.has(task)) missing(turn, task);
  agent.executors.clear();
  for (const task of agent.tasks) if (!isTerminal(task.state)) addExecutor(agent, task);
  for (const each of registration.executors) {
    const framework = frameworkFor(turn, each.frameworkId, infos.get(each.frameworkId));
    if (framework === undefined || framework.ended) completed.add(each.frameworkId);
    if (framework !== undefined) {
      putExecutor(agent, each.frameworkId, roleOf(each.executor, framework), each.executor);
    }
  }
  for (const { frameworkId } of registration.frameworks) {
    if (state.registry.completed.has(frameworkId)) completed.add(frameworkId);
  }
  for (const frameworkId of completed) {
    const framework = state.frameworks.get(frameworkId);
    if (framework?.tasks.size === 0) dropFramework(turn, framework);
  }
  return completed;
}

/**
 * The framework of a task. Unknown ones are taken in; one that is completed too, until its tasks
 * have ended. Undefined where nothing is known of it.
 */
function frameworkFor(
  turn: Turn,
  frameworkId: FrameworkId,
  info: FrameworkInfo | undefined,
): FrameworkRecord | undefined {
  const { state } = turn;
  const known = state.frameworks.get(frameworkId);
  if (known !== undefined) return known;
  if (info === undefined) {
    refuse(turn, "not-found", "frameworks-unknown");
    return undefined;
  }
  const framework = makeFramework(frameworkId, info, turn.env);
  framework.ended = state.registry.completed.has(frameworkId);
  state.frameworks.set(frameworkId, framework);
  state.publisher.frameworkAdded(framework);
  return framework;
}

/** A framework's record before it has subscribed with this leader. */
export function makeFramework(
  frameworkId: FrameworkId,
  info: FrameworkInfo,
  { nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number },
): FrameworkRecord {
  return {
    frameworkId,
    principal: undefined,
    peer: undefined,
    info,
    connected: false,
    allocated: false,
    token: { epoch: 0, count: 0 },
    claimed: { epoch: 0, count: 0 },
    suppressedRoles: new Set(),
    tasks: new Map(),
    offers: new Set(),
    offered: new Sums(),
    used: new Sums(),
    answers: new Map(),
    answersForgotten: 0,
    owed: new Map(),
    operations: new Map(),
    said: 0,
    subscribedAtMs: wallMs,
    disconnectedMs: nowMs,
    completing: false,
    ended: false,
  };
}

function takeTask(
  turn: Turn,
  framework: FrameworkRecord,
  agent: AgentRecord,
  reported: ReportedTask,
  wasAway: boolean,
): TaskRecord | undefined {
  const { info, state, containerId, status } = reported;
  const known = framework.tasks.get(info.taskId);
  if (known !== undefined && known.agentId !== agent.agentId) {
    refuse(turn, "task-known", "tasks-twice");
    note(turn, "error", "a task is on two agents", { taskId: info.taskId, agentId: agent.agentId });
    return undefined;
  }
  const task = known ?? newTask(turn, framework, agent, reported);
  task.containerId = containerId;
  if (known === undefined) {
    // Before anybody is told of it: its container and how it began stand in its status.
    if (status !== undefined) keepStatus(task, status);
    // A reconciliation repeats what the framework was told, not what it will be told.
    task.statusUpdateState = reported.statusUpdateState;
    turn.state.publisher.taskAdded(task);
  } else {
    // The allocator counts the agent anew below: what the move frees is not freed twice.
    setHolds(turn, known, false);
    adopt(turn, known, info);
    moveTask(turn, known, state);
  }
  setHolds(turn, task, holdsResources(task.state));
  if (isTerminal(task.state)) return task;
  if (wasAway && !framework.ended) announce(turn, task);
  // What is left of a framework that has ended is shut down with it.
  if (task.kill !== undefined && !framework.ended) sayKill(turn, agent, task);
  return task;
}

/** What a task has is what its agent says: a resize that never came there did not happen. */
function adopt(turn: Turn, task: TaskRecord, info: ReportedTask["info"]): void {
  const resources = Resources.fromWire(info.resources).unallocate().allocate(task.role);
  if (resources.equals(task.resources)) return;
  task.info = info;
  task.resources = resources;
  turn.state.publisher.taskAdded(task);
}

function newTask(
  turn: Turn,
  framework: FrameworkRecord,
  agent: AgentRecord,
  { info, state }: ReportedTask,
): TaskRecord {
  const role = roleOf(info, framework);
  const resources = Resources.fromWire(info.resources).unallocate().allocate(role);
  return addTask(turn, framework, agent, info, { role, state, resources });
}

/** Role of a task or an executor as its resources say it, or as the framework's only one. */
function roleOf(info: Pick<TaskInfo, "resources">, framework: FrameworkRecord): string {
  const named = info.resources.find(({ allocationInfo }) => allocationInfo !== undefined);
  return named?.allocationInfo?.role ?? framework.info.roles[0] ?? "*";
}

function announce(turn: Turn, task: TaskRecord): void {
  task.unreachableAtMs = undefined;
  const reason = "REASON_AGENT_REREGISTERED";
  const status = masterStatus(turn, task, task.state, { reason });
  turn.state.publisher.taskUpdated(task, status);
  tell(turn, task.frameworkId, status);
}

/** Known here, not there. What has ended was acknowledged; what never began is dropped. */
function missing(turn: Turn, task: TaskRecord): void {
  if (!isTerminal(task.state)) {
    const began = task.state !== "TASK_STAGING";
    const status = masterStatus(turn, task, began ? "TASK_GONE" : "TASK_DROPPED", {
      reason: "REASON_AGENT_DISCONNECTED",
      message: "the agent registered again without it",
    });
    setHolds(turn, task, false);
    task.state = status.state;
    turn.state.publisher.taskUpdated(task, status);
    tell(turn, task.frameworkId, status);
  }
  forgetTask(turn, task);
}

/** Tells the allocator what the agent has and what is used there. */
export function countTasks({ state }: Turn, agent: AgentRecord): void {
  const { allocator } = state;
  const { agentId, info } = agent;
  const used = new Map<FrameworkId, Resources>();
  const add = (frameworkId: FrameworkId, resources: Resources): void => {
    used.set(frameworkId, (used.get(frameworkId) ?? Resources.EMPTY).add(resources));
  };
  for (const task of agent.tasks) {
    if (task.holds) add(task.frameworkId, task.resources);
  }
  for (const { frameworkId, resources } of agent.executors.values()) add(frameworkId, resources);
  allocator.removeAgent(agentId);
  const { attributes, capabilities, hostname } = info;
  const total = Resources.fromWire(info.resources);
  const spec = { total, attributes, capabilities, hostname };
  allocator.addAgent(agentId satisfies AgentId, spec, used);
  state.allocationWanted = true;
}

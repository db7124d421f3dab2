/**
 * Other cpus and memory for a task that runs. Growing needs what is free on its agent, offers
 * counted as free and taken back, and room below the limits of its role; shrinking frees at once.
 * The agent hears it in its session; one that never hears it says so when it registers again.
 */
import type { CallReason, Resource, WireQuantities } from "#protocol";
import { ancestorsOf, formatScalar, Resources } from "#resources";
import { countTasks } from "./enrol.ts";
import { rescindOffersOf } from "./offers.ts";
import type { AgentRecord, TaskRecord } from "./records.ts";
import { say, type Turn } from "./state.ts";
import { setHolds } from "./tasks.ts";

export interface ResizeFlaw {
  readonly reason: CallReason;
  readonly message: string;
}

const invalid = (message: string): ResizeFlaw => ({ reason: "invalid", message });

/** @returns why it cannot be; undefined where the agent is told. */
export function resize(
  turn: Turn,
  task: TaskRecord,
  amounts: WireQuantities,
): ResizeFlaw | undefined {
  const { state } = turn;
  const agent = state.agents.get(task.agentId);
  if (agent?.condition !== "registered") {
    const message = `agent ${task.agentId} is not connected; its tasks cannot be resized`;
    return { reason: "agent-not-connected", message };
  }
  if (task.state !== "TASK_RUNNING") {
    return invalid(`taskId: ${task.taskId} is ${task.state}; only what runs is resized`);
  }
  if (task.info.executor?.type === "CUSTOM") {
    return invalid(`taskId: ${task.taskId} is its executor's to resize, which knows no such call`);
  }
  const wire = resized(task, amounts);
  if (!Array.isArray(wire)) return wire as ResizeFlaw;
  const next = Resources.fromWire(wire).unallocate().allocate(task.role);
  const flaw = lacking(turn, task, agent, next);
  if (flaw !== undefined) return flaw;
  rescindOffersOf(turn, agent, `task ${task.taskId} on it is being resized`);
  setHolds(turn, task, false);
  task.info = { ...{}, ...task.info, resources: wire };
  task.resources = next;
  setHolds(turn, task, true);
  countTasks(turn, agent);
  state.publisher.taskAdded(task);
  state.publisher.agentChanged(agent);
  const framework = state.frameworks.get(task.frameworkId);
  if (framework !== undefined) state.publisher.frameworkChanged(framework);
  const { frameworkId, taskId } = task;
  say(turn, agent.peer, { kind: "UpdateTask", body: { frameworkId, taskId, resources: wire } });
  return undefined;
}

/** The task's resources with other amounts, all that is said of them kept. */
function resized(task: TaskRecord, amounts: WireQuantities): Resource[] | ResizeFlaw {
  let wire: readonly Resource[] = task.info.resources;
  for (const { name, milli } of amounts) {
    if (name !== "cpus" && name !== "mem") return invalid(`${name}: only cpus and mem are resized`);
    const parts = wire.filter((one) => one.name === name);
    const [part] = parts;
    if (part === undefined || parts.length > 1) {
      const have = part === undefined ? "none" : `${parts.length} parts of it`;
      return invalid(`${name}: the task has ${have}; only one part can be resized`);
    }
    if (part.revocable !== undefined) return invalid(`${name}: it is lent and cannot be resized`);
    if (name === "cpus" && task.info.controls?.exclusiveCpus === true) {
      return invalid("cpus: the task has cpus of its own, which are not changed while it runs");
    }
    const limitMilli = task.info.limits?.[name];
    if (limitMilli !== undefined && limitMilli >= 0 && limitMilli < milli) {
      const limit = formatScalar(limitMilli);
      return invalid(`${name}: ${formatScalar(milli)} is above the task's limit of ${limit}`);
    }
    wire = wire.map((one) => (one === part ? { ...{}, ...one, scalar: { milli } } : one));
  }
  return [...wire];
}

/** What growing lacks on the agent or below the limits of its role. */
function lacking(
  { state }: Turn,
  task: TaskRecord,
  agent: AgentRecord,
  next: Resources,
): ResizeFlaw | undefined {
  const { allocator } = state;
  const free = allocator.free(agent.agentId).add(agent.offered.unallocate());
  if (!free.add(task.resources.unallocate()).contains(next.unallocate())) {
    return invalid(`resources: ${next.unallocate()} is asked for beside ${free} that is free`);
  }
  for (const role of [task.role, ...ancestorsOf(task.role)]) {
    const limits = allocator.quotaOf(role)?.limit;
    if (limits === undefined) continue;
    const consumed = allocator.consumedBy(role);
    for (const name of ["cpus", "mem"]) {
      const most = limits.get(name);
      const grows = next.get(name) - task.resources.get(name);
      if (most === undefined || grows <= 0 || (consumed.get(name) ?? 0) + grows <= most) continue;
      const by = formatScalar(grows);
      return invalid(`${name}: ${by} more is above the limit ${formatScalar(most)} of ${role}`);
    }
  }
  return undefined;
}

/**
 * The cluster as people see it: a fold of operator events into the objects of the API. Asked by
 * gateways, never by actors. A gap in the events' numbers makes it stale until a snapshot comes.
 */
import type {
  AgentObject,
  Amounts,
  FrameworkObject,
  OfferObject,
  RoleObject,
  TaskObject,
  Usage,
} from "#api";
import {
  type AgentUsage,
  type AllocatorView,
  type EventBatch,
  type FrameworkView,
  isTerminal,
  type OfferView,
  type OperatorEvent,
  type Resource,
  type TaskStatus,
  type TaskView,
} from "#protocol";
import { agentObject, type Maintenance, NO_MAINTENANCE } from "./agents.ts";
import { addAmounts, amountsOf, NO_AMOUNTS } from "./amounts.ts";
import { TaskHistory, UNSEEN } from "./history.ts";
import { roleObject } from "./roles.ts";

/** Objects of one epoch; a new epoch builds new ones beside the old until it is complete. */
class Objects {
  readonly tasks = new Map<string, TaskObject>();
  readonly agents = new Map<string, AgentObject>();
  readonly frameworks = new Map<string, FrameworkObject>();
  readonly offers = new Map<string, OfferObject>();
  readonly roles = new Map<string, RoleObject>();
  /** What agents have, as they have it: operations name it exactly. */
  readonly resources = new Map<string, readonly Resource[]>();
  maintenance: Maintenance = NO_MAINTENANCE;
}

/** Longest history of one task, in entries; the oldest but the first go. */
export const TASK_HISTORY_LENGTH_MAX = 32;

/** `applied`; `stale`: a number is missing, ask for a snapshot; `old`: of an earlier epoch. */
export type Applied = "applied" | "stale" | "old";

export class ClusterView {
  #now = new Objects();
  /** While a snapshot comes in: what it has brought so far. */
  #building: Objects | undefined;
  #epoch = 0;
  #next = 1;
  #stale = true;
  readonly history = new TaskHistory();
  readonly counters = new Map<string, number>();
  /** What the leader told of its allocator last; undefined before. */
  allocator: AllocatorView | undefined;
  leader: { masterId: string; epoch: number } | undefined;
  /** Id of the last event applied. */
  index = "0.0";

  /** true: events are missing, what is shown may be old. */
  get stale(): boolean {
    return this.#stale;
  }

  get tasks(): ReadonlyMap<string, TaskObject> {
    return this.#now.tasks;
  }
  get agents(): ReadonlyMap<string, AgentObject> {
    return this.#now.agents;
  }
  get frameworks(): ReadonlyMap<string, FrameworkObject> {
    return this.#now.frameworks;
  }
  get offers(): ReadonlyMap<string, OfferObject> {
    return this.#now.offers;
  }
  get roles(): ReadonlyMap<string, RoleObject> {
    return this.#now.roles;
  }
  get maintenance(): Maintenance {
    return this.#now.maintenance;
  }

  /** What the agent has, with reservations and volumes. */
  resourcesOf(agentId: string): readonly Resource[] {
    return this.#now.resources.get(agentId) ?? [];
  }

  apply(batch: EventBatch): Applied {
    if (batch.epoch < this.#epoch) return "old";
    const begins = batch.events[0]?.type === "RESET";
    const expected = batch.epoch === this.#epoch && batch.first === this.#next;
    if (!begins && !expected) {
      this.#stale = true;
      return "stale";
    }
    if (!begins && this.#stale && this.#building === undefined) return "stale";
    this.#epoch = batch.epoch;
    this.#next = batch.first + batch.events.length;
    for (let i = 0; i < batch.events.length; i += 1) {
      const event = batch.events[i];
      if (event === undefined) continue;
      const id = `${batch.epoch}.${batch.first + i}`;
      this.#applyOne(event, id, batch.epoch);
      this.index = id;
    }
    return "applied";
  }

  #applyOne(event: OperatorEvent, id: string, epoch: number): void {
    const into = this.#building ?? this.#now;
    switch (event.type) {
      case "RESET":
        this.#building = new Objects();
        this.leader = { masterId: event.leader, epoch };
        return;
      case "SNAPSHOT_END":
        return this.#complete();
      case "AGENT_ADDED":
      case "AGENT_UPDATED":
        into.resources.set(event.agent.info.agentId, event.agent.info.resources);
        return void into.agents.set(event.agent.info.agentId, agentObject(event.agent, id));
      case "AGENT_REMOVED":
        into.resources.delete(event.agentId);
        return void into.agents.delete(event.agentId);
      case "FRAMEWORK_ADDED":
      case "FRAMEWORK_UPDATED":
        return void into.frameworks.set(
          event.framework.frameworkId,
          frameworkObject(event.framework, id),
        );
      case "FRAMEWORK_REMOVED":
        return void into.frameworks.delete(event.frameworkId);
      case "TASK_ADDED": {
        const { frameworkId, info } = event.task;
        const key = keyOf(frameworkId, info.taskId);
        this.history.recall(key);
        return void into.tasks.set(key, taskObject(event.task, id));
      }
      case "TASK_UPDATED":
        return this.#taskUpdated(into, event.frameworkId, event.taskId, event.status, id);
      case "TASK_REMOVED":
        return this.#taskRemoved(into, keyOf(event.frameworkId, event.taskId));
      case "OFFER_ADDED":
        return void into.offers.set(event.offer.offerId, offerObject(event.offer, id));
      case "OFFER_REMOVED":
        this.#count(`offers.${event.why}`);
        return void into.offers.delete(event.offerId);
      case "ROLE_UPDATED":
        return void into.roles.set(event.role.role, roleObject(event.role, id));
      case "ROLE_REMOVED":
        return void into.roles.delete(event.role);
      case "USAGE_UPDATED":
        return this.#used(into, event.containers);
      case "COUNTERS":
        for (const [name, count] of Object.entries(event.counters)) {
          this.counters.set(name, count);
        }
        return;
      case "ALLOCATOR_UPDATED":
        this.allocator = event.allocator;
        return;
      case "MAINTENANCE_UPDATED":
        into.maintenance = { windows: event.windows, down: event.down };
        return;
    }
  }

  /** Of tasks that live only: the usage of one that ended is what it used last. */
  #used(into: Objects, containers: AgentUsage["containers"]): void {
    for (const { frameworkId, taskId, ...measured } of containers) {
      const key = keyOf(frameworkId, taskId);
      const task = into.tasks.get(key);
      if (task === undefined || isTerminal(task.state)) continue;
      into.tasks.set(key, { ...{}, ...task, usage: usageOf(measured) });
    }
  }

  #count(name: string): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + 1);
  }

  #taskUpdated(
    into: Objects,
    frameworkId: string,
    taskId: string,
    status: TaskStatus,
    id: string,
  ): void {
    const key = keyOf(frameworkId, taskId);
    const task = into.tasks.get(key);
    if (task === undefined) return;
    into.tasks.set(key, withStatus(task, status, id));
    this.#count(`updates.${status.state}`);
  }

  #taskRemoved(into: Objects, key: string): void {
    const task = into.tasks.get(key);
    if (task === undefined) return;
    into.tasks.delete(key);
    this.history.add(this.#decorated(into, task));
  }

  /**
   * The snapshot is whole. What it does not have has ended while events were missed, or is on an
   * agent that has not come to a new leader yet: it goes to the history and says so.
   */
  #complete(): void {
    const built = this.#building;
    if (built === undefined) return;
    for (const [key, task] of this.#now.tasks) {
      const known = this.history.get(key);
      if (built.tasks.has(key) || known?.launchedAtMs === task.launchedAtMs) continue;
      this.history.add(unseenEnd(this.#decorated(this.#now, task)));
    }
    this.#now = built;
    this.#building = undefined;
    this.#stale = false;
  }

  #decorated(from: Objects, task: TaskObject): TaskObject {
    return {
      ...{},
      ...task,
      framework: from.frameworks.get(task.frameworkId)?.name ?? task.framework,
      hostname: from.agents.get(task.agentId)?.hostname ?? task.hostname,
    };
  }

  /** Live tasks and those that ended lately, with the names of framework and machine. */
  allTasks(): TaskObject[] {
    const live = [...this.#now.tasks.values()].map((task) => this.#decorated(this.#now, task));
    return [...live, ...this.history.all()];
  }

  /** Agents with how many tasks each has. */
  allAgents(): AgentObject[] {
    const counts = this.#tasksBy((task) => task.agentId);
    return [...this.#now.agents.values()].map((agent) => ({
      ...{},
      ...agent,
      tasks: counts.get(agent.id) ?? 0,
    }));
  }

  allFrameworks(): FrameworkObject[] {
    const counts = this.#tasksBy((task) => task.frameworkId);
    return [...this.#now.frameworks.values()].map((framework) => ({
      ...{},
      ...framework,
      tasks: counts.get(framework.id) ?? 0,
    }));
  }

  allOffers(): OfferObject[] {
    return [...this.#now.offers.values()].map((offer) => ({
      ...{},
      ...offer,
      framework: this.#now.frameworks.get(offer.frameworkId)?.name ?? "",
      hostname: this.#now.agents.get(offer.agentId)?.hostname ?? "",
    }));
  }

  #tasksBy(keyOfTask: (task: TaskObject) => string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const task of this.#now.tasks.values()) {
      if (isTerminal(task.state)) continue;
      const key = keyOfTask(task);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  }

  /** Total, used and offered over the registered agents. */
  sums(): { total: Amounts; used: Amounts; offered: Amounts } {
    let [total, used, offered] = [NO_AMOUNTS, NO_AMOUNTS, NO_AMOUNTS];
    for (const agent of this.#now.agents.values()) {
      if (agent.condition !== "registered") continue;
      total = addAmounts(total, agent.total);
      used = addAmounts(used, agent.used);
      offered = addAmounts(offered, agent.offered);
    }
    return { total, used, offered };
  }
}

function unseenEnd(task: TaskObject): TaskObject {
  if (isTerminal(task.state)) return task;
  const why = "its end was missed, or its agent has not come to the leader yet";
  const message = `last seen as ${task.state}; ${why}`;
  return { ...{}, ...task, state: UNSEEN, message };
}

function usageOf(
  measured: Omit<AgentUsage["containers"][number], "frameworkId" | "taskId">,
): Usage {
  const mib = (bytes: number): number => Math.round((bytes / 1024 ** 2) * 10) / 10;
  const { cpuUsageMs, memBytes, memPeakBytes, pids } = measured;
  return {
    cpuMs: Math.round(cpuUsageMs),
    memMib: mib(memBytes),
    ...(memPeakBytes === undefined ? {} : { memPeakMib: mib(memPeakBytes) }),
    ...(pids === undefined ? {} : { pids }),
  };
}

function keyOf(frameworkId: string, taskId: string): string {
  return `${frameworkId}/${taskId}`;
}

function taskObject(view: TaskView, version: string): TaskObject {
  const { info } = view;
  const fresh: TaskObject = {
    id: info.taskId,
    name: info.name,
    frameworkId: view.frameworkId,
    framework: "",
    agentId: info.agentId,
    hostname: "",
    role: view.role,
    state: view.state,
    resources: amountsOf(info.resources),
    ...(view.containerId === undefined ? {} : { containerId: view.containerId }),
    launchedAtMs: view.launchedAtMs,
    history: [],
    version,
  };
  let task = fresh;
  for (const status of view.statuses) task = withStatus(task, status, version);
  return task;
}

function withStatus(task: TaskObject, status: TaskStatus, version: string): TaskObject {
  const entry = {
    state: status.state,
    atMs: status.timestampMs,
    source: status.source,
    ...(status.reason === undefined ? {} : { reason: status.reason }),
    ...(status.message === undefined ? {} : { message: status.message }),
    ...(status.uuid === undefined ? {} : { uuid: status.uuid }),
  };
  const last = task.history.at(-1);
  const repeated = last !== undefined && last.uuid === entry.uuid && last.state === entry.state;
  const history = repeated ? task.history : [...task.history, entry];
  if (history.length > TASK_HISTORY_LENGTH_MAX) history.splice(1, 1);
  const { reason: _reason, message: _message, ...rest } = task;
  const container = status.containerStatus;
  return {
    ...{},
    ...rest,
    state: isTerminal(task.state) ? task.state : status.state,
    ...(entry.reason === undefined ? {} : { reason: entry.reason }),
    ...(entry.message === undefined ? {} : { message: entry.message }),
    ...(status.exitCode === undefined ? {} : { exitCode: status.exitCode }),
    ...(status.limitation === undefined ? {} : { limitation: status.limitation }),
    ...(container === undefined ? {} : { containerId: container.containerId }),
    ...(container?.cgroup === undefined ? {} : { cgroup: container.cgroup }),
    ...(status.state === "TASK_RUNNING" && task.startedAtMs === undefined
      ? { startedAtMs: status.timestampMs }
      : {}),
    ...(isTerminal(status.state) ? { endedAtMs: status.timestampMs } : {}),
    history,
    version,
  };
}

function frameworkObject(view: FrameworkView, version: string): FrameworkObject {
  return {
    id: view.frameworkId,
    name: view.info.name,
    principal: view.principal,
    roles: view.info.roles,
    suppressedRoles: view.suppressedRoles,
    connected: view.connected,
    active: view.active,
    used: amountsOf(view.used),
    offered: amountsOf(view.offered),
    tasks: 0,
    subscribedAtMs: view.subscribedAtMs,
    version,
  };
}

function offerObject(view: OfferView, version: string): OfferObject {
  return {
    id: view.offerId,
    frameworkId: view.frameworkId,
    framework: "",
    agentId: view.agentId,
    hostname: "",
    role: view.role,
    resources: amountsOf(view.resources),
    madeAtMs: view.madeAtMs,
    version,
  };
}

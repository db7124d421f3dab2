/**
 * Operator events: what views and pages are told. Collects what changed in a drain and publishes
 * it at its end, agents and frameworks once however often they changed; a snapshot goes out in
 * parts between the changes. Decides nothing and reads only.
 */
import {
  type AgentId,
  type AgentUsage,
  type AgentView,
  type AllocatorView,
  EVENTS_PER_BATCH_MAX,
  type FrameworkId,
  type FrameworkView,
  type OfferId,
  type OperatorEvent,
  type RoleView,
  type TaskStatus,
  type TaskView,
  type WireUnavailability,
} from "#protocol";
import type { Allocator } from "#allocator";
import type { Registry } from "#replication";
import { Resources } from "#resources";
import type { AgentRecord, FrameworkRecord, OfferEnd, OfferRecord, TaskRecord } from "./records.ts";
import { type RoleSources, roleViews } from "./role-views.ts";

/** Events of a snapshot that one drain publishes, so that a large one stops nobody. */
export const SNAPSHOT_EVENTS_PER_DRAIN = 128;
/** Bytes of one published batch, estimated: well below what a broker carries. */
const BATCH_BYTES_MAX = 512 * 1024;
const EVENT_BYTES_ESTIMATE = 1024;
/** Events are told so often: views need no more, and a batch costs more than what is in it. */
export const EVENTS_INTERVAL_MS = 100;
/** Agents and frameworks change with every offer; what they hold is summed up this often. */
const ENTITIES_INTERVAL_MS = 250;
/** Agents, and frameworks, of which one drain tells; after a failover all of them have changed. */
export const ENTITIES_PER_DRAIN = 128;
/** Ended tasks that a snapshot tells of, for views that missed their ends; the oldest go first. */
export const ENDED_TASKS_MAX = 1_000;

/** What a snapshot reads. */
export interface Sources {
  readonly agents: ReadonlyMap<AgentId, AgentRecord>;
  readonly frameworks: ReadonlyMap<FrameworkId, FrameworkRecord>;
  readonly offers: ReadonlyMap<OfferId, OfferRecord>;
  readonly registry: RoleSources["registry"] &
    Pick<Registry, "operations" | "agents" | "windows" | "down">;
  readonly windows: ReadonlyMap<string, WireUnavailability>;
  readonly leaving: ReadonlyMap<
    AgentId,
    ReadonlyMap<FrameworkId, "UNKNOWN" | "ACCEPT" | "DECLINE">
  >;
  readonly allocator: Pick<Allocator, "hasAgent" | "total" | "free" | "shares" | "consumedBy">;
}

/** Consecutive events, ready to be published. */
export interface Batch {
  readonly first: number;
  readonly events: OperatorEvent[];
}

export class Publisher {
  readonly #eventsMs: number;
  readonly #entitiesEveryMs: number;
  #enabled = false;
  #next = 1;
  #entitiesMs = Number.NEGATIVE_INFINITY;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** For when a drain has been asked for. */
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #events: OperatorEvent[] = [];
  readonly #agents = new Map<AgentRecord, "AGENT_ADDED" | "AGENT_UPDATED">();
  readonly #frameworks = new Map<FrameworkRecord, "FRAMEWORK_ADDED" | "FRAMEWORK_UPDATED">();
  readonly #roles = new Map<string, string>();
  readonly #ended: TaskView[] = [];
  #snapshot: Iterator<OperatorEvent> | undefined;
  #snapshotAgain = false;

  /** @param eventsMs how often what changed is published. */
  constructor(eventsMs: number = EVENTS_INTERVAL_MS) {
    this.#eventsMs = eventsMs;
    this.#entitiesEveryMs = Math.max(eventsMs, ENTITIES_INTERVAL_MS);
  }

  /** From here on changes are collected: this master leads. */
  enable(): void {
    this.#enabled = true;
  }

  agentAdded(agent: AgentRecord): void {
    if (this.#enabled) this.#agents.set(agent, "AGENT_ADDED");
  }

  agentChanged(agent: AgentRecord): void {
    if (this.#enabled && !this.#agents.has(agent)) this.#agents.set(agent, "AGENT_UPDATED");
  }

  agentRemoved(agent: AgentRecord): void {
    this.#agents.delete(agent);
    this.#push({ type: "AGENT_REMOVED", agentId: agent.agentId });
  }

  frameworkAdded(framework: FrameworkRecord): void {
    if (this.#enabled) this.#frameworks.set(framework, "FRAMEWORK_ADDED");
  }

  frameworkChanged(framework: FrameworkRecord): void {
    if (!this.#enabled || this.#frameworks.has(framework)) return;
    this.#frameworks.set(framework, "FRAMEWORK_UPDATED");
  }

  frameworkRemoved(framework: FrameworkRecord): void {
    this.#frameworks.delete(framework);
    this.#push({ type: "FRAMEWORK_REMOVED", frameworkId: framework.frameworkId });
  }

  taskAdded(task: TaskRecord): void {
    this.#push({ type: "TASK_ADDED", task: taskView(task) });
  }

  taskUpdated(task: TaskRecord, status: TaskStatus): void {
    const { frameworkId, taskId, state } = task;
    this.#push({ type: "TASK_UPDATED", frameworkId, taskId, state, status });
  }

  taskRemoved(task: TaskRecord): void {
    if (!this.#enabled) return;
    const { frameworkId, taskId } = task;
    this.#push({ type: "TASK_REMOVED", frameworkId, taskId });
    this.#ended.push(endedView(task));
    if (this.#ended.length > ENDED_TASKS_MAX) this.#ended.shift();
  }

  offerAdded(offer: OfferRecord): void {
    this.#push({ type: "OFFER_ADDED", offer: offerView(offer) });
  }

  offerRemoved(offerId: OfferId, why: OfferEnd): void {
    this.#push({ type: "OFFER_REMOVED", offerId, why });
  }

  usage(containers: AgentUsage["containers"]): void {
    this.#push({ type: "USAGE_UPDATED", containers });
  }

  counters(counters: Record<string, number>): void {
    this.#push({ type: "COUNTERS", counters });
  }

  allocator(allocator: AllocatorView): void {
    this.#push({ type: "ALLOCATOR_UPDATED", allocator });
  }

  /** Says of the roles what has changed since it was said last. */
  roles(views: readonly RoleView[]): void {
    if (!this.#enabled) return;
    for (const view of views)
      if (this.#isNews(view)) this.#push({ type: "ROLE_UPDATED", role: view });
    const named = new Set(views.map(({ role }) => role));
    for (const role of this.#roles.keys()) {
      if (named.has(role)) continue;
      this.#roles.delete(role);
      this.#push({ type: "ROLE_REMOVED", role });
    }
  }

  #isNews(view: RoleView): boolean {
    const text = JSON.stringify(view);
    if (this.#roles.get(view.role) === text) return false;
    this.#roles.set(view.role, text);
    return true;
  }

  /** Number within the epoch of the last event that was collected; 0 before the first. */
  get last(): number {
    return this.#next + this.#events.length - 1;
  }

  maintenance(registry: Pick<Registry, "windows" | "down">): void {
    this.#push(maintenanceEvent(registry));
  }

  /** All that has changed so far is collected: the event from which on a view knows it. */
  seenFrom(sources: Sources): { readonly event?: number } {
    this.#flushEntities(sources);
    return this.last > 0 ? { event: this.last } : {};
  }

  /** Begins a snapshot; one that is under way is followed by another. */
  snapshot(leader: string, sources: Sources): void {
    if (this.#snapshot !== undefined) {
      this.#snapshotAgain = true;
      return;
    }
    // It tells of each as it is then.
    this.#agents.clear();
    this.#frameworks.clear();
    this.#snapshot = this.#snapshotOf(leader, sources);
  }

  /** In how long a drain must be asked for; undefined: it is, or nothing waits to be told. */
  wakeInMs(nowMs: number): number | undefined {
    const atMs = Math.max(nowMs, this.#dueMs(nowMs));
    if (atMs >= this.#wakesAtMs) return undefined;
    this.#wakesAtMs = atMs;
    return atMs - nowMs;
  }

  #dueMs(nowMs: number): number {
    if (this.#snapshot !== undefined) return nowMs;
    const never = Number.POSITIVE_INFINITY;
    const eventsMs = this.#events.length > 0 ? this.#toldMs + this.#eventsMs : never;
    const changed = this.#agents.size + this.#frameworks.size;
    return Math.min(eventsMs, changed > 0 ? this.#entitiesMs + this.#entitiesEveryMs : never);
  }

  /** What this drain publishes. A batch that begins a snapshot begins with its RESET. */
  drain(leader: string, sources: Sources, nowMs: number): Batch[] {
    if (!this.#enabled) return [];
    if (nowMs >= this.#wakesAtMs) this.#wakesAtMs = Number.POSITIVE_INFINITY;
    if (nowMs - this.#entitiesMs >= this.#entitiesEveryMs) {
      if (this.#flushEntities(sources)) this.#entitiesMs = nowMs;
    }
    const full = this.#events.length >= EVENTS_PER_BATCH_MAX;
    const due = nowMs - this.#toldMs >= this.#eventsMs;
    if (!due && !full && this.#snapshot === undefined) return [];
    this.#toldMs = nowMs;
    const batches = this.#cut(this.#events);
    this.#events = [];
    return [...batches, ...this.#cut(this.#snapshotPart(leader, sources))];
  }

  #snapshotPart(leader: string, sources: Sources): OperatorEvent[] {
    const events: OperatorEvent[] = [];
    while (this.#snapshot !== undefined && events.length < SNAPSHOT_EVENTS_PER_DRAIN) {
      const next = this.#snapshot.next();
      if (next.done !== true) {
        events.push(next.value);
        continue;
      }
      this.#snapshot = undefined;
      if (!this.#snapshotAgain) break;
      this.#snapshotAgain = false;
      this.snapshot(leader, sources);
      break;
    }
    return events;
  }

  *#snapshotOf(leader: string, sources: Sources): Generator<OperatorEvent, void> {
    yield { type: "RESET", leader };
    for (const agent of sources.agents.values()) {
      yield { type: "AGENT_ADDED", agent: agentView(agent, sources) };
    }
    for (const framework of sources.frameworks.values()) {
      yield { type: "FRAMEWORK_ADDED", framework: frameworkView(framework) };
      for (const task of framework.tasks.values()) {
        yield { type: "TASK_ADDED", task: taskView(task) };
      }
    }
    // A copy: the snapshot goes out in parts, and tasks end meanwhile.
    for (const task of [...this.#ended]) {
      const { frameworkId, info } = task;
      // Its id may have been given to another task since.
      if (sources.frameworks.get(frameworkId)?.tasks.has(info.taskId)) continue;
      yield { type: "TASK_ADDED", task };
      yield { type: "TASK_REMOVED", frameworkId, taskId: info.taskId };
    }
    for (const offer of sources.offers.values()) {
      yield { type: "OFFER_ADDED", offer: offerView(offer) };
    }
    for (const role of roleViews(sources)) {
      this.#isNews(role);
      yield { type: "ROLE_UPDATED", role };
    }
    yield maintenanceEvent(sources.registry);
    yield { type: "SNAPSHOT_END" };
  }

  #cut(events: readonly OperatorEvent[]): Batch[] {
    const batches: Batch[] = [];
    let batch: Batch | undefined;
    let bytes = 0;
    for (const event of events) {
      const full = batch?.events.length === EVENTS_PER_BATCH_MAX || bytes > BATCH_BYTES_MAX;
      if (batch === undefined || full || event.type === "RESET") {
        batch = { first: this.#next, events: [] };
        batches.push(batch);
        bytes = 0;
      }
      batch.events.push(event);
      bytes += bytesOf(event);
      this.#next += 1;
    }
    return batches;
  }

  #push(event: OperatorEvent): void {
    if (this.#enabled) this.#events.push(event);
  }

  /** False: more have changed than one drain tells of; the next one goes on. */
  #flushEntities(sources: Sources): boolean {
    for (const [agent, type] of firstOf(this.#agents)) {
      this.#push({ type, agent: agentView(agent, sources) });
    }
    for (const [framework, type] of firstOf(this.#frameworks)) {
      this.#push({ type, framework: frameworkView(framework) });
    }
    return this.#agents.size + this.#frameworks.size === 0;
  }
}

/** Takes as many entries out as one drain tells of, in their order. */
function* firstOf<Key, Value>(changed: Map<Key, Value>): Generator<[Key, Value], void> {
  let left = ENTITIES_PER_DRAIN;
  for (const entry of changed) {
    if (left === 0) return;
    left -= 1;
    changed.delete(entry[0]);
    yield entry;
  }
}

function maintenanceEvent({ windows, down }: Pick<Registry, "windows" | "down">): OperatorEvent {
  return { type: "MAINTENANCE_UPDATED", windows: [...windows], down: [...down] };
}

/** Tasks and commands can be long; everything else is small. */
function bytesOf(event: OperatorEvent): number {
  if (event.type === "TASK_UPDATED") {
    return EVENT_BYTES_ESTIMATE + (event.status.data?.length ?? 0);
  }
  if (event.type === "MAINTENANCE_UPDATED") {
    const machines = event.windows.reduce((sum, each) => sum + each.hostnames.length, 0);
    return EVENT_BYTES_ESTIMATE + (machines + event.down.length) * 64;
  }
  if (event.type !== "TASK_ADDED") return EVENT_BYTES_ESTIMATE;
  const { info, statuses } = event.task;
  const { command, data, executor } = info;
  const commands = JSON.stringify([command ?? null, executor ?? null]).length;
  const said = statuses.reduce((sum, { message }) => sum + 256 + (message?.length ?? 0), 0);
  return 2 * EVENT_BYTES_ESTIMATE + commands + said + (data?.length ?? 0);
}

function agentView(agent: AgentRecord, sources: Sources): AgentView {
  const { allocator, registry } = sources;
  const { agentId, info, principal, condition, registeredAtMs, reregisteredAtMs } = agent;
  // What is neither free nor offered is used; an agent that is away uses nothing.
  const used = allocator.hasAgent(agentId)
    ? allocator
        .total(agentId)
        .subtract(allocator.free(agentId))
        .subtract(agent.offered.unallocate())
    : Resources.EMPTY;
  return {
    info,
    principal,
    condition: condition === "absent" ? "disconnected" : condition,
    registeredAtMs,
    ...(reregisteredAtMs === undefined ? {} : { reregisteredAtMs }),
    used: used.unallocate().toWire(),
    offered: agent.offered.unallocate().toWire(),
    ...operationsView(agent, registry),
    ...activityView(agent, registry, sources),
  };
}

/** What operators have said of it and of its machine. */
function activityView(
  { agentId, info }: AgentRecord,
  { agents, down }: Sources["registry"],
  { windows, leaving }: Sources,
): Partial<AgentView> {
  const known = agents.get(agentId);
  const { drain } = known ?? {};
  const machine = info.hostname.toLowerCase();
  const unavailability = windows.get(machine);
  const answers = [...(leaving.get(agentId) ?? [])];
  const most = drain?.maxGracePeriodMs;
  return {
    ...{},
    ...(known?.deactivated === true ? { deactivated: true } : {}),
    ...(drain === undefined
      ? {}
      : {
          drain: {
            state: drain.drainedAtMs === undefined ? "DRAINING" : "DRAINED",
            markGone: drain.markGone,
            sinceMs: drain.drainedAtMs ?? drain.atMs,
            ...(most === undefined ? {} : { maxGracePeriodMs: most }),
          },
        }),
    ...(unavailability === undefined ? {} : { unavailability }),
    ...(down.has(machine) ? { down: true } : {}),
    ...(answers.length === 0
      ? {}
      : { inverseOffers: answers.map(([frameworkId, answer]) => ({ frameworkId, answer })) }),
  };
}

/** Under way there, and operators' that wait for the agent to come. */
function operationsView(
  { agentId, operations }: AgentRecord,
  { operations: intents }: Sources["registry"],
): Pick<AgentView, "operations"> {
  const open: NonNullable<AgentView["operations"]> = [];
  for (const { operationUuid, frameworkId, operation, status } of operations.values()) {
    const of = frameworkId === undefined ? {} : { frameworkId };
    open.push({ operationUuid, ...of, operation, state: status.state });
  }
  for (const { operationUuid, agentId: at, operation } of intents.values()) {
    if (at !== agentId || operations.has(operationUuid)) continue;
    open.push({ operationUuid, operation, state: "OPERATION_PENDING" });
  }
  return open.length === 0 ? {} : { operations: open };
}

function frameworkView(framework: FrameworkRecord): FrameworkView {
  const { frameworkId, info, principal, connected, suppressedRoles, subscribedAtMs } = framework;
  return {
    frameworkId,
    info,
    principal: principal ?? "",
    connected,
    active: connected,
    suppressedRoles: [...suppressedRoles],
    subscribedAtMs,
    used: framework.used.toWire(),
    offered: framework.offered.toWire(),
  };
}

function taskView(task: TaskRecord): TaskView {
  const { info, frameworkId, executorId, containerId, role, state, statuses } = task;
  return {
    info,
    frameworkId,
    executorId,
    ...(containerId === undefined ? {} : { containerId }),
    role,
    state,
    statuses: [...statuses],
    launchedAtMs: task.launchedAtMs,
  };
}

/** Without what no view shows and what may be long. */
function endedView(task: TaskRecord): TaskView {
  const { data: _data, ...info } = task.info;
  return { ...{}, ...taskView(task), info };
}

function offerView(offer: OfferRecord) {
  const { offerId, frameworkId, agentId, role, resources, madeAtWallMs } = offer;
  const free = resources.unallocate().toWire();
  return { offerId, frameworkId, agentId, role, resources: free, madeAtMs: madeAtWallMs };
}

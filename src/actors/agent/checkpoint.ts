/**
 * What the agent has on disk, as records, and what they add up to. The model changes in `apply`
 * alone, by the same function while running and at replay, so a crash at any moment leaves
 * exactly what the written records say. Knows neither bytes nor files.
 */
import {
  type ContainerId,
  type ExecutorId,
  type ExecutorInfo,
  type FrameworkId,
  type FrameworkInfo,
  isTerminal,
  type OperationRecord,
  type Resource,
  type TaskId,
  type TaskInfo,
  type TaskState,
  type TaskStatus,
  type Uuid,
} from "#protocol";

/** Who runs a task; `refused`: nobody, it is kept only until its update is acknowledged. */
export type TaskManner = "command" | "group" | "custom" | "refused";

/** Why a task is to die. What the exit says afterwards is read in this light. */
export interface Kill {
  readonly why: "asked" | "group" | "shutdown" | "completion" | "preempted" | "draining" | "gone";
  /** Wall clock at which it must be gone: when it was asked, plus the grace. */
  readonly untilMs: number;
}

export interface TaskSeed {
  readonly frameworkId: FrameworkId;
  readonly executorId: ExecutorId;
  readonly info: TaskInfo;
  readonly manner: TaskManner;
  /** The container it runs in: its own, or its custom executor's. */
  readonly containerId: ContainerId;
  /** Tasks of one group carry the same; they die together. */
  readonly groupId: string | null;
  readonly acceptedAtMs: number;
  /** Boot of the machine in which its container was asked for. */
  readonly bootId: string;
}

/** Everything durable is said in these; new kinds are added, none is changed. */
export type AgentRecord =
  | { readonly k: "framework"; readonly frameworkId: FrameworkId; readonly info: FrameworkInfo }
  /** Its tasks are being killed, nobody acknowledges their updates any more. */
  | { readonly k: "framework-shutdown"; readonly frameworkId: FrameworkId }
  | { readonly k: "task"; readonly task: TaskSeed }
  /** Started again under another container id, since the first one never ran. */
  | {
      readonly k: "container";
      readonly key: TaskKey;
      readonly containerId: ContainerId;
      readonly bootId: string;
    }
  /** It has other resources from here on. */
  | { readonly k: "resized"; readonly key: TaskKey; readonly resources: readonly Resource[] }
  | { readonly k: "kill"; readonly key: TaskKey; readonly kill: Kill }
  | { readonly k: "update"; readonly key: TaskKey; readonly status: TaskStatus }
  | { readonly k: "ack"; readonly key: TaskKey; readonly uuid: Uuid }
  | { readonly k: "task-gone"; readonly key: TaskKey }
  /** How far a task is, in a rewritten journal: stands for all its records so far. */
  | { readonly k: "progress"; readonly key: TaskKey; readonly progress: TaskProgress }
  | { readonly k: "executor"; readonly executor: ExecutorSeed }
  | { readonly k: "executor-registered"; readonly containerId: ContainerId }
  | { readonly k: "executor-shutdown"; readonly containerId: ContainerId }
  | { readonly k: "executor-gone"; readonly containerId: ContainerId }
  | { readonly k: "sandbox"; readonly sandbox: EndedSandbox }
  | { readonly k: "sandbox-gone"; readonly containerId: ContainerId }
  /** What came of an operation, and in the same record what it made of the resources (P-8.1). */
  | {
      readonly k: "operation";
      readonly operation: OperationRecord;
      /** All that exists by operations, from here on; null: nothing has changed. */
      readonly checkpointed: readonly Resource[] | null;
      /** Folders of volumes that are no more. */
      readonly doomed: readonly string[];
    }
  /** Its status is acknowledged. */
  | { readonly k: "operation-gone"; readonly operationUuid: Uuid }
  | { readonly k: "volume-gone"; readonly path: string }
  /** The same as all operations so far have left, in a rewritten journal. */
  | {
      readonly k: "resources";
      readonly checkpointed: readonly Resource[];
      readonly doomed: readonly string[];
    };

declare const keyBrand: unique symbol;
/** `<frameworkId>/<taskId>`: a task id means something within its framework only. */
export type TaskKey = string & { readonly [keyBrand]: true };

export function taskKey(frameworkId: FrameworkId, taskId: TaskId): TaskKey {
  return `${frameworkId}/${taskId}` as TaskKey;
}

/** What changes about a task. */
export interface TaskProgress {
  /** What the agent knows; may be ahead of what the framework was told. */
  readonly state: TaskState;
  readonly status: TaskStatus | null;
  /** When it was first seen running, by the wall clock. */
  readonly startedAtMs: number | null;
  readonly kill: Kill | null;
  /** Not acknowledged, oldest first; the first one is what is sent. */
  readonly updates: readonly TaskStatus[];
}

export interface Task extends Omit<TaskSeed, "containerId" | "bootId" | "info"> {
  readonly key: TaskKey;
  info: TaskInfo;
  /** Its container was started with other limits than it has now. */
  resized: boolean;
  containerId: ContainerId;
  bootId: string;
  state: TaskState;
  status: TaskStatus | null;
  startedAtMs: number | null;
  kill: Kill | null;
  updates: TaskStatus[];
}

export interface ExecutorSeed {
  readonly frameworkId: FrameworkId;
  readonly info: ExecutorInfo;
  readonly containerId: ContainerId;
  readonly startedAtMs: number;
}

export interface Executor extends ExecutorSeed {
  /** It has subscribed at least once. */
  registered: boolean;
  shutdown: boolean;
}

export interface Framework {
  readonly frameworkId: FrameworkId;
  info: FrameworkInfo;
  shutdown: boolean;
}

/** A directory that waits for its garbage collection; logs are read from it until then. */
export interface EndedSandbox {
  readonly containerId: ContainerId;
  readonly keys: readonly TaskKey[];
  readonly endedAtMs: number;
}

/** Everything that a restart brings back. */
export class Checkpoint {
  readonly frameworks = new Map<FrameworkId, Framework>();
  readonly tasks = new Map<TaskKey, Task>();
  /** Custom executors by their container. */
  readonly executors = new Map<ContainerId, Executor>();
  readonly sandboxes = new Map<ContainerId, EndedSandbox>();
  /** Resources that exist by operations alone: dynamic reservations and volumes. */
  checkpointed: readonly Resource[] = [];
  /** Folders of destroyed volumes whose bytes are not removed yet. */
  readonly doomed = new Set<string>();
  /** Operations whose status nobody has acknowledged, oldest first. */
  readonly operations = new Map<Uuid, OperationRecord>();
  /** Which tasks run in a container; follows `tasks`. */
  readonly containers = new Map<ContainerId, Set<TaskKey>>();

  /** Tasks of a container: one, or those of a custom executor. */
  tasksIn(containerId: ContainerId): Task[] {
    const tasks: Task[] = [];
    for (const key of this.containers.get(containerId) ?? []) {
      const task = this.tasks.get(key);
      if (task !== undefined) tasks.push(task);
    }
    return tasks;
  }

  executor(frameworkId: FrameworkId, executorId: ExecutorId): Executor | undefined {
    for (const executor of this.executors.values()) {
      const { info } = executor;
      if (executor.frameworkId === frameworkId && info.executorId === executorId) return executor;
    }
    return undefined;
  }
}

/** The one place where the model changes. What a record does not find, it does not touch. */
export function apply(model: Checkpoint, record: AgentRecord): void {
  switch (record.k) {
    case "framework":
      return putFramework(model, record.frameworkId, record.info);
    case "framework-shutdown": {
      const framework = model.frameworks.get(record.frameworkId);
      if (framework !== undefined) framework.shutdown = true;
      return dropIdleFramework(model, record.frameworkId);
    }
    case "task":
      return putTask(model, record.task);
    case "executor":
      return void model.executors.set(record.executor.containerId, {
        ...{},
        ...record.executor,
        registered: false,
        shutdown: false,
      });
    case "executor-registered":
    case "executor-shutdown": {
      const executor = model.executors.get(record.containerId);
      if (executor === undefined) return;
      if (record.k === "executor-registered") executor.registered = true;
      else executor.shutdown = true;
      return;
    }
    case "executor-gone": {
      const executor = model.executors.get(record.containerId);
      model.executors.delete(record.containerId);
      if (executor !== undefined) dropIdleFramework(model, executor.frameworkId);
      return;
    }
    case "sandbox":
      return void model.sandboxes.set(record.sandbox.containerId, record.sandbox);
    case "sandbox-gone":
      return void model.sandboxes.delete(record.containerId);
    case "operation":
    case "operation-gone":
    case "volume-gone":
    case "resources":
      return applyToResources(model, record);
    default:
      return applyToTask(model, record);
  }
}

type ResourceChange = Extract<
  AgentRecord,
  { readonly k: "operation" | "operation-gone" | "volume-gone" | "resources" }
>;

function applyToResources(model: Checkpoint, record: ResourceChange): void {
  switch (record.k) {
    case "operation": {
      const { operation, checkpointed, doomed } = record;
      model.operations.set(operation.operationUuid, operation);
      if (checkpointed !== null) model.checkpointed = checkpointed;
      for (const path of doomed) model.doomed.add(path);
      return;
    }
    case "operation-gone":
      return void model.operations.delete(record.operationUuid);
    case "volume-gone":
      return void model.doomed.delete(record.path);
    case "resources":
      model.checkpointed = record.checkpointed;
      for (const path of record.doomed) model.doomed.add(path);
  }
}

type TaskChange = Extract<AgentRecord, { readonly key: TaskKey }>;

function applyToTask(model: Checkpoint, record: TaskChange): void {
  const task = model.tasks.get(record.key);
  if (task === undefined) return;
  switch (record.k) {
    case "container":
      unlink(model, task);
      task.containerId = record.containerId;
      task.bootId = record.bootId;
      return link(model, task);
    case "resized":
      task.info = { ...{}, ...task.info, resources: [...record.resources] };
      task.resized = true;
      return;
    case "kill":
      task.kill = record.kill;
      return;
    case "update":
      return putUpdate(task, record.status);
    case "ack":
      if (task.updates[0]?.uuid === record.uuid) task.updates.shift();
      return;
    case "progress":
      return void Object.assign(task, record.progress, {
        updates: [...record.progress.updates],
      });
    case "task-gone":
      unlink(model, task);
      model.tasks.delete(record.key);
      return dropIdleFramework(model, task.frameworkId);
  }
}

function putFramework(model: Checkpoint, frameworkId: FrameworkId, info: FrameworkInfo): void {
  const there = model.frameworks.get(frameworkId);
  if (there !== undefined) there.info = info;
  else model.frameworks.set(frameworkId, { frameworkId, info, shutdown: false });
}

function putTask(model: Checkpoint, seed: TaskSeed): void {
  const { frameworkId, executorId, info, manner, containerId, groupId, acceptedAtMs, bootId } =
    seed;
  const key = taskKey(frameworkId, info.taskId);
  // Field by field: whether just decided or read from the journal, all tasks are alike in memory.
  const task: Task = {
    frameworkId,
    executorId,
    info,
    manner,
    containerId,
    groupId,
    acceptedAtMs,
    bootId,
    key,
    resized: false,
    state: "TASK_STAGING",
    status: null,
    startedAtMs: null,
    kill: null,
    updates: [],
  };
  model.tasks.set(key, task);
  link(model, task);
}

function link(model: Checkpoint, { containerId, key }: Task): void {
  const keys = model.containers.get(containerId);
  if (keys === undefined) model.containers.set(containerId, new Set([key]));
  else keys.add(key);
}

function unlink(model: Checkpoint, { containerId, key }: Task): void {
  const keys = model.containers.get(containerId);
  keys?.delete(key);
  if (keys?.size === 0) model.containers.delete(containerId);
}

function putUpdate(task: Task, status: TaskStatus): void {
  task.state = status.state;
  task.status = status;
  if (status.state === "TASK_RUNNING") task.startedAtMs ??= status.timestampMs;
  if (status.uuid !== undefined) task.updates.push(status);
}

/** Nothing of the framework is left here: its info need not be told to a new leader. */
function dropIdleFramework(model: Checkpoint, frameworkId: FrameworkId): void {
  for (const task of model.tasks.values()) if (task.frameworkId === frameworkId) return;
  for (const executor of model.executors.values()) {
    if (executor.frameworkId === frameworkId) return;
  }
  model.frameworks.delete(frameworkId);
}

/** Records that lead from nothing to this model: what a compacted journal holds. */
export function snapshot(model: Checkpoint): AgentRecord[] {
  const records: AgentRecord[] = [];
  const { checkpointed } = model;
  const doomed = [...model.doomed];
  if (checkpointed.length + doomed.length > 0) {
    records.push({ k: "resources", checkpointed, doomed });
  }
  for (const operation of model.operations.values()) {
    records.push({ k: "operation", operation, checkpointed: null, doomed: [] });
  }
  for (const { frameworkId, info } of model.frameworks.values()) {
    records.push({ k: "framework", frameworkId, info });
  }
  for (const { registered, shutdown, ...executor } of model.executors.values()) {
    records.push({ k: "executor", executor });
    const { containerId } = executor;
    if (registered) records.push({ k: "executor-registered", containerId });
    if (shutdown) records.push({ k: "executor-shutdown", containerId });
  }
  for (const task of model.tasks.values()) records.push(...snapshotOf(task));
  // Last, for a framework without tasks and executors is gone when it is shut down.
  for (const { frameworkId, shutdown } of model.frameworks.values()) {
    if (shutdown) records.push({ k: "framework-shutdown", frameworkId });
  }
  for (const sandbox of model.sandboxes.values()) records.push({ k: "sandbox", sandbox });
  return records;
}

function snapshotOf(task: Task): AgentRecord[] {
  const { key, state, status, startedAtMs, kill, updates, resized, ...seed } = task;
  const progress = { state, status, startedAtMs, kill, updates: [...updates] };
  const records: AgentRecord[] = [{ k: "task", task: seed }];
  if (resized) records.push({ k: "resized", key, resources: seed.info.resources });
  return [...records, { k: "progress", key, progress }];
}

/** Whether nothing more will be said of it. */
export function isDone(task: Task): boolean {
  return isTerminal(task.state) && task.updates.length === 0;
}

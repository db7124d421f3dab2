/**
 * What the run framework owns: runs of commands, each with its instances. A run is started once
 * and never again; what it needs is decided when it is created. Plain records.
 */
import type { RunObject, RunRequest, TaskEnd } from "#api";
import {
  type AgentId,
  type FrameworkId,
  isTerminal,
  type TaskId,
  type TaskState,
  type TaskStatus,
} from "#protocol";
import { Resources } from "#resources";

/** Runs that are kept, ended ones included; the oldest ended ones go first. */
export const RUNS_MAX = 2_000;
/** Instances of all runs that have not ended. */
export const INSTANCES_MAX = 20_000;

export const RUN_CPUS_DEFAULT = 0.1;
export const RUN_MEM_MIB_DEFAULT = 64;

export interface Instance {
  readonly taskId: TaskId;
  state: "waiting" | TaskState;
  agentId: AgentId | undefined;
  /** As it was told; undefined while it lives, and of one that was never launched. */
  end: TaskEnd | undefined;
}

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly request: RunRequest;
  readonly role: string;
  /** What one instance needs, without ports. */
  readonly demand: Resources;
  readonly createdAtMs: number;
  readonly instances: readonly Instance[];
  cancelled: boolean;
  /** Instances that wait, so that an offer need not look at the others. */
  waiting: number;
  changes: number;
}

/** Size of the demand as text that the grammar of resources reads; ports as `ports:N` later. */
export function demandText(request: RunRequest): string {
  const parts = [
    `cpus:${request.cpus ?? RUN_CPUS_DEFAULT}`,
    `mem:${request.memMib ?? RUN_MEM_MIB_DEFAULT}`,
  ];
  if (request.diskMib !== undefined && request.diskMib > 0) parts.push(`disk:${request.diskMib}`);
  return parts.join(";");
}

/** What one instance is launched with. @throws RangeError for amounts that are none. */
export function demandOf(request: RunRequest): Resources {
  const demand = Resources.of(demandText(request));
  if (request.revocable !== true) return demand;
  return Resources.fromWire(demand.toWire().map((each) => ({ ...{}, ...each, revocable: {} })));
}

export function isOver(run: Run): boolean {
  return run.instances.every((one) => one.state !== "waiting" && isTerminal(one.state));
}

export function runObject(run: Run, frameworkId: FrameworkId | undefined): RunObject {
  const count = (matches: (state: Instance["state"]) => boolean): number =>
    run.instances.filter((one) => matches(one.state)).length;
  return {
    id: run.id,
    name: run.name,
    ...(frameworkId === undefined ? {} : { frameworkId }),
    role: run.role,
    wanted: run.instances.length,
    waiting: run.waiting,
    placed: count((state) => state !== "waiting"),
    running: count((state) => state === "TASK_RUNNING" || state === "TASK_KILLING"),
    finished: count((state) => state === "TASK_FINISHED"),
    failed: count((state) => state !== "waiting" && isTerminal(state) && state !== "TASK_FINISHED"),
    taskIds: run.instances.map((one) => one.taskId),
    ended: run.instances.flatMap((one) => one.end ?? []),
    resources: {
      cpus: run.demand.cpusMilli / 1000,
      memMib: run.demand.memMilli / 1000,
      diskMib: run.demand.diskMilli / 1000,
      gpus: 0,
    },
    createdAtMs: run.createdAtMs,
    cancelled: run.cancelled,
    version: `${run.createdAtMs}.${run.changes}`,
  };
}

/** What is kept of the status that ended a task. */
export function endOf(status: TaskStatus): TaskEnd {
  const { taskId, state, timestampMs, reason, message, exitCode, limitation } = status;
  return {
    taskId,
    state,
    atMs: timestampMs,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(limitation === undefined ? {} : { limitation }),
  };
}

/** The part of a run that must survive its process: everything but what updates bring again. */
export interface SavedRun {
  readonly id: string;
  readonly name: string;
  readonly request: RunRequest;
  readonly createdAtMs: number;
  readonly cancelled: boolean;
  readonly instances: readonly {
    readonly taskId: TaskId;
    readonly state: Instance["state"];
    readonly agentId?: AgentId;
    readonly end?: TaskEnd;
  }[];
}

export function savedRun(run: Run): SavedRun {
  return {
    id: run.id,
    name: run.name,
    request: run.request,
    createdAtMs: run.createdAtMs,
    cancelled: run.cancelled,
    instances: run.instances.map(({ taskId, state, agentId, end }) => ({
      taskId,
      state,
      ...(agentId === undefined ? {} : { agentId }),
      ...(end === undefined ? {} : { end }),
    })),
  };
}

export function restoredRun(saved: SavedRun): Run {
  return {
    ...{},
    ...saved,
    role: saved.request.role ?? "*",
    demand: demandOf(saved.request),
    instances: saved.instances.map(({ taskId, state, agentId, end }) => ({
      taskId,
      state,
      agentId,
      end,
    })),
    waiting: saved.instances.filter((one) => one.state === "waiting").length,
    changes: 0,
  };
}

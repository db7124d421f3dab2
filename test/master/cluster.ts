/** Agents and frameworks for stories on a stage: what they say, in one line each. */
import {
  type AgentId,
  type AgentInfo,
  agentPeer,
  asId,
  type BodyOf,
  type ExecutorId,
  type FrameworkId,
  type FrameworkInfo,
  frameworkPeer,
  type InstanceId,
  type OfferId,
  type OfferOperation,
  operatorPeer,
  type Peer,
  type Principal,
  type Resource,
  type TaskId,
  type TaskInfo,
  type TaskRecord,
  type TaskState,
  type TaskStatus,
  type Uuid,
} from "#protocol";
import { Resources } from "#resources";
import type { Stage } from "./stage.ts";

/** A person who calls, and where the answer is wanted. */
export const ROOT = operatorPeer(asId<Principal>("root"));
export const AT = { reply: "inbox", id: 1 } as const;

export function resources(text: string): Resource[] {
  return Resources.of(text).toWire();
}

export function uuidOf(n: number): Uuid {
  return `00000000-0000-4000-9000-${n.toString(16).padStart(12, "0")}` as Uuid;
}

export function agentId(name: string): AgentId {
  return asId<AgentId>(name);
}

export function taskId(name: string): TaskId {
  return asId<TaskId>(name);
}

/** The agent `name` speaks under the principal `name`. */
export function agentOf(name: string): Peer {
  return agentPeer(asId<Principal>(name));
}

export function frameworkOf(principal: string, instance = "i1"): Peer {
  return frameworkPeer(asId<Principal>(principal), asId<InstanceId>(instance));
}

export function agentInfo(name: string, text = "cpus:4;mem:1024"): AgentInfo {
  return {
    agentId: agentId(name),
    hostname: `${name}.test`,
    resources: resources(text),
    attributes: [],
    capabilities: [
      "MULTI_ROLE",
      "HIERARCHICAL_ROLE",
      "RESERVATION_REFINEMENT",
      "TASK_RESOURCE_LIMITS",
      "AGENT_OPERATION_FEEDBACK",
      "AGENT_DRAINING",
    ],
    version: "0.1.0",
    isolation: "none",
  };
}

export interface Registering {
  readonly incarnation?: number;
  readonly resources?: string;
  readonly tasks?: readonly TaskRecord[];
  readonly frameworks?: BodyOf<"RegisterAgent">["frameworks"];
  readonly executors?: BodyOf<"RegisterAgent">["executors"];
  readonly operations?: BodyOf<"RegisterAgent">["operations"];
  /** Under whose principal it speaks; its own name where nothing is said. */
  readonly as?: string;
}

/** Hello, Come, and the whole registration in one part. */
export function register(stage: Stage, name: string, more: Registering = {}): void {
  const { incarnation = 1, tasks = [], frameworks = [], executors, operations } = more;
  const peer = agentOf(more.as ?? name);
  stage.hello(peer, name, incarnation);
  stage.mail(peer, "RegisterAgent", {
    agent: agentInfo(name, more.resources),
    bootId: "boot",
    incarnation,
    part: 0,
    parts: 1,
    tasks: [...tasks],
    frameworks,
    ...(executors === undefined ? {} : { executors }),
    ...(operations === undefined ? {} : { operations }),
  });
}

export function frameworkInfo(more: Partial<FrameworkInfo> = {}): FrameworkInfo {
  return {
    name: "fw",
    user: "",
    roles: ["*"],
    failoverTimeoutMs: 60_000,
    checkpoint: true,
    capabilities: ["PARTITION_AWARE"],
    ...more,
  };
}

export interface Subscribing extends Partial<Omit<BodyOf<"SUBSCRIBE">, "frameworkInfo">> {
  readonly info?: Partial<FrameworkInfo>;
  readonly instance?: string;
}

/** Hello, Come and SUBSCRIBE of the framework of `principal`; returns who speaks. */
export function subscribe(stage: Stage, principal: string, more: Subscribing = {}): Peer {
  const { info = {}, instance = "i1", ...body } = more;
  const peer = frameworkOf(principal, instance);
  stage.hello(peer);
  stage.mail(peer, "SUBSCRIBE", {
    frameworkInfo: frameworkInfo(info),
    nonce: uuidOf(principal.charCodeAt(0)),
    suppressedRoles: [],
    ...body,
  });
  return peer;
}

/** The id that a framework of `principal` gets from its nonce. */
export function frameworkIdOf(principal: string): FrameworkId {
  return asId<FrameworkId>(`f-${uuidOf(principal.charCodeAt(0))}`);
}

export function task(name: string, agent: string, more: Partial<TaskInfo> = {}): TaskInfo {
  return {
    name,
    taskId: taskId(name),
    agentId: agentId(agent),
    resources: resources("cpus:1;mem:64"),
    command: { shell: true, value: "true" },
    ...more,
  };
}

export function launch(...taskInfos: TaskInfo[]): OfferOperation {
  return { type: "LAUNCH", taskInfos };
}

/** Offers that the framework of `principal` holds now. */
export function offersOf(stage: Stage, principal: string): OfferId[] {
  return [...(stage.state.frameworks.get(frameworkIdOf(principal))?.offers ?? [])];
}

export function accept(
  stage: Stage,
  principal: string,
  operations: readonly OfferOperation[],
  more: { readonly id?: number; readonly refuseMs?: number; readonly offerIds?: OfferId[] } = {},
): void {
  const { id = 1, refuseMs, offerIds = offersOf(stage, principal) } = more;
  const filters = refuseMs === undefined ? {} : { filters: { refuseMs } };
  const body = { offerIds, operations: [...operations], ...filters };
  stage.mail(frameworkOf(principal), "ACCEPT", body, { id });
}

/** An agent's update of a task; its uuid is made from `n`. */
export function update(
  stage: Stage,
  agent: string,
  principal: string,
  name: string,
  state: TaskState,
  more: { readonly n?: number; readonly latest?: TaskState; readonly exitCode?: number } = {},
): void {
  const { n = 1, latest = state, exitCode } = more;
  const status: TaskStatus = {
    taskId: taskId(name),
    state,
    source: "SOURCE_EXECUTOR",
    timestampMs: 1,
    uuid: uuidOf(n),
    ...(exitCode === undefined ? {} : { exitCode }),
  };
  const frameworkId = frameworkIdOf(principal);
  stage.mail(agentOf(agent), "StatusUpdate", { frameworkId, status, latestState: latest });
}

export function acknowledge(
  stage: Stage,
  agent: string,
  principal: string,
  name: string,
  n = 1,
): void {
  const body = { agentId: agentId(agent), taskId: taskId(name), uuid: uuidOf(n) };
  stage.mail(frameworkOf(principal), "ACKNOWLEDGE", body);
}

/** A task as an agent reports it when it registers. */
export function reported(
  name: string,
  agent: string,
  principal: string,
  state: TaskState = "TASK_RUNNING",
): TaskRecord {
  const info = task(name, agent);
  return {
    info: {
      ...info,
      resources: info.resources.map((each) => ({ ...each, allocationInfo: { role: "*" } })),
    },
    frameworkId: frameworkIdOf(principal),
    executorId: asId<ExecutorId>(name),
    containerId: asId(`c-${name}`),
    state,
  };
}

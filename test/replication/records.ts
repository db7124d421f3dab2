/** Records and operations for tests: small, valid, made in one line. */
import {
  type AgentId,
  type AgentInfo,
  asId,
  epochOf,
  type FrameworkId,
  type FrameworkInfo,
  type MasterId,
  type Principal,
  type Uuid,
} from "#protocol";
import { type Head, type LogRecord, recordVersionOf, type RegistryOperation } from "#replication";

export const LOG_CREATED: RegistryOperation = { kind: "LogCreated", logId: "log", generation: 0 };

export function elected(masterId: string): RegistryOperation {
  return { kind: "LeaderElected", masterId: asId<MasterId>(masterId) };
}

export function uuidOf(n: number): Uuid {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}` as Uuid;
}

export function agentInfo(agentId: string, cpusMilli = 4000): AgentInfo {
  return {
    agentId: asId<AgentId>(agentId),
    hostname: `${agentId}.test`,
    resources: [{ name: "cpus", type: "SCALAR", scalar: { milli: cpusMilli } }],
    attributes: [],
    capabilities: ["MULTI_ROLE"],
    version: "0.1.0",
    isolation: "none",
  };
}

export function frameworkInfo(name: string): FrameworkInfo {
  return {
    name,
    user: "",
    roles: ["*"],
    failoverTimeoutMs: 60_000,
    checkpoint: true,
    capabilities: [],
  };
}

export function admitAgent(agentId: string, incarnation = 1): RegistryOperation {
  return {
    kind: "AgentAdmitted",
    agentId: asId<AgentId>(agentId),
    principal: asId<Principal>(`p-${agentId}`),
    incarnation,
    bootId: "boot",
    info: agentInfo(agentId),
  };
}

export function admitFramework(frameworkId: string, nonce = 1): RegistryOperation {
  return {
    kind: "FrameworkAdmitted",
    frameworkId: asId<FrameworkId>(frameworkId),
    principal: asId<Principal>("p"),
    nonce: uuidOf(nonce),
    info: frameworkInfo(frameworkId),
  };
}

/** The record that `writer` would append behind `head`; an election gets its own epoch. */
export function recordAfter(
  head: Head,
  writer: string,
  operations: RegistryOperation[],
  id = `${writer}-${head.position + 1}`,
): LogRecord {
  const elects = operations.some(({ kind }) => kind === "LeaderElected");
  return {
    v: recordVersionOf(operations),
    epoch: elects ? epochOf(head.generation, head.position + 1) : head.epoch,
    writer: asId<MasterId>(writer),
    id,
    clusterTimeMs: 1000 * (head.position + 1),
    wallMs: 1_700_000_000_000 + head.position,
    previous: head.hash,
    operations,
  };
}

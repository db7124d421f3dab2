/** What the mailbox benchmark sends: status updates as agents make them, encoded before. */
import type { Credential } from "#adapters";
import {
  type AgentId,
  asId,
  type ContainerId,
  encodeMessage,
  type ExecutorId,
  type FrameworkId,
  type SessionId,
  type StatusUpdate,
  type TaskId,
  type Uuid,
} from "#protocol";

export const MESSAGES_PER_FRAME = 64;
export const EPOCH = 7;
/** How many different updates there are. */
const BODIES = 4_096;

/** What a sending process is told about one of its agents. */
export interface AgentOrder {
  readonly url: string;
  readonly credential: Credential;
  readonly inbox: string;
  readonly session: SessionId;
  readonly listenTo: string;
  readonly speakTo: string;
}

export function hex(n: number, length: number): string {
  return (n * 2_654_435_761).toString(16).padStart(length, "0").slice(-length);
}

export function uuid(n: number): Uuid {
  return `${hex(n, 8)}-${hex(n + 1, 4)}-4${hex(n + 2, 3)}-8${hex(n + 3, 3)}-${hex(n + 4, 12)}` as Uuid;
}

/** A status update as the built-in executor's come: 411 bytes or so. */
export function updateOf(n: number): StatusUpdate {
  const container = `c-${uuid(n).replaceAll("-", "")}`;
  return {
    frameworkId: asId<FrameworkId>("0b8d5a4e-6e0c-4a51-8f7e-9a4f2c1d3e55"),
    status: {
      taskId: asId<TaskId>(`batch-000017-${String(n).padStart(6, "0")}`),
      state: "TASK_RUNNING",
      source: "SOURCE_EXECUTOR",
      agentId: asId<AgentId>("5f0c9a31-2f6b-4f5e-9c11-2b8f0a1c7d01"),
      executorId: asId<ExecutorId>(`batch-000017-${String(n).padStart(6, "0")}`),
      timestampMs: 1_763_842_000_000 + n,
      uuid: uuid(n),
      containerStatus: {
        containerId: asId<ContainerId>(container),
        cgroup: `meseta/5f0c9a31-2f6b-4f5e-9c11-2b8f0a1c7d01/${container}`,
        executorPid: 10_000 + n,
      },
    },
    latestState: "TASK_RUNNING",
  };
}

export function preparedUpdates(): { messages: Uint8Array[]; bytesEach: number } {
  const messages: Uint8Array[] = [];
  let bytes = 0;
  for (let n = 0; n < BODIES; n++) {
    const message = encodeMessage("StatusUpdate", { id: n, re: 0 }, updateOf(n));
    if (message.fault !== undefined) throw new Error(message.fault);
    bytes += message.bytes.length;
    messages.push(message.bytes);
  }
  return { messages, bytesEach: Math.round(bytes / BODIES) };
}

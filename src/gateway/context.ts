/** What the gateway stands on: views, the way to the leader, runs. Given by the process. */
import type { RunObject, RunRequest } from "#api";
import type { BodyOf, MessageOf, OperatorCallKind } from "#protocol";
import type { ClusterView, EventRing, RingEvent } from "#views";

export type OperatorCall = MessageOf<OperatorCallKind>;

/** One piece of a log on its way to a reader. */
export interface LogChunk {
  /** Of the first byte, counted from the first byte ever written. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** true: nothing more comes. */
  readonly last: boolean;
  /** Where `last` is a failure, why. */
  readonly fault?: string;
}

export interface LogReader {
  /** The reader has taken one chunk: the agent may send another. */
  credit(): void;
  close(): void;
}

export interface Runs {
  /** Resolves when the run is durable. @throws ApiError busy, invalid. */
  create(request: RunRequest): Promise<RunObject>;
  list(): readonly RunObject[];
  cancel(id: string): RunObject;
  /** What one instance needs, as text of resources, and the framework that launches it. */
  demandOf(id: string): { readonly demand: string; readonly frameworkId: string | undefined };
}

export interface GatewayContext {
  readonly cluster: string;
  readonly build: string;
  readonly masterId: string;
  readonly view: ClusterView;
  readonly ring: EventRing;
  readonly runs: Runs;
  /** @throws ApiError no-leader, timeout. */
  call(message: OperatorCall): Promise<BodyOf<"OPERATOR_ANSWER">>;
  openLog(
    request: BodyOf<"OPERATOR_OPEN_STREAM">,
    agentPrincipal: string,
    onChunk: (chunk: LogChunk) => void,
  ): Promise<LogReader>;
  newStreamId(): string;
  onEvents(listener: (events: readonly RingEvent[]) => void): () => void;
  /** Sentences about what is not as it should be. */
  warnings(): readonly string[];
  /** Counts of this process: (name, label, count). */
  counts(): Iterable<readonly [string, string, number]>;
  nowMs(): number;
}

/**
 * Operations on resources as words of the wire: what is asked, in which state it is, and what is
 * said of it (mesos.md §3.4). The agent's checkpoint is the truth of what came of one (P-8.1).
 */
import { type Static, Type } from "@sinclair/typebox";
import {
  AgentIdSchema,
  FrameworkIdSchema,
  oneOf,
  OperationIdSchema,
  ResourceSchema,
  UuidSchema,
} from "./entities.ts";

export const RESOURCE_OPERATION_TYPES = ["RESERVE", "UNRESERVE", "CREATE", "DESTROY"] as const;
export type ResourceOperationType = (typeof RESOURCE_OPERATION_TYPES)[number];

/** Most reservations and volumes of one agent: all of them stand in each registration. */
export const CHECKPOINTED_RESOURCES_MAX = 128;
/** Most bytes of them once encoded: they stand in the agent's record in the log. */
export const CHECKPOINTED_BYTES_MAX = 24 * 1024;
/** Most resource objects of one operation. */
export const OPERATION_RESOURCES_MAX = 64;
const OperationResources = Type.Array(ResourceSchema, {
  minItems: 1,
  maxItems: OPERATION_RESOURCES_MAX,
});

const fields = {
  type: oneOf(RESOURCE_OPERATION_TYPES),
  /**
   * RESERVE: as they are to be, with the reservation on top; UNRESERVE: as they are; CREATE and
   * DESTROY: the volumes.
   */
  resources: OperationResources,
};
export const ResourceOperationSchema = Type.Object(fields);
export type ResourceOperation = Static<typeof ResourceOperationSchema>;

/** The same in ACCEPT; an id asks for feedback. */
export const OfferedOperationSchema = Type.Object({
  ...{},
  ...fields,
  id: Type.Optional(OperationIdSchema),
});

export const OPERATION_STATES = [
  "OPERATION_PENDING",
  "OPERATION_FINISHED",
  "OPERATION_FAILED",
  "OPERATION_ERROR",
  "OPERATION_DROPPED",
  "OPERATION_UNREACHABLE",
  "OPERATION_GONE_BY_OPERATOR",
  "OPERATION_RECOVERING",
  "OPERATION_UNKNOWN",
] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

const TERMINAL: ReadonlySet<OperationState> = new Set<OperationState>([
  "OPERATION_FINISHED",
  "OPERATION_FAILED",
  "OPERATION_ERROR",
  "OPERATION_DROPPED",
  "OPERATION_GONE_BY_OPERATOR",
]);

/** Whether nothing more will become of an operation in this state. */
export function isOperationOver(state: OperationState): boolean {
  return TERMINAL.has(state);
}

export const OperationStatusSchema = Type.Object({
  /** The framework's own; absent where it gave none, and of operators' operations. */
  operationId: Type.Optional(OperationIdSchema),
  state: oneOf(OPERATION_STATES),
  message: Type.Optional(Type.String({ maxLength: 4096 })),
  agentId: Type.Optional(AgentIdSchema),
  /** Present exactly where an acknowledgement is wanted. */
  uuid: Type.Optional(UuidSchema),
  /** What the resources are now, where it is finished. */
  convertedResources: Type.Optional(Type.Array(ResourceSchema, { maxItems: 64 })),
});
export type OperationStatus = Static<typeof OperationStatusSchema>;

/** An operation as the agent has it on disk: which one, whose, and what came of it. */
export const OperationRecordSchema = Type.Object({
  operationUuid: UuidSchema,
  /** Absent: an operator's. */
  frameworkId: Type.Optional(FrameworkIdSchema),
  operation: ResourceOperationSchema,
  status: OperationStatusSchema,
});
export type OperationRecord = Static<typeof OperationRecordSchema>;

/**
 * Every route of the native HTTP API as one table. The server binds its rows, the client and
 * the command line call them, the OpenAPI document is printed from them: there is no second
 * list.
 */
import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { LOG_LEVELS, oneOf, SANDBOX_PATH_LENGTH_MAX } from "#protocol";
import {
  AgentObjectSchema,
  ClusterStatusSchema,
  FolderObjectSchema,
  FrameworkObjectSchema,
  MachinesRequestSchema,
  MaintenanceObjectSchema,
  OfferObjectSchema,
  OperationRequestSchema,
  pageOf,
  QuotaObjectSchema,
  QuotaRequestSchema,
  RoleObjectSchema,
  RunObjectSchema,
  RunRequestSchema,
  ScheduleRequestSchema,
  TaskObjectSchema,
  WeightObjectSchema,
  WhyObjectSchema,
} from "./objects.ts";

/** Who may call a route: readers, those who run tasks, those who operate the cluster. */
export const PERMISSIONS = ["read", "run", "operate"] as const;
export type Permission = (typeof PERMISSIONS)[number];

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Parts in braces are parameters. */
  readonly path: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly query?: TObject;
  readonly body?: TSchema;
  /** Absent: a stream. */
  readonly output?: TSchema;
  /** `events`: SSE; `bytes`: SSE or plain bytes with ranges, as the caller accepts. */
  readonly stream?: "events" | "bytes";
}

/** Most items of one page, and how many where nothing is said. */
export const PAGE_LENGTH_MAX = 1000;
export const PAGE_LENGTH_DEFAULT = 100;

const ListQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_LENGTH_MAX })),
  after: Type.Optional(Type.String({ maxLength: 512 })),
  /** `field=value` or `field!=value`, joined by commas; all must hold. */
  filter: Type.Optional(Type.String({ maxLength: 1024 })),
  /** Names of top-level fields, joined by commas. */
  fields: Type.Optional(Type.String({ maxLength: 1024 })),
});

const Accepted = Type.Object({ accepted: Type.Boolean(), message: Type.Optional(Type.String()) });

const KillBody = Type.Object(
  { graceMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })) },
  { additionalProperties: false },
);

const UpdateTaskBody = Type.Object(
  {
    cpus: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    memMib: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const LogQuery = Type.Object({
  file: Type.Optional(oneOf(["stdout", "stderr"] as const)),
  /** First byte; negative counts from the end. */
  offset: Type.Optional(Type.Integer()),
  follow: Type.Optional(Type.Boolean()),
});

const SandboxPath = Type.String({ maxLength: SANDBOX_PATH_LENGTH_MAX });

export const FolderQuery = Type.Object({
  /** Below the sandbox; absent: the sandbox itself. */
  path: Type.Optional(SandboxPath),
});

export const FileQuery = Type.Object({
  path: SandboxPath,
  /** First byte; negative counts from the end. */
  offset: Type.Optional(Type.Integer()),
  /** Most bytes; absent: to the end of the file. */
  length: Type.Optional(Type.Integer({ minimum: 0 })),
});

export const ROUTES = {
  status: {
    method: "GET",
    path: "/v1/status",
    summary: "The cluster in one object",
    permission: "read",
    output: ClusterStatusSchema,
  },
  listTasks: {
    method: "GET",
    path: "/v1/tasks",
    summary: "Tasks that live and those that ended lately",
    permission: "read",
    query: ListQuery,
    output: pageOf(TaskObjectSchema),
  },
  showTask: {
    method: "GET",
    path: "/v1/tasks/{task}",
    summary: "One task with its history; an unambiguous beginning of its id is enough",
    permission: "read",
    output: TaskObjectSchema,
  },
  killTask: {
    method: "POST",
    path: "/v1/tasks/{task}/kill",
    summary: "Ends a task: SIGTERM, and SIGKILL after the grace period",
    permission: "run",
    body: KillBody,
    output: Accepted,
  },
  updateTask: {
    method: "POST",
    path: "/v1/tasks/{task}/update",
    summary: "Gives a running task other cpus and memory; shrinking never ends it",
    permission: "run",
    body: UpdateTaskBody,
    output: Accepted,
  },
  taskLogs: {
    method: "GET",
    path: "/v1/tasks/{task}/logs",
    summary: "Bytes that a task wrote; the id of an SSE event is the offset behind it",
    permission: "read",
    query: LogQuery,
    stream: "bytes",
  },
  taskFolder: {
    method: "GET",
    path: "/v1/tasks/{task}/folder",
    summary: "What a folder of the task's sandbox holds, links not followed",
    permission: "read",
    query: FolderQuery,
    output: FolderObjectSchema,
  },
  taskFile: {
    method: "GET",
    path: "/v1/tasks/{task}/file",
    summary:
      "Bytes of a file in the task's sandbox; as SSE each event's id is the offset behind it",
    permission: "read",
    query: FileQuery,
    stream: "bytes",
  },
  listAgents: {
    method: "GET",
    path: "/v1/agents",
    summary: "Machines",
    permission: "read",
    query: ListQuery,
    output: pageOf(AgentObjectSchema),
  },
  showAgent: {
    method: "GET",
    path: "/v1/agents/{agent}",
    summary: "One machine",
    permission: "read",
    output: AgentObjectSchema,
  },
  applyOperation: {
    method: "POST",
    path: "/v1/agents/{agent}/operations",
    summary: "Reserves an agent's resources for a role, or makes a volume of them; and back",
    permission: "operate",
    body: OperationRequestSchema,
    output: Accepted,
  },
  drainAgent: {
    method: "POST",
    path: "/v1/agents/{agent}/drain",
    summary: "Kills what runs on an agent and offers nothing of it any more",
    permission: "operate",
    body: Type.Object(
      {
        /** Most that a task may take to end. */
        maxGracePeriodMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })),
        /** Gone for good when it is empty. */
        markGone: Type.Optional(Type.Boolean()),
      },
      { additionalProperties: false },
    ),
    output: Accepted,
  },
  deactivateAgent: {
    method: "POST",
    path: "/v1/agents/{agent}/deactivate",
    summary: "Offers nothing of an agent any more; what runs there goes on",
    permission: "operate",
    output: Accepted,
  },
  reactivateAgent: {
    method: "POST",
    path: "/v1/agents/{agent}/reactivate",
    summary: "Offers an agent again; a drain is called off",
    permission: "operate",
    output: Accepted,
  },
  markAgentGone: {
    method: "POST",
    path: "/v1/agents/{agent}/gone",
    summary: "Counts an agent as gone for good; its tasks are gone by the operator",
    permission: "operate",
    output: Accepted,
  },
  showMaintenance: {
    method: "GET",
    path: "/v1/maintenance",
    summary: "Machines that are scheduled for maintenance or down for it",
    permission: "read",
    output: MaintenanceObjectSchema,
  },
  scheduleMaintenance: {
    method: "PUT",
    path: "/v1/maintenance",
    summary: "Replaces the whole schedule; frameworks are asked to leave these machines",
    permission: "operate",
    body: ScheduleRequestSchema,
    output: Accepted,
  },
  startMaintenance: {
    method: "POST",
    path: "/v1/maintenance/down",
    summary: "Takes scheduled machines down: their agents are not admitted until they are up",
    permission: "operate",
    body: MachinesRequestSchema,
    output: Accepted,
  },
  stopMaintenance: {
    method: "POST",
    path: "/v1/maintenance/up",
    summary: "Brings machines back: their windows are over",
    permission: "operate",
    body: MachinesRequestSchema,
    output: Accepted,
  },
  setWhitelist: {
    method: "PUT",
    path: "/v1/whitelist",
    summary: "Has agents of these hosts alone offered",
    permission: "operate",
    body: MachinesRequestSchema,
    output: Accepted,
  },
  clearWhitelist: {
    method: "DELETE",
    path: "/v1/whitelist",
    summary: "Has agents of all hosts offered again",
    permission: "operate",
    output: Accepted,
  },
  listFrameworks: {
    method: "GET",
    path: "/v1/frameworks",
    summary: "Frameworks that are subscribed or away",
    permission: "read",
    query: ListQuery,
    output: pageOf(FrameworkObjectSchema),
  },
  showFramework: {
    method: "GET",
    path: "/v1/frameworks/{framework}",
    summary: "One framework",
    permission: "read",
    output: FrameworkObjectSchema,
  },
  teardownFramework: {
    method: "POST",
    path: "/v1/frameworks/{framework}/teardown",
    summary: "Kills everything of a framework; its id cannot come back",
    permission: "operate",
    output: Accepted,
  },
  listOffers: {
    method: "GET",
    path: "/v1/offers",
    summary: "Offers that are outstanding",
    permission: "read",
    query: ListQuery,
    output: pageOf(OfferObjectSchema),
  },
  listRoles: {
    method: "GET",
    path: "/v1/roles",
    summary: "Roles with their shares",
    permission: "read",
    query: ListQuery,
    output: pageOf(RoleObjectSchema),
  },
  showRole: {
    method: "GET",
    path: "/v1/roles/{role}",
    summary: "One role with its share, weight and quota",
    permission: "read",
    output: RoleObjectSchema,
  },
  listQuotas: {
    method: "GET",
    path: "/v1/quotas",
    summary: "What roles are guaranteed and limited to",
    permission: "read",
    query: ListQuery,
    output: pageOf(QuotaObjectSchema),
  },
  showQuota: {
    method: "GET",
    path: "/v1/quotas/{role}",
    summary: "The quota of one role",
    permission: "read",
    output: QuotaObjectSchema,
  },
  setQuota: {
    method: "PUT",
    path: "/v1/quotas/{role}",
    summary: "Sets the whole quota of a role; answered when the log has it",
    permission: "operate",
    body: QuotaRequestSchema,
    output: Accepted,
  },
  removeQuota: {
    method: "DELETE",
    path: "/v1/quotas/{role}",
    summary: "Takes the quota of a role away; answered when the log has it",
    permission: "operate",
    output: Accepted,
  },
  transferLead: {
    method: "POST",
    path: "/v1/masters/transfer",
    summary: "The leader gives the lead to a master that stands by; answered before it does",
    permission: "operate",
    body: Type.Object(
      { masterId: Type.Optional(Type.String({ maxLength: 128 })) },
      { additionalProperties: false },
    ),
    output: Accepted,
  },
  listWeights: {
    method: "GET",
    path: "/v1/weights",
    summary: "Weights of roles that are not 1",
    permission: "read",
    query: ListQuery,
    output: pageOf(WeightObjectSchema),
  },
  setWeight: {
    method: "PUT",
    path: "/v1/weights/{role}",
    summary: "Sets the weight by which a role's share is divided; answered when the log has it",
    permission: "operate",
    body: Type.Object(
      { weight: Type.Number({ exclusiveMinimum: 0 }) },
      { additionalProperties: false },
    ),
    output: Accepted,
  },
  createRun: {
    method: "POST",
    path: "/v1/runs",
    summary: "Runs a command once, on one or more instances",
    permission: "run",
    body: RunRequestSchema,
    output: RunObjectSchema,
  },
  listRuns: {
    method: "GET",
    path: "/v1/runs",
    summary: "Runs of this master's own framework",
    permission: "read",
    query: ListQuery,
    output: pageOf(RunObjectSchema),
  },
  showRun: {
    method: "GET",
    path: "/v1/runs/{run}",
    summary: "One run",
    permission: "read",
    output: RunObjectSchema,
  },
  cancelRun: {
    method: "DELETE",
    path: "/v1/runs/{run}",
    summary: "Kills what runs of it and launches nothing more",
    permission: "run",
    output: RunObjectSchema,
  },
  why: {
    method: "GET",
    path: "/v1/why",
    summary:
      "Why a run, framework, role or task waits, agent by agent; why an agent is not offered",
    permission: "read",
    query: Type.Object({ name: Type.String({ minLength: 1, maxLength: 255 }) }),
    output: WhyObjectSchema,
  },
  events: {
    method: "GET",
    path: "/v1/events",
    summary: "What changes, from a snapshot or from the event after `after` on",
    permission: "read",
    query: Type.Object({
      topics: Type.Optional(Type.String({ maxLength: 256 })),
      after: Type.Optional(Type.String({ maxLength: 64 })),
    }),
    stream: "events",
  },
  setLogLevel: {
    method: "PUT",
    path: "/v1/log-level",
    summary: "Changes how much the leader logs",
    permission: "operate",
    body: Type.Object({ level: oneOf(LOG_LEVELS) }, { additionalProperties: false }),
    output: Accepted,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

/** What a route answers with, in its type. */
export type OutputOf<Name extends RouteName> = (typeof ROUTES)[Name] extends {
  readonly output: infer Schema extends TSchema;
}
  ? Static<Schema>
  : never;

/** What a route takes in its body. */
export type InputOf<Name extends RouteName> = (typeof ROUTES)[Name] extends {
  readonly body: infer Schema extends TSchema;
}
  ? Static<Schema>
  : undefined;

/** The names between braces in a path. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1] ?? "");
}

/** The path with its parameters filled in, escaped. */
export function fillPath(path: string, parameters: Readonly<Record<string, string>>): string {
  return path.replace(/\{([a-z]+)\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new Error(`the path ${path} needs the parameter ${name}`);
    return encodeURIComponent(value);
  });
}

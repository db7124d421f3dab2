/** Lists and single objects out of the views: tasks, agents, frameworks, offers, roles. */
import type { TObject } from "@sinclair/typebox";
import {
  AgentObjectSchema,
  ApiError,
  FrameworkObjectSchema,
  OfferObjectSchema,
  RunObjectSchema,
  TaskObjectSchema,
} from "#api";
import { asId, type FrameworkId, type MasterId } from "#protocol";
import { findOne, type ListRequest, pageOfItems } from "#views";
import { type Handlers, refuseUnaccepted } from "./handlers.ts";

const fieldsOf = (schema: TObject): string[] => Object.keys(schema.properties);

/** The handler of a list of such objects. */
export function listing<Item extends { readonly id?: string; readonly name?: string }>(
  schema: TObject,
  itemsOf: (context: Parameters<Handlers["listTasks"]>[0]) => readonly Item[],
) {
  const fields = fieldsOf(schema);
  return (
    context: Parameters<Handlers["listTasks"]>[0],
    { query }: { readonly query: unknown },
  ): object => pageOfItems(itemsOf(context), query as ListRequest, fields, context.view.index);
}

export const objectHandlers = {
  listTasks: listing(TaskObjectSchema, ({ view }) => view.allTasks()),
  listAgents: listing(AgentObjectSchema, ({ view }) => view.allAgents()),
  listFrameworks: listing(FrameworkObjectSchema, ({ view }) => view.allFrameworks()),
  listOffers: listing(OfferObjectSchema, ({ view }) => view.allOffers()),
  listRuns: listing(RunObjectSchema, ({ runs }) => runs.list()),
  showTask: ({ view }, { path }) => findOne("task", path["task"] ?? "", view.allTasks()),
  showAgent: ({ view }, { path }) => findOne("agent", path["agent"] ?? "", view.allAgents()),
  showFramework: ({ view }, { path }) =>
    findOne("framework", path["framework"] ?? "", view.allFrameworks()),
  async teardownFramework(context, { path }) {
    const framework = findOne("framework", path["framework"] ?? "", context.view.allFrameworks());
    const answer = await context.call({
      kind: "OPERATOR_TEARDOWN",
      body: { frameworkId: asId<FrameworkId>(framework.id) },
    });
    refuseUnaccepted(answer);
    return { accepted: true };
  },
  async setLogLevel(context, { body }) {
    const { level } = body;
    const answer = await context.call({ kind: "OPERATOR_SET_LOG_LEVEL", body: { level } });
    refuseUnaccepted(answer);
    return { accepted: true, message: `the leader logs from ${level} on` };
  },
  async transferLead(context, { body }) {
    const { masterId } = body;
    const named = masterId === undefined ? {} : { masterId: asId<MasterId>(masterId) };
    const answer = await context.call({ kind: "OPERATOR_TRANSFER", body: named });
    refuseUnaccepted(answer);
    return { accepted: true, message: "the leader gives the lead away" };
  },
  status(context) {
    const { view } = context;
    const tasks: Record<string, number> = {};
    for (const task of view.tasks.values()) tasks[task.state] = (tasks[task.state] ?? 0) + 1;
    const agents: Record<string, number> = {};
    for (const agent of view.agents.values()) {
      // What keeps it from being offered says more than that it is there.
      const how = agent.activity === "active" ? agent.condition : agent.activity;
      agents[how] = (agents[how] ?? 0) + 1;
    }
    const unlimited = [...view.agents.values()].filter((agent) => agent.isolation === "none");
    return {
      cluster: context.cluster,
      build: context.build,
      masterId: context.masterId,
      ...(view.leader === undefined ? {} : { leader: view.leader }),
      agents,
      frameworks: view.frameworks.size,
      tasks,
      ...view.sums(),
      warnings: [
        ...context.warnings(),
        ...(view.stale
          ? ["what is shown may be old: events are missing, a snapshot is asked"]
          : []),
        ...(unlimited.length > 0
          ? [`${unlimited.length} agents enforce no limits: they do not run as root`]
          : []),
      ],
    };
  },
} satisfies Partial<Handlers>;

/** @throws ApiError not-found where a path names a task that is over. */
export function liveTask(context: Parameters<Handlers["showTask"]>[0], id: string) {
  const task = findOne("task", id, context.view.allTasks());
  const live = context.view.tasks.has(`${task.frameworkId}/${task.id}`);
  if (!live) {
    throw new ApiError("conflict", `task ${task.id} has ended: ${task.state}`);
  }
  return task;
}

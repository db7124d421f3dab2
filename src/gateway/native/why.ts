/** Why something waits, or is not offered: asked of the leader, told with the views' names. */
import { ApiError, type RunObject, type TaskObject, type WhyObject } from "#api";
import { type AgentId, asId, type BodyOf, type FrameworkId } from "#protocol";
import { Resources } from "#resources";
import { findOne } from "#views";
import type { GatewayContext } from "../context.ts";
import { type Handlers, refuseUnaccepted } from "./handlers.ts";

type Subject = Pick<WhyObject, "name" | "kind">;
type Resolve = (context: GatewayContext, name: string) => Promise<WhyObject> | undefined;

/** What a name may be, in this order; the first that bears it is explained. */
const RESOLVERS: readonly Resolve[] = [
  (context, name) => {
    const named = (run: RunObject): boolean =>
      run.id === name || run.name === name || run.taskIds.some((id) => id === name);
    const run = context.runs.list().find((each) => named(each) && waits(each));
    return run === undefined ? undefined : explainRun(context, run);
  },
  (context, name) => {
    const task = matching("task", name, context.view.allTasks());
    return task === undefined ? undefined : Promise.resolve(whyOfTask(context, task));
  },
  (context, name) => {
    const run = context.runs.list().find((each) => each.id === name || each.name === name);
    return run === undefined ? undefined : Promise.resolve(whyOfPlaced(run));
  },
  (context, name) => {
    const framework = matching("framework", name, context.view.allFrameworks());
    if (framework === undefined) return undefined;
    const subject = { name: framework.name || framework.id, kind: "framework" } as const;
    return explain(context, subject, { frameworkId: asId<FrameworkId>(framework.id) });
  },
  (context, name) =>
    context.view.roles.has(name)
      ? explain(context, { name, kind: "role" }, { role: name })
      : undefined,
  (context, name) => {
    const agents = context.view.allAgents();
    const hosts = agents.map((each) => ({ ...{}, ...each, name: each.hostname }));
    const agent = matching("agent", name, hosts);
    if (agent === undefined) return undefined;
    const subject = { name: agent.id, kind: "agent" } as const;
    return explain(context, subject, { agentId: asId<AgentId>(agent.id) });
  },
];

export const whyHandlers = {
  async why(context, { query }) {
    const { name } = query;
    for (const resolve of RESOLVERS) {
      const why = resolve(context, name);
      if (why !== undefined) return await why;
    }
    const hint = "ps, framework list, role list and agent list show the names";
    const what = "run, task, framework, role or agent";
    throw new ApiError("not-found", `no ${what} is named ${JSON.stringify(name)}`, hint);
  },
} satisfies Partial<Handlers>;

/** The one that bears the name; undefined where none does. @throws ApiError where several do. */
function matching<Item extends { readonly id: string; readonly name?: string }>(
  noun: string,
  name: string,
  items: readonly Item[],
): Item | undefined {
  try {
    return findOne(noun, name, items);
  } catch (error) {
    if (error instanceof ApiError && error.code === "not-found") return undefined;
    throw error;
  }
}

function waits(run: RunObject): boolean {
  return run.waiting > 0 && !run.cancelled;
}

export function explainRun(context: GatewayContext, run: RunObject): Promise<WhyObject> {
  const { demand, frameworkId } = context.runs.demandOf(run.id);
  const subject = { name: run.name, kind: "run" } as const;
  return explain(context, subject, {
    role: run.role,
    demand: Resources.of(demand).toWire(),
    ...(frameworkId === undefined ? {} : { frameworkId: asId<FrameworkId>(frameworkId) }),
  });
}

/** A run of which nothing waits for an offer. */
function whyOfPlaced(run: RunObject): WhyObject {
  const { name, running, finished, failed, wanted, cancelled } = run;
  const counts = { running, finished, failed };
  const told = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  const end = cancelled ? "; it is cancelled" : "";
  const summary = `nothing of it waits: of ${wanted} instances ${told.join(", ")}${end}`;
  return { name, kind: "run", summary, counts, agents: [], subscriptions: [] };
}

function whyOfTask({ view }: GatewayContext, task: TaskObject): WhyObject {
  const where = `${task.agentId} (${task.hostname || "a machine that is gone"})`;
  const parts = [`${task.state} on ${where}`];
  if (task.reason !== undefined) parts.push(task.reason);
  if (task.message !== undefined) parts.push(task.message);
  if (task.exitCode !== undefined) parts.push(`exit code ${task.exitCode}`);
  const agent = view.agents.get(task.agentId);
  if (agent !== undefined && agent.condition !== "registered" && task.endedAtMs === undefined) {
    parts.push(`its agent is ${agent.condition}`);
  }
  const counts = {};
  return {
    name: task.id,
    kind: "task",
    summary: parts.join("; "),
    counts,
    agents: [],
    subscriptions: [],
  };
}

async function explain(
  context: GatewayContext,
  subject: Subject,
  body: BodyOf<"OPERATOR_EXPLAIN">,
): Promise<WhyObject> {
  const answer = await context.call({ kind: "OPERATOR_EXPLAIN", body });
  refuseUnaccepted(answer);
  const { explanation } = answer;
  if (explanation === undefined) {
    throw new ApiError("failed", "the leader accepted the question and gave no explanation");
  }
  const { agents, frameworks } = context.view;
  const { summary, counts, subscriptions = [] } = explanation;
  return {
    ...{},
    ...subject,
    summary,
    counts,
    agents: explanation.agents.map((each) => ({
      ...{},
      ...each,
      hostname: agents.get(each.agentId)?.hostname ?? "",
    })),
    subscriptions: subscriptions.map((each) => ({
      ...{},
      ...each,
      framework: frameworks.get(each.frameworkId)?.name ?? "",
    })),
  };
}

/** Runs of commands, kills of tasks, and why something waits. */
import { ApiError, type RunObject, type WhyObject } from "#api";
import { asId, type BodyOf, type FrameworkId, type TaskId } from "#protocol";
import { Resources } from "#resources";
import { findOne } from "#views";
import type { GatewayContext } from "../context.ts";
import { type Handlers, refuseUnaccepted } from "./handlers.ts";
import { liveTask } from "./objects.ts";

/** A run that waits this long is explained. */
const EXPLAIN_AFTER_MS = 2_000;
/** Agents named in an explanation; the counts cover all. */
const EXPLAIN_AGENTS_MAX = 100;

export const runHandlers = {
  createRun: (context, { body }) => context.runs.create(body),
  async showRun(context, { path }) {
    const run = findOne("run", path["run"] ?? "", context.runs.list());
    const waits = run.waiting > 0 && !run.cancelled;
    if (!waits || context.nowMs() - run.createdAtMs < EXPLAIN_AFTER_MS) return run;
    const { summary } = await explainRun(context, run);
    return { ...run, blockedBy: summary };
  },
  cancelRun: (context, { path }) => {
    const run = findOne("run", path["run"] ?? "", context.runs.list());
    return context.runs.cancel(run.id);
  },
  async killTask(context, { path, body }) {
    const task = liveTask(context, path["task"] ?? "");
    const { graceMs } = body;
    const answer = await context.call({
      kind: "OPERATOR_KILL",
      body: {
        frameworkId: asId<FrameworkId>(task.frameworkId),
        taskId: asId<TaskId>(task.id),
        ...(graceMs === undefined ? {} : { killPolicy: { gracePeriodMs: graceMs } }),
      },
    });
    refuseUnaccepted(answer);
    return { accepted: true, message: `task ${task.id} is being ended` };
  },
  async why(context, { query }) {
    const { name } = query;
    const run = context.runs.list().find((one) => one.id === name || one.name === name);
    if (run !== undefined) return await explainRun(context, run);
    const framework = context.view
      .allFrameworks()
      .find((one) => one.id === name || one.name === name);
    if (framework !== undefined) {
      return await explain(context, name, { frameworkId: asId<FrameworkId>(framework.id) });
    }
    if (context.view.roles.has(name)) return await explain(context, name, { role: name });
    const hint = "meseta ps, framework list and role list show the names";
    throw new ApiError("not-found", `no run, framework or role is named ${name}`, hint);
  },
} satisfies Partial<Handlers>;

function explainRun(context: GatewayContext, run: RunObject): Promise<WhyObject> {
  const { demand, frameworkId } = context.runs.demandOf(run.id);
  return explain(context, run.name, {
    role: run.role,
    demand: Resources.of(demand).toWire(),
    ...(frameworkId === undefined ? {} : { frameworkId: asId<FrameworkId>(frameworkId) }),
  });
}

async function explain(
  context: GatewayContext,
  name: string,
  body: BodyOf<"OPERATOR_EXPLAIN">,
): Promise<WhyObject> {
  const answer = await context.call({ kind: "OPERATOR_EXPLAIN", body });
  refuseUnaccepted(answer);
  const explanation = answer.explanation;
  if (explanation === undefined) {
    throw new ApiError("failed", "the leader accepted the question and gave no explanation");
  }
  return {
    name,
    summary: explanation.summary,
    counts: explanation.counts,
    agents: explanation.agents.slice(0, EXPLAIN_AGENTS_MAX),
  };
}

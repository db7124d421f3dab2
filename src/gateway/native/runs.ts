/** Runs of commands and kills of tasks. */
import { ApiError } from "#api";
import { asId, type FrameworkId, type TaskId } from "#protocol";
import { readScalarNumber } from "#resources";
import { findOne } from "#views";
import { type Handlers, refuseUnaccepted } from "./handlers.ts";
import { liveTask } from "./objects.ts";
import { explainRun } from "./why.ts";

/** A run that waits this long is explained. */
const EXPLAIN_AFTER_MS = 2_000;

export const runHandlers = {
  createRun: (context, { body }) => context.runs.create(body),
  async showRun(context, { path }) {
    const run = findOne("run", path["run"] ?? "", context.runs.list());
    const waits = run.waiting > 0 && !run.cancelled;
    if (!waits || context.nowMs() - run.createdAtMs < EXPLAIN_AFTER_MS) return run;
    const { summary } = await explainRun(context, run);
    return { ...{}, ...run, blockedBy: summary };
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
  async updateTask(context, { path, body }) {
    const task = liveTask(context, path["task"] ?? "");
    const amounts = [
      ...(body.cpus === undefined ? [] : [{ name: "cpus", milli: milliOf("cpus", body.cpus) }]),
      ...(body.memMib === undefined
        ? []
        : [{ name: "mem", milli: milliOf("memMib", body.memMib) }]),
    ];
    const answer = await context.call({
      kind: "OPERATOR_UPDATE_TASK",
      body: {
        frameworkId: asId<FrameworkId>(task.frameworkId),
        taskId: asId<TaskId>(task.id),
        amounts,
      },
    });
    refuseUnaccepted(answer);
    return { accepted: true, message: `task ${task.id} is being resized` };
  },
} satisfies Partial<Handlers>;

/** @throws ApiError naming field and value. */
function milliOf(field: string, value: number): number {
  const reading = readScalarNumber(value);
  if (reading.kind === "milli" && reading.milli > 0) return reading.milli;
  const why = reading.kind === "invalid" ? reading.message : `${value} is no amount above 0`;
  throw new ApiError("invalid", `field ${field}: ${why}`);
}

/** How `meseta run` hears of the ends of its tasks. */
import t from "tap";
import type { RunObject } from "#api";
import { TaskEnds } from "../../src/cli/task-ends.ts";

const run: RunObject = {
  id: "r",
  name: "r",
  role: "*",
  wanted: 2,
  waiting: 0,
  placed: 2,
  running: 2,
  finished: 0,
  failed: 0,
  taskIds: ["r-0", "r-1"],
  ended: [],
  resources: { cpus: 1, memMib: 1, diskMib: 0, gpus: 0 },
  createdAtMs: 1,
  cancelled: false,
  version: "1.0",
};

function updated(taskId: string, state: string, more: object = {}): string {
  return JSON.stringify({ status: { taskId, state, source: "SOURCE_EXECUTOR", ...more } });
}

t.test("each end counts once, whoever tells it first", async (t) => {
  const began: string[] = [];
  const ends = new TaskEnds(run, (taskId) => began.push(taskId));
  ends.event("TASK_UPDATED", updated("r-0", "TASK_RUNNING"));
  ends.event("TASK_UPDATED", updated("stranger", "TASK_FINISHED"));
  ends.event("TASK_UPDATED", updated("r-0", "TASK_FAILED", { exitCode: 7 }));
  t.equal(ends.complete, false);
  ends.run({
    ...run,
    ended: [
      { taskId: "r-0", state: "TASK_FAILED", exitCode: 7, atMs: 1 },
      { taskId: "r-1", state: "TASK_FINISHED", exitCode: 0, atMs: 2 },
    ],
  });
  t.equal(ends.complete, true, "the run knows of an end that the events have missed");
  t.match(ends.ended, [{ exitCode: 7 }, { state: "TASK_FINISHED" }]);
  t.equal(ends.ended.length, 2);
  t.same(began, ["r-0", "r-0", "r-1"], "also what ended unseen has output to be read");
});

/** Guards of tasks and executors whose end two sides must see alike; tests must miss them. */
import type { SuiteMutant } from "./mutant.ts";

export const EXECUTOR_MUTANTS: readonly SuiteMutant[] = [
  {
    name: "gone-tasks-run-on",
    statement: "an agent that is gone is refused, and its tasks run on",
    edits: [
      {
        file: "src/actors/master/agents.js",
        find: "        endTasks(turn, registration);\n",
        replace: "",
      },
    ],
    suite: "test/master/index.test.js",
    test: "who comes back though it is gone is told to end its tasks, then refused",
  },
  {
    name: "idle-executor-uncounted",
    statement: "executors without tasks that an agent reports are not paid for",
    edits: [
      {
        file: "src/actors/master/enrol.js",
        find: "putExecutor(agent, each.frameworkId, roleOf(each.executor, framework), each.executor);",
        replace: "",
      },
    ],
    suite: "test/master/index.test.js",
    test: "an executor without tasks is counted, until it has ended",
  },
  {
    name: "idle-executor-untold",
    statement: "an agent does not report executors whose tasks have all ended",
    edits: [
      {
        file: "src/actors/agent/registration.js",
        find: "        ...executorParts(state),\n",
        replace: "",
      },
    ],
    suite: "test/executor/index.test.js",
    test: "a new leader hears of an executor whose tasks have all ended",
  },
  {
    name: "uncounted-executor-begun",
    statement: "an agent begins an executor that its leader has not counted",
    edits: [
      {
        file: "src/actors/agent/launch.js",
        find: "launchExecutor !== false)",
        replace: "launchExecutor !== null)",
      },
    ],
    suite: "test/executor/index.test.js",
    test: "a task for an executor that has ended meanwhile is dropped, and begins none",
  },
  {
    name: "unbegun-executor-kept",
    statement: "a leader keeps what it has counted for an executor that was never begun",
    edits: [
      {
        file: "src/actors/agent/launch.js",
        find: "if (launchExecutor !== true ||",
        replace: "if (launchExecutor !== null ||",
      },
    ],
    suite: "test/executor/index.test.js",
    test: "an executor that was counted and is not begun is said to have ended",
  },
];

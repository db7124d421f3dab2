/** Guards of the agent: its journal, its updates. */
import type { SwarmMutant } from "./mutant.ts";

export const AGENT_MUTANTS: readonly SwarmMutant[] = [
  {
    name: "update-before-journal",
    statement: "an agent says its updates without waiting for its journal",
    edits: [
      {
        file: "src/actors/agent/state.js",
        find: 'out.push({ kind: "send", to, message, ...(after === undefined ? {} : { after }) });',
        replace: 'out.push({ kind: "send", to, message });',
      },
    ],
    noticedBy: ["S1"],
    profile: "nats",
  },
  {
    name: "any-uuid-acknowledges",
    statement: "an acknowledgement retires the head of the queue, whatever uuid it names",
    edits: [
      {
        file: "src/actors/agent/updates.js",
        find: "if (task.updates[0]?.uuid !== uuid)",
        replace: "if (task.updates[0] === undefined)",
      },
      {
        file: "src/actors/agent/checkpoint.js",
        find: "if (task.updates[0]?.uuid === record.uuid)",
        replace: "if (task.updates[0] !== undefined)",
      },
    ],
    noticedBy: ["U1", "T1"],
    profile: "nats",
    faults: ["framework-pause", "crash-framework", "leader-pause", "clog", "disconnect-client"],
  },
  {
    name: "executor-acknowledged-early",
    statement: "an executor's update is acknowledged before the journal has it",
    edits: [
      {
        file: "src/actors/agent/executors.js",
        find: 'sayTo(state, to, { kind: "EXECUTOR_ACKNOWLEDGED", body: { taskId, uuid } }, out);',
        replace:
          'const message = { kind: "EXECUTOR_ACKNOWLEDGED", body: { taskId, uuid } };\n' +
          '    out.push({ kind: "send", to, message });',
      },
    ],
    noticedBy: ["S1"],
    profile: "nats",
  },
  {
    name: "known-task-started-again",
    statement: "a task that is known is launched once more, by the master and by its agent",
    edits: [
      {
        file: "src/actors/agent/launch.js",
        find: "if (state.model.tasks.has(taskKey(frameworkId, task.taskId))) {",
        replace: "if (state.model.tasks.size < 0) {",
      },
      {
        file: "src/actors/master/accept.js",
        find: "        if (known !== undefined) {",
        replace: "        if (known === null) {",
      },
    ],
    noticedBy: ["T2"],
    profile: "nats",
    faults: ["launch-same-task-id", "crash-framework"],
  },
  {
    name: "updates-out-of-order",
    statement: "an agent sends the latest update of a task instead of the oldest that is open",
    edits: [
      {
        file: "src/actors/agent/updates.js",
        find: "const head = task?.updates[0];",
        replace: "const head = task?.updates.at(-1);",
      },
    ],
    noticedBy: ["U1"],
    profile: "nats",
    faults: ["framework-pause", "never-ack", "leader-kill", "disconnect-client"],
  },
];

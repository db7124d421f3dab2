/** Guards of the agent: its journal, its updates. */
import type { Mutant } from "./mutant.ts";

export const AGENT_MUTANTS: readonly Mutant[] = [
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
];

/** Guards of operations on an agent's resources: its checkpoint is what it has (P-8.1). */
import type { SwarmMutant } from "./mutant.ts";

/** What there is to be done to agents, and what takes the word of it away. */
const FAULTS = ["reserve", "crash-agent", "disconnect-client", "leader-kill"];

export const OPERATION_MUTANTS: readonly SwarmMutant[] = [
  {
    name: "result-without-resources",
    statement: "an agent writes down that an operation is done, not what it has made of it",
    edits: [
      {
        file: "src/actors/agent/operations.js",
        find: 'commit(state, { k: "operation", operation, checkpointed, doomed });',
        replace: 'commit(state, { k: "operation", operation, checkpointed: null, doomed });',
      },
    ],
    noticedBy: ["V1"],
    profile: "nats",
    faults: FAULTS,
  },
  {
    name: "operation-done-twice",
    statement: "an operation that an agent has done is done once more when it is said again",
    edits: [
      {
        file: "src/actors/agent/operations.js",
        find: "if (known !== undefined)",
        replace: "if (known === null)",
      },
      {
        file: "src/actors/master/operations.js",
        find: "intent.agentId !== agent.agentId || there.has(intent.operationUuid)",
        replace: "intent.agentId !== agent.agentId",
      },
    ],
    noticedBy: ["V1"],
    profile: "nats",
    faults: FAULTS,
  },
  {
    name: "intent-not-said-again",
    statement: "what an operator wants of an agent is not said again when it comes back",
    edits: [
      {
        file: "src/actors/master/operations.js",
        find: "        beginIntent(turn, agent, intent);\n    }\n}",
        replace: "    }\n}",
      },
    ],
    noticedBy: ["V1"],
    profile: "nats",
    faults: FAULTS,
  },
];

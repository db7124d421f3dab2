/** Guards of the lead: proof, quiet time, conflicts, what the log must say first. */
import type { SwarmMutant } from "./mutant.ts";

export const LEAD_MUTANTS: readonly SwarmMutant[] = [
  {
    name: "mute-ignored",
    statement: "a leader that cannot prove its lead goes on speaking",
    edits: [
      {
        file: "src/replication/election.js",
        find: "return nowMs - this.#provenMs > this.#times.muteMs || this.#provenMs < this.#proveAfterMs;",
        replace: "return false;",
      },
    ],
    noticedBy: ["E2"],
    profile: "nats",
    faults: ["partition", "rival", "log-leader-kill", "leader-pause"],
  },
  {
    name: "lease-forgotten",
    statement: "what the host says by itself does not end with its actor's lease",
    edits: [
      {
        file: "src/runtime/perform.js",
        find: "host.links.leaseMs = effect.untilMs;",
        replace: "",
      },
    ],
    noticedBy: ["E2"],
    profile: "nats",
    faults: ["leader-pause", "rival", "disconnect-client"],
  },
  {
    name: "quiet-time-skipped",
    statement: "a new leader speaks before its predecessor is silent for certain",
    edits: [
      {
        file: "src/replication/election.js",
        find: "predecessorMs === undefined || exclusive\n",
        replace: "predecessorMs !== -1 || exclusive\n",
      },
    ],
    noticedBy: ["E2"],
    profile: "nats",
    faults: ["partition", "rival", "log-slow", "leader-pause"],
  },
  {
    name: "yield-goes-on-speaking",
    statement: "a leader that has given the lead away goes on until it hears of the next one",
    edits: [
      {
        file: "src/actors/master/speech.js",
        find: "state.yielding || state.lead.isMute(env.nowMs)",
        replace: "state.lead.isMute(env.nowMs)",
      },
      {
        file: "src/actors/master/committed.js",
        find: "return leadYielded(turn);",
        replace: "return;",
      },
      {
        file: "src/actors/master/state.js",
        find: "writer === undefined || state.yielding",
        replace: "writer === undefined",
      },
    ],
    noticedBy: ["E1", "E2"],
    profile: "nats",
    faults: ["lead-transfer"],
  },
  {
    name: "truncated-too-far",
    statement:
      "what lies before the last snapshot's end is forgotten, not what lies before the last but one",
    edits: [
      {
        file: "src/actors/master/snapshots.js",
        find: "before: snapshotBefore.position + 1",
        replace: "before: snapshot.position + 2",
      },
      {
        file: "src/actors/master/snapshots.js",
        find: "keptFrom <= snapshot.position",
        replace: "keptFrom > 0",
      },
    ],
    noticedBy: ["L2"],
    profile: "nats",
  },
  {
    name: "snapshot-forgets",
    statement: "a snapshot does not hold the frameworks that there are",
    edits: [
      {
        file: "src/replication/snapshot.js",
        find: 'yield { kind: "FrameworkAdmitted", frameworkId, principal, nonce, info };',
        replace: "",
      },
    ],
    noticedBy: ["L2"],
    profile: "nats",
  },
  {
    name: "foreign-record-taken-for-own",
    statement: "whatever stands where an append of open outcome was to stand counts as that append",
    edits: [
      {
        file: "src/replication/writer.js",
        find: 'if (opened.kind === "record" && opened.hash === first.hash) {',
        replace: 'if (opened.kind === "record") {',
      },
    ],
    noticedBy: ["E1", "E2"],
    profile: "nats",
    faults: ["rival", "leader-pause", "partition"],
  },
  {
    name: "registered-before-committed",
    statement: "an agent is told that it is registered before the log says so",
    edits: [
      {
        file: "src/actors/master/agents.js",
        find: "    if (operations.length === 0) {",
        replace: "    if (operations.length >= 0) {",
      },
    ],
    noticedBy: ["W1"],
    profile: "nats",
  },
  {
    name: "offers-before-return",
    statement: "a new leader offers agents of the registry that have not come back yet",
    edits: [
      {
        file: "src/actors/master/takeover.js",
        find: 'import { agentPeer } from "#protocol";\n',
        replace:
          'import { agentPeer } from "#protocol";\nimport { Resources } from "#resources";\n',
      },
      {
        file: "src/actors/master/takeover.js",
        find: "        state.agents.set(agentId, agent);\n",
        replace:
          "        state.agents.set(agentId, agent);\n" +
          "        state.allocator.addAgent(agentId, { total: Resources.fromWire(info.resources)," +
          " attributes: info.attributes, capabilities: info.capabilities }, new Map());\n",
      },
    ],
    noticedBy: ["A1"],
    profile: "nats",
    faults: ["leader-kill", "crash-agent"],
  },
  {
    name: "absence-is-evidence",
    statement: "tasks of an agent that has not come back yet are said to be gone",
    edits: [
      {
        file: "src/actors/master/reconcile.js",
        find: 'case "absent":\n            return undefined;',
        replace: 'case "absent":\n            return "TASK_GONE";',
      },
    ],
    noticedBy: ["A1"],
    profile: "nats",
    faults: ["leader-kill", "crash-agent", "isolate"],
  },
];

/** Guards of the host and of sessions: fence, durability, epochs. */
import type { SwarmMutant } from "./mutant.ts";

export const HOST_MUTANTS: readonly SwarmMutant[] = [
  {
    name: "after-ignored",
    statement: "effects do not wait for the writes that they name",
    edits: [
      {
        file: "src/runtime/holds.js",
        find: "        if (after === undefined)\n            return;\n        if (typeof after",
        replace: "        if (after !== waiter)\n            return;\n        if (typeof after",
      },
    ],
    noticedBy: ["S1"],
    profile: "nats",
  },
  {
    name: "fence-left-open",
    statement: "a replaced master goes on saying what its batch has decided",
    edits: [
      {
        file: "src/runtime/host.js",
        find: "        this.#fencedWhy = why;\n",
        replace: "",
      },
    ],
    noticedBy: ["E1"],
    profile: "nats",
    faults: ["rival", "log-slow", "crash-agent"],
  },
  {
    name: "older-session-obeyed",
    statement: "frames count whatever session they were sent in",
    edits: [
      {
        file: "src/runtime/door.js",
        find: 'session?.id === named && session.phase !== "closed"',
        replace: 'session !== undefined && session.phase !== "closed"',
      },
      {
        file: "src/protocol/session.js",
        find: '        if (this.phase !== "open")\n            return "gap";\n        if (header',
        replace:
          '        if (header.session !== this.id)\n            return "take";\n' +
          '        if (this.phase !== "open")\n            return "gap";\n        if (header',
      },
    ],
    noticedBy: ["N1", "T2"],
    profile: "nats",
    faults: ["restart-far-away", "clog"],
  },
  {
    name: "gap-unnoticed",
    statement: "a lost frame does not close its session",
    edits: [
      {
        file: "src/protocol/session.js",
        find: "if (header.number > this.#receivedFrames + 1)",
        replace: "if (header.number < 0)",
      },
      {
        file: "src/protocol/session.js",
        find: "this.#receivedFrames++;",
        replace: "this.#receivedFrames = header.number;",
      },
    ],
    noticedBy: ["LV", "U1", "T1", "R1"],
    profile: "hostile",
  },
  {
    name: "lower-epoch-followed",
    statement: "an agent follows whichever leader it heard last, not the highest",
    edits: [
      {
        file: "src/actors/agent/registration.js",
        find: "if (beacon.epoch < meta.epoch)",
        replace: "if (beacon.epoch < 0)",
      },
      {
        file: "src/actors/agent/registration.js",
        find: "const newer = beacon.epoch > meta.epoch;",
        replace: "const newer = beacon.epoch !== meta.epoch;",
      },
      {
        file: "src/runtime/door.js",
        find: "if (peer === MASTER_PEER ? reader.epoch < own :",
        replace: "if (peer === MASTER_PEER ? reader.epoch < 0 :",
      },
      {
        file: "src/actors/agent/step.js",
        find: "mail.epoch < state.meta.epoch",
        replace: "mail.epoch < 0",
      },
    ],
    noticedBy: ["E1"],
    profile: "hostile",
    faults: ["rival", "leader-kill", "restart-far-away"],
  },
  {
    name: "poisonous-sender-heard",
    statement: "where declines kill the master, whose declines have killed it twice is heard again",
    edits: [
      {
        file: "src/actors/master/offers.js",
        find: "    const refuseMs = refuseMsOf(turn, body.filters);\n    let answered",
        replace:
          "    const refuseMs = refuseMsOf(turn, body.filters);\n" +
          '    throw new Error("a decline that nobody can handle");\n    let answered',
      },
      {
        file: "src/runtime/host.js",
        find: "return this.#options.poisonous?.has(peer) === true;",
        replace: "return false;",
      },
    ],
    noticedBy: ["X3"],
    profile: "nats",
    scheduled: [],
  },
];

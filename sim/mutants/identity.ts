/** Guards of who somebody is, what he understands, and whom silence may be held against. */
import type { SwarmMutant } from "./mutant.ts";

export const IDENTITY_MUTANTS: readonly SwarmMutant[] = [
  {
    name: "port-throws-through",
    statement: "what a port throws ends the actor that called it",
    edits: [
      {
        file: "src/runtime/host.js",
        find: 'this.count("port-threw", port);',
        replace: "throw error;",
      },
    ],
    noticedBy: ["X1", "X2"],
    profile: "nats",
    faults: ["bus-throws"],
  },
  {
    name: "failed-sync-counts",
    statement: "a write whose sync failed counts as durable, and its actor goes on",
    edits: [
      {
        file: "src/runtime/perform.js",
        find: 'if (outcome.kind === "failed")',
        replace: 'outcome = { kind: "done" };\n                if (token === "")',
      },
    ],
    noticedBy: ["S1"],
    profile: "nats",
    faults: ["sync-fails", "torn-tail"],
  },
  {
    name: "tail-not-probed",
    statement: "nobody asks after frames that were not acknowledged",
    edits: [
      {
        file: "src/protocol/session.js",
        find: 'this.phase === "open" && this.unacknowledged && waitedMs >= PROBE_AFTER_MS',
        replace: 'this.phase === "open" && waitedMs < 0',
      },
    ],
    noticedBy: ["LV", "T1", "U1"],
    profile: "hostile",
  },
  {
    name: "unnamed-kind-said",
    statement: "a client is sent kinds that it did not name",
    edits: [
      {
        file: "src/runtime/links.js",
        find: "link.kinds !== undefined && !link.kinds.has(kind)",
        replace: "link.kinds === null",
      },
    ],
    noticedBy: ["N2"],
    profile: "nats",
    faults: ["agent-replaced", "agent-reboot"],
  },
  {
    name: "epoch-not-kept",
    statement: "an agent registers with a leader whose epoch its disk does not know yet",
    edits: [
      {
        file: "src/actors/agent/registration.js",
        find: "[state.journal.after, state.metaToken]",
        replace: "[state.journal.after]",
      },
    ],
    noticedBy: ["S2"],
    profile: "nats",
    faults: ["disk-slow", "leader-kill", "rival", "torn-tail"],
  },
  {
    name: "start-not-counted",
    statement: "an agent's later lives bear the number of an earlier one",
    edits: [
      {
        file: "src/actors/agent/startup.js",
        find: "meta.incarnation + 1",
        replace: "meta.incarnation + (meta.incarnation > 1 ? 0 : 1)",
      },
    ],
    noticedBy: ["S2"],
    profile: "nats",
    faults: ["crash-agent"],
  },
  {
    name: "accept-said-to-next-leader",
    statement: "an ACCEPT that an earlier leader was sent is said to the next one",
    edits: [
      {
        file: "src/actors/framework/calls.js",
        find: "if (!said || sameEpoch || ",
        replace: 'if (!said || sameEpoch || pending.message.kind === "ACCEPT" || ',
      },
    ],
    noticedBy: ["C2"],
    profile: "nats",
    faults: ["leader-kill", "leader-crash-in-append", "leader-pause"],
  },
  {
    name: "subscribed-without-asking",
    statement: "a driver that subscribes anew does not ask after its tasks",
    edits: [
      {
        file: "src/actors/framework/updates.js",
        find: "        task.asked = true;",
        replace: "        task.asked = false;",
      },
    ],
    noticedBy: ["LV", "T1"],
    profile: "nats",
    faults: ["leader-kill", "crash-framework", "leader-crash-in-append"],
  },
  {
    name: "update-said-once",
    statement: "an update that nobody acknowledges is not said again",
    edits: [
      {
        file: "src/actors/agent/updates.js",
        find: '    count(out, "update-resent", "not-acknowledged");\n    state.unsent.add(key);',
        replace: "",
      },
      {
        file: "src/actors/agent/updates.js",
        find: "        if (task.updates.length > 0)\n            state.unsent.add(task.key);",
        replace: "",
      },
    ],
    noticedBy: ["U1", "T1", "LV"],
    profile: "nats",
    faults: ["leader-kill", "crash-framework", "never-ack"],
  },
  {
    name: "judged-after-standing-still",
    statement: "a master that stood still gives up agents for the time in which it heard nobody",
    edits: [
      {
        file: "src/actors/master/step.js",
        find: "if (lateMs > SWEEP_MS)",
        replace: "if (lateMs < 0)",
      },
      {
        file: "src/actors/master/absence.js",
        find:
          "if (!env.bus.connected || env.nowMs - env.bus.sinceMs < heartbeatIntervalMs)\n" +
          "        return false;\n" +
          "    return env.nowMs - env.oldestWaitingMs() < heartbeatIntervalMs && !state.muted;",
        replace: "return true;",
      },
    ],
    noticedBy: ["A3"],
    profile: "nats",
    scheduled: [{ atMs: 20_000, name: "leader-pause", on: ["master-1"], lastsMs: 90_000 }],
    cluster: { masters: 1, untilMs: 200_000 },
  },
];

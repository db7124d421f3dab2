/** Guards of the master: offers, answers, resources. */
import type { SwarmMutant } from "./mutant.ts";

export const MASTER_MUTANTS: readonly SwarmMutant[] = [
  {
    name: "ended-offer-accepted",
    statement: "an offer can be taken after it was taken, declined, expired or taken back",
    edits: [
      {
        file: "src/actors/master/offers.js",
        find: "    state.offers.delete(offerId);\n",
        replace: "",
      },
    ],
    noticedBy: ["R2", "R1"],
    profile: "nats",
  },
  {
    name: "call-performed-twice",
    statement: "a call that is said again is performed again instead of getting its first answer",
    edits: [
      {
        file: "src/actors/master/calls.js",
        find: "if (first !== undefined)",
        replace: "if (first !== undefined && id < 0)",
      },
    ],
    noticedBy: ["C1"],
    profile: "hostile",
  },
  {
    name: "resources-freed-twice",
    statement: "each telling of a task's end gives its resources back once more",
    edits: [
      {
        file: "src/actors/master/tasks.js",
        find: "if (!task.holds || holdsResources(to))",
        replace: "if (holdsResources(to))",
      },
    ],
    noticedBy: ["R1", "X1"],
    profile: "nats",
    faults: ["framework-pause", "crash-framework", "leader-pause", "clog", "disconnect-client"],
  },
  {
    name: "resources-never-freed",
    statement: "the resources of a task that has ended stay taken",
    edits: [
      {
        file: "src/actors/master/tasks.js",
        find: "if (!task.holds || holdsResources(to))",
        replace: "if (task.holds !== undefined)",
      },
    ],
    noticedBy: ["LV"],
    profile: "nats",
  },
  {
    name: "offers-never-expire",
    statement: "an offer that nobody answers stands for ever",
    edits: [
      {
        file: "src/actors/master/offers.js",
        find: "    if (offerTimeoutMs === 0)\n        return;",
        replace: "    if (offerTimeoutMs >= 0)\n        return;",
      },
    ],
    noticedBy: ["O1"],
    profile: "nats",
    faults: ["hoard-offers", "crash-agent"],
  },
  {
    name: "displaced-instance-served",
    statement: "an instance of a framework that was displaced is not told, and is served",
    edits: [
      {
        file: "src/actors/master/frameworks.js",
        find: "    state.frameworksByPeer.delete(peer);\n    if (state.displaced.size",
        replace: "    if (state.displaced.size",
      },
      {
        file: "src/actors/master/frameworks.js",
        find: "    state.displaced.add(peer);\n    sayDisplaced(turn, peer);\n",
        replace: "    state.displaced.add(peer);\n",
      },
      {
        file: "src/actors/master/calls.js",
        find: "if (framework?.connected !== true || framework.peer !== from) {",
        replace: "if (framework?.connected !== true) {",
      },
    ],
    noticedBy: ["K1", "R1", "LV"],
    profile: "nats",
    faults: ["framework-failover", "crash-agent"],
  },
  {
    name: "kill-not-said-again",
    statement: "a kill is not said again to an agent that comes back",
    edits: [
      {
        file: "src/actors/master/enrol.js",
        find: "    if (task.kill !== undefined && !framework.ended)\n        sayKill(turn, agent, task);",
        replace: "",
      },
    ],
    noticedBy: ["LV"],
    profile: "nats",
    faults: ["disconnect-client", "isolate", "crash-agent", "restart-far-away"],
  },
  {
    name: "task-forgotten-early",
    statement: "the record of a task ends with any acknowledgement, not with that of its end",
    edits: [
      {
        file: "src/actors/master/updates.js",
        find: "    if (isTerminal(unacknowledged.state))\n        forgetTask(turn, task);",
        replace: "    forgetTask(turn, task);",
      },
    ],
    noticedBy: ["LV", "R1", "T1"],
    profile: "nats",
  },
  {
    name: "ended-framework-forgotten",
    statement: "a new leader offers what tasks of a torn-down framework still hold",
    edits: [
      {
        file: "src/actors/master/enrol.js",
        find: "            if (!holdsResources(each.state))\n                continue;",
        replace: "            continue;",
      },
    ],
    noticedBy: ["R1"],
    profile: "nats",
    faults: ["teardown", "leader-kill", "kill-ignored", "isolate"],
  },
  {
    name: "end-lost-with-agent",
    statement:
      "of a task that ended nobody is told that its agent is lost, though its end was not said",
    edits: [
      {
        file: "src/actors/master/absence.js",
        find: "if (!holdsResources(task.state) && !endsUntold(task) && !isGone)",
        replace: "if (!holdsResources(task.state) && !isGone)",
      },
    ],
    noticedBy: ["LV"],
    profile: "nats",
    faults: ["never-ack", "agent-replaced"],
  },
  {
    name: "gone-agent-returns",
    statement: "an agent that an operator has counted as gone is taken in again",
    edits: [
      {
        file: "src/actors/master/agents.js",
        find: 'if (known.condition === "gone") {',
        replace: 'if (known.condition === "never") {',
      },
    ],
    noticedBy: ["W1"],
    profile: "nats",
    faults: ["agent-gone", "disconnect-client"],
  },
  {
    name: "gone-tasks-untold",
    statement: "nobody is told of the tasks of an agent that is counted as gone",
    edits: [
      {
        file: "src/actors/master/absence.js",
        find: "for (const frameworkId of loseTasks(turn, agent, how)) {",
        replace: 'for (const frameworkId of how === "gone" ? [] : loseTasks(turn, agent, how)) {',
      },
    ],
    noticedBy: ["T3", "T1", "LV"],
    profile: "nats",
    scheduled: [{ atMs: 40_000, name: "agent-gone", on: ["agents"], by: 1, lastsMs: 20_000 }],
  },
  {
    name: "removals-unlimited",
    statement: "all agents that are silent at once are given up at once",
    edits: [
      {
        file: "src/actors/master/absence.js",
        find: "return removals.atMs.length < most;",
        replace: "return true;",
      },
    ],
    noticedBy: ["A2"],
    profile: "nats",
    scheduled: [{ atMs: 20_000, name: "isolate", on: ["agents"], lastsMs: 110_000 }],
    cluster: { agents: 8, untilMs: 200_000 },
  },
  {
    name: "failover-timeout-ignored",
    statement: "a framework that is away is given up, however long it may be",
    edits: [
      {
        file: "src/actors/master/frameworks.js",
        find: "    if (clusterTimeMs - disconnectedAtMs < info.failoverTimeoutMs)\n        return;\n",
        replace: "",
      },
    ],
    noticedBy: ["F2"],
    profile: "nats",
    scheduled: [{ atMs: 20_000, name: "crash-framework", on: ["framework-1"], lastsMs: 130_000 }],
    cluster: { untilMs: 230_000 },
  },
  {
    name: "guarantees-not-held-back",
    statement: "what a role is guaranteed and lacks is offered to others",
    edits: [
      {
        file: "src/allocator/quota.js",
        find: "if (!tree.hasGuarantees || required.every((milli) => milli <= 0))",
        replace: "if (tree !== undefined)",
      },
    ],
    noticedBy: ["Q1"],
    profile: "nats",
    faults: ["quota-change", "crash-agent"],
  },
  {
    name: "order-reversed",
    statement: "what comes free is offered to whoever holds most",
    edits: [
      {
        file: "src/allocator/sorted.js",
        find: "return share;\n        const allocations",
        replace: "return -share;\n        const allocations",
      },
    ],
    noticedBy: ["D1"],
    profile: "nats",
    scheduled: [],
    cluster: { agents: 6, items: 120, workload: "backlog" },
  },
  {
    name: "limit-forgotten",
    statement: "a role is offered more than its limit",
    edits: [
      {
        file: "src/allocator/role-tree.js",
        find: "return this.#limits > 0;",
        replace: "return false;",
      },
    ],
    noticedBy: ["Q1"],
    profile: "nats",
    faults: ["quota-change", "crash-agent"],
  },
  {
    name: "returned-tasks-forgotten",
    statement: "an agent that comes back is taken in without the tasks that it brings",
    edits: [
      {
        file: "src/actors/master/enrol.js",
        find: "const task = takeTask(turn, framework, agent, each, wasAway);",
        replace: "const task = framework.tasks.get(each.info.taskId);",
      },
    ],
    noticedBy: ["F1"],
    profile: "nats",
    faults: ["leader-kill", "crash-framework", "reconcile-storm"],
  },
];

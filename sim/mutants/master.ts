/** Guards of the master: offers, answers, resources. */
import type { Mutant } from "./mutant.ts";

export const MASTER_MUTANTS: readonly Mutant[] = [
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
];

/** Mutants of the rules that Mesos does not have: shapes, loans, hoarders, placement, plans. */
import { compiled as at, type RuleMutant } from "./mutant.ts";

export const BEYOND: readonly RuleMutant[] = [
  {
    name: "useless-pieces-offered",
    statement: "pieces are offered of which quota cut off all the memory or cpus",
    edits: [
      {
        file: at("cycle"),
        find: 'isUsable(minimum, open.quantities(), offered.quantities()) ? offered : "quota"',
        replace: "offered",
      },
    ],
  },
  {
    name: "ports-with-the-first-piece",
    statement: "all ports go with a piece, none stay with the rest",
    edits: [
      {
        file: at("cycle"),
        find: "proportioned(open, bounded(tree.names, open, bounds))",
        replace: "bounded(tree.names, open, bounds)",
      },
    ],
  },
  {
    name: "others-guarantees-lent",
    statement: "what roles are owed that do not lend goes out on loan",
    edits: [
      {
        file: at("loans"),
        find: "const spare = at(agents.headroom, i) - at(kept, i);",
        replace: "const spare = at(agents.headroom, i);",
      },
    ],
  },
  {
    name: "lent-twice",
    statement: "more is lent than lenders are owed",
    edits: [
      {
        file: at("loans"),
        find: "Math.min(milli - at(lending.out, i), spare)",
        replace: "Math.min(milli, spare)",
      },
    ],
  },
  {
    name: "loans-not-counted-as-headroom",
    statement: "what is on loan is kept free a second time",
    edits: [
      {
        file: at("loans"),
        find: "if (!lending.isOut)\n        return agents.headroom;",
        replace: "if (lending !== undefined)\n        return agents.headroom;",
      },
    ],
  },
  {
    name: "loans-stay-revocable",
    statement: "what comes back of a loan is not plain again",
    edits: [
      {
        file: at("books"),
        find: "if (total !== undefined)\n            this.setTotal(slot, total);",
        replace: "",
      },
    ],
  },
  {
    name: "oldest-called-back",
    statement: "the oldest loan is called back first",
    edits: [
      {
        file: at("loans"),
        find: "sort((a, b) => b.sinceMs - a.sinceMs)",
        replace: "sort((a, b) => a.sinceMs - b.sinceMs)",
      },
    ],
  },
  {
    name: "called-back-for-nobody",
    statement: "loans are called back for a role that refused them",
    edits: [
      {
        file: at("loans"),
        find: "if (filters.match(owner, slot, piece) === undefined)",
        replace: "if (filters !== undefined)",
      },
    ],
  },
  {
    name: "hoarders-served",
    statement: "a framework that lets offers time out gets all it could",
    edits: [
      {
        file: at("hoarding"),
        find: "agents.held(slot, frameworkId).contains(offer.resources)",
        replace: "agents === undefined",
      },
    ],
  },
  {
    name: "hoarders-for-ever",
    statement: "an answer does not end it that a framework gets one offer at a time",
    edits: [
      {
        file: at("allocator"),
        find: "framework.hoarding = undefined;\n        this.requestAllocation();",
        replace: "",
      },
    ],
  },
  {
    name: "packed-the-wrong-way",
    statement: "the emptiest agent is served first where the fullest should be",
    edits: [
      {
        file: at("placement"),
        find: 'by.placement === "pack" ? -1 : 1',
        replace: 'by.placement === "pack" ? 1 : -1',
      },
    ],
  },
  {
    name: "plan-forgets-filters",
    statement: "a plan offers what was refused",
    edits: [
      {
        file: at("plan"),
        find: "its.pause.adopt(from.pause);",
        replace:
          "for (const { subscriptions } of its.frameworks.values())\n" +
          "        for (const each of subscriptions.values())\n" +
          "            its.filters.dropClient(each);",
      },
    ],
  },
];

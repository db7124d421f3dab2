/** The allocator's rules as mutants, one broken at a time: quota, order, eligibility, filters. */
import { BEYOND } from "./beyond.ts";
import { compiled as at, type RuleMutant } from "./mutant.ts";

const QUOTA: readonly RuleMutant[] = [
  {
    name: "headroom-skipped",
    statement: "what guarantees need is offered to others",
    edits: [
      {
        file: at("quota"),
        find: "if (!tree.hasGuarantees || required.every(",
        replace: "if (tree.hasGuarantees || required.every(",
      },
    ],
  },
  {
    name: "headroom-eaten-by-extra",
    statement: "what goes with a guarantee is not held to the headroom",
    edits: [
      {
        file: at("quota"),
        find: "more = bounded(names, more, surplusOf(tree, to.headroom));",
        replace: "",
      },
    ],
  },
  {
    name: "limit-ignored",
    statement: "fairness gives past a limit",
    edits: [
      {
        file: at("quota"),
        find: "return surplus ?? room;",
        replace: "return surplus;",
      },
    ],
  },
  {
    name: "limit-ignored-by-guarantees",
    statement: "a guarantee is met past the limit of a role above",
    edits: [
      {
        file: at("quota"),
        find: "Math.min(milli, ceiling?.[i] ?? milli)",
        replace: "milli",
      },
    ],
  },
  {
    name: "limit-of-the-role-alone",
    statement: "limits of roles above do not bind those below",
    edits: [
      {
        file: at("role-tree"),
        find: "room[i] = Math.min(own, at(room, i) - others);",
        replace: "room[i] = own;",
      },
    ],
  },
  {
    name: "siblings-owed-forgotten",
    statement: "a role uses up what is owed to one beside it",
    edits: [
      {
        file: at("role-tree"),
        find: "room[i] = Math.min(own, at(room, i) - others);",
        replace: "room[i] = Math.min(own, at(room, i));",
      },
    ],
  },
  {
    name: "ancestors-reservations-forgotten",
    statement: "reservations count for their own role only",
    edits: [
      {
        file: at("role-tree"),
        find:
          "for (let each = node; each.parent !== undefined; each = each.parent)\n" +
          "            change(each);",
        replace: "change(node);",
      },
    ],
  },
  {
    name: "children-owed-forgotten",
    statement: "a role takes what roles below it are owed",
    edits: [
      {
        file: at("role-tree"),
        find: "Math.max(0, at(owed, i) - at(node.childNeeds, i))",
        replace: "Math.max(0, at(owed, i))",
      },
    ],
  },
  {
    name: "need-past-the-limit",
    statement: "headroom is kept for what a limit will not let pass",
    edits: [
      {
        file: at("role-tree"),
        find: "Math.min(owed, Math.max(0, bound - consumed))",
        replace: "owed",
      },
    ],
  },
  {
    name: "stale-need",
    statement: "a guarantee that goes leaves its need behind",
    edits: [
      {
        file: at("role-tree"),
        find: "        this.#limits += node.limit === undefined ? 0 : 1;\n        this.#refresh(node);",
        replace:
          "        this.#limits += node.limit === undefined ? 0 : 1;\n" +
          "        if (this.#guarantees > 0)\n            this.#refresh(node);",
      },
    ],
  },
];

const ORDER: readonly RuleMutant[] = [
  {
    name: "weights-ignored",
    statement: "shares are not divided by weights",
    edits: [
      {
        file: at("order"),
        find: "dominantShare(node.holding.vector, vector, excluded) / node.weight",
        replace: "dominantShare(node.holding.vector, vector, excluded)",
      },
    ],
  },
  {
    name: "counts-ignored",
    statement: "ties are not broken by the number of allocations",
    edits: [
      {
        file: at("order"),
        find: "node.allocations += 1;",
        replace: "node.allocations += 0;",
      },
    ],
  },
  {
    name: "shared-counted-twice",
    statement: "each copy of a shared disk counts to the share of who holds it",
    edits: [
      {
        file: at("shares"),
        find: "this.#change(agentId, (before) => before.add(shared));",
        replace:
          "{ this.#change(agentId, (before) => before.add(shared)); " +
          "addInto(this.vector, this.#names.vectorOf(shared.quantities())); }",
      },
    ],
  },
  {
    name: "exclusions-ignored",
    statement: "resources set apart from fairness count to shares",
    edits: [
      {
        file: at("shares"),
        find: "new Set(fairnessExcluded.map((name) => names.intern(name)))",
        replace: "new Set(fairnessExcluded.slice(0, 0))",
      },
    ],
  },
];

const ELIGIBILITY: readonly RuleMutant[] = [
  {
    name: "reservations-ignored",
    statement: "what is reserved for others is offered",
    edits: [
      {
        file: at("cycle"),
        find: "agents.reservedRoles(slot).size === 0 ? free : free.allocatableTo(role)",
        replace: "free",
      },
    ],
  },
  {
    name: "minimum-ignored",
    statement: "offers may be as small as they like",
    edits: [
      {
        file: at("cycle"),
        find: "if (offered.isEmpty || !meetsMinimum(minimum, quantities))",
        replace: "if (offered.isEmpty)",
      },
    ],
  },
  {
    name: "shared-offered-twice-in-a-run",
    statement: "a shared resource is offered to several frameworks at once",
    edits: [
      {
        file: at("cycle"),
        find: "if (offered.traits.shared)",
        replace: "if (offered.traits.shared === 0)",
      },
    ],
  },
  {
    name: "constraints-ignored",
    statement: "frameworks are offered agents that their constraints exclude",
    edits: [
      {
        file: at("cycle"),
        find: "if (constraints.get(role.name)?.admits(agents.subject(slot)) === false)",
        replace: "if (constraints.get(role.name)?.admits(agents.subject(slot)) === 0)",
      },
    ],
  },
  {
    name: "gpus-shown-to-all",
    statement: "agents with gpus are not hidden from who cannot use them",
    edits: [
      {
        file: at("eligibility"),
        find: "rules.filterGpuResources && !abilities.gpus && agent.gpus",
        replace: "!rules",
      },
    ],
  },
  {
    name: "old-agents-shown",
    statement: "agents that know one role only are offered to frameworks with several",
    edits: [
      {
        file: at("eligibility"),
        find: "if (abilities.multiRole && !agent.multiRole)",
        replace: "if (!rules)",
      },
    ],
  },
  {
    name: "regions-ignored",
    statement: "agents of other regions are offered to who is not aware of them",
    edits: [
      {
        file: at("eligibility"),
        find: 'return remote && !abilities.regions ? "constraint" : undefined;',
        replace: "return undefined;",
      },
    ],
  },
  {
    name: "revocable-offered-to-all",
    statement: "revocable resources are offered to who did not ask for them",
    edits: [
      {
        file: at("eligibility"),
        find: "(abilities.revocable || !revocable) &&",
        replace: "",
      },
      {
        file: at("eligibility"),
        find: "(abilities.revocable || !isRevocable(resource)) &&",
        replace: "",
      },
    ],
  },
  {
    name: "whitelist-ignored",
    statement: "agents that are not listed are offered",
    edits: [
      {
        file: at("agents"),
        find: 'return this.#absent[slot] ?? (listed ? undefined : "agent-inactive");',
        replace: "return this.#absent[slot];",
      },
    ],
  },
  {
    name: "over-allocated",
    statement: "what is taken past the total of an agent is free again when it comes back",
    edits: [
      {
        file: at("agents"),
        find: "if (this.#over[slot])\n            this.#recount(slot);",
        replace: "if (this.#over[slot] === 0)\n            this.#recount(slot);",
      },
    ],
  },
];

const FILTERS: readonly RuleMutant[] = [
  {
    name: "filters-ignored",
    statement: "what was refused is offered again",
    edits: [
      {
        file: at("cycle"),
        find: 'if (filter !== undefined)\n        return filter.backoff ? "backoff" : "filtered";',
        replace: 'if (filter === null)\n        return "filtered";',
      },
    ],
  },
  {
    name: "filter-as-short-as-asked",
    statement: "a filter may be shorter than the time between two batches",
    edits: [
      {
        file: at("filters"),
        find: "Math.max(Math.min(refuseMs, REFUSE_MS_MAX), this.#intervalMs)",
        replace: "Math.min(refuseMs, REFUSE_MS_MAX)",
      },
    ],
  },
  {
    name: "revive-keeps-filters",
    statement: "a framework that revives is still not offered what it refused",
    edits: [
      {
        file: at("allocator"),
        find:
          "subscription.suppressed = false;\n" +
          "            this.#touched.addEach(this.#filters.dropClient(subscription));",
        replace: "subscription.suppressed = false;",
      },
    ],
  },
  {
    name: "attributes-keep-filters",
    statement: "filters on an agent outlive a change of its attributes",
    edits: [
      {
        file: at("allocator"),
        find: "agents.change(slot, { attributes });\n                this.#filters.dropAgent(slot);",
        replace: "agents.change(slot, { attributes });",
      },
    ],
  },
  {
    name: "recovery-not-awaited",
    statement: "after a failover with quota offers are made before the agents are back",
    edits: [
      {
        file: at("recovery"),
        find: "isOn(nowMs) {",
        replace: "isOn(nowMs) {\n        if (nowMs >= 0)\n            return false;",
      },
    ],
  },
];

export const RULES: readonly RuleMutant[] = [
  ...QUOTA,
  ...ORDER,
  ...ELIGIBILITY,
  ...FILTERS,
  ...BEYOND,
];

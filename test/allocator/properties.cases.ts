/** Laws of the allocator over generated histories, and its agreement with the slow model. */
import type { OfferCandidate } from "#allocator";
import { Limits, Quantities, Resources } from "#resources";
import fc from "fast-check";
import t from "tap";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness, seeded } from "./harness.ts";
import { Model, sortedText } from "./model.ts";

const ROLES = ["*", "r1", "r2", "r1/s", "r1/s/t", "r1/u", "r2/v/w"];
/** Guarantee and limit; an empty pair removes the quota. */
const QUOTAS = [
  ["", ""],
  ["cpus:1;mem:64", "cpus:1;mem:64"],
  ["cpus:2", "cpus:3;mem:256"],
  ["mem:300;cpus:0.5", ""],
  ["", "cpus:0;mem:40"],
  ["", "cpus:1.5"],
  ["cpus:4;mem:512;disk:50", "cpus:6"],
] as const;
const TOTALS = [
  "cpus:1;mem:64",
  "cpus:2;mem:512;ports:[1-20]",
  "cpus:4;mem:256;cpus(r1):2;mem(r1):64",
  "cpus(r2):1;mem(r2):32;disk:100",
  "cpus:0.005;mem:16",
];

type Step =
  | { do: "addAgent"; n: number; total: number; usedBy?: number; role: number }
  | { do: "removeAgent" | "flipAgent"; n: number }
  | { do: "resize"; n: number; total: number }
  | { do: "addFramework"; n: number; roles: number[]; suppressed: number[] }
  | { do: "updateFramework"; n: number; roles: number[]; suppressed: number[] }
  | { do: "removeFramework" | "flipFramework"; n: number }
  | { do: "suppress" | "revive"; n: number; role: number }
  | { do: "weight"; role: number; weight: number }
  | { do: "quota"; role: number; quota: number }
  | { do: "recover"; offer: number; part: number; refuseMs?: number }
  | { do: "batch" | "event" };

const n = fc.nat(3);
const role = fc.nat(ROLES.length - 1);
const total = fc.nat(TOTALS.length - 1);
const roleSet = fc.uniqueArray(role, { minLength: 1, maxLength: 3 });
const is = <T extends string>(word: T) => fc.constant(word);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      { do: is("addAgent"), n, total, usedBy: n, role },
      { requiredKeys: ["do", "n", "total", "role"] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("removeAgent", "flipAgent"), n }) },
  { weight: 1, arbitrary: fc.record({ do: is("resize"), n, total }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: is("addFramework"),
      n,
      roles: roleSet,
      suppressed: fc.uniqueArray(role, { maxLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: is("updateFramework"),
      n,
      roles: roleSet,
      suppressed: fc.uniqueArray(role, { maxLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("removeFramework", "flipFramework"), n }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("suppress", "revive"), n, role }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: is("weight"), role, weight: fc.constantFrom(0.5, 1, 2, 3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: is("quota"), role, quota: fc.nat(QUOTAS.length - 1) }),
  },
  {
    weight: 6,
    arbitrary: fc.record(
      {
        do: is("recover"),
        offer: fc.nat(9),
        part: fc.nat(2),
        refuseMs: fc.constantFrom(0, 500, 1500, 3000),
      },
      { requiredKeys: ["do", "offer", "part"] },
    ),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("batch", "event") }) },
);

/** The allocator and the model side by side; every step is done to both. */
class Pair {
  readonly h: Harness;
  readonly model: Model;
  outstanding: OfferCandidate[] = [];

  constructor(seed: number) {
    this.h = new Harness({ random: seeded(seed) });
    this.model = new Model(1000, seeded(seed));
  }

  do(each: Step): void {
    const { model, h } = this;
    switch (each.do) {
      case "addAgent":
        return this.#addAgent(each);
      case "removeAgent":
        h.allocator.removeAgent(agentId(`A${each.n}`));
        this.#drop(model.agents, `A${each.n}`);
        this.outstanding = this.outstanding.filter(({ agentId: id }) => id !== `A${each.n}`);
        model.filters = model.filters.filter(({ agent }) => agent !== `A${each.n}`);
        return model.forget();
      case "flipAgent": {
        const agent = model.agents.find(({ id }) => id === `A${each.n}`);
        if (agent === undefined) return;
        agent.active = !agent.active;
        if (agent.active) h.allocator.activateAgent(agentId(agent.id));
        else h.allocator.deactivateAgent(agentId(agent.id));
        return;
      }
      case "resize": {
        const agent = model.agents.find(({ id }) => id === `A${each.n}`);
        if (agent === undefined) return;
        agent.total = Resources.of(TOTALS[each.total] ?? "");
        return h.allocator.updateAgent(agentId(agent.id), { total: agent.total });
      }
      case "recover":
        return this.#recover(each);
      case "weight":
        model.weights.set(ROLES[each.role] ?? "", each.weight);
        return h.allocator.setWeight(ROLES[each.role] ?? "", each.weight);
      case "quota":
        return this.#quota(ROLES[each.role] ?? "", QUOTAS[each.quota] ?? ["", ""]);
      case "batch":
      case "event":
        return this.#run(each.do);
      default:
        return this.#framework(each);
    }
  }

  #addAgent({ n: number, total: index, usedBy, role: roleIndex }: Step & { do: "addAgent" }): void {
    const id = `A${number}`;
    if (this.model.agents.some((agent) => agent.id === id)) return;
    const bag = Resources.of(TOTALS[index] ?? "");
    const name = ROLES[roleIndex] ?? "";
    const agent = { id, total: bag, active: true, held: [] };
    this.model.agents.push(agent);
    const used =
      usedBy === undefined ? Resources.EMPTY : bag.unreserved().filter((r) => r.name === "cpus");
    const holders = new Map([[frameworkId(`F${usedBy}`), used.allocate(name)]]);
    this.h.allocator.addAgent(agentId(id), agentSpec(bag), used.isEmpty ? undefined : holders);
    if (used.isEmpty) return;
    this.model.take(agent, `F${usedBy}`, name, used);
    this.outstanding.push({
      frameworkId: frameworkId(`F${usedBy}`),
      role: name,
      agentId: agentId(id),
      resources: used.allocate(name),
    });
  }

  #framework(each: Extract<Step, { n: number }>): void {
    const { model, h } = this;
    const id = frameworkId(`F${each.n}`);
    const known = model.frameworks.find((framework) => framework.id === id);
    if (each.do === "addFramework") {
      if (known !== undefined) return;
      const roles = each.roles.map((i) => ROLES[i] ?? "");
      const suppressedRoles = each.suppressed.map((i) => ROLES[i] ?? "");
      model.frameworks.push({ id, roles, suppressed: new Set(suppressedRoles), active: true });
      for (const { held } of model.agents) {
        for (const h of held) if (h.framework === id) model.countUsed(id, h.role);
      }
      return h.allocator.addFramework(id, frameworkSpec(roles, { suppressedRoles }), true);
    }
    if (known === undefined) return;
    const dropFilters = (gone: (name: string) => boolean): void => {
      model.filters = model.filters.filter((f) => f.framework !== id || !gone(f.role));
    };
    switch (each.do) {
      case "removeFramework":
        h.allocator.removeFramework(id);
        this.#drop(model.frameworks, id);
        dropFilters(() => true);
        return model.forget();
      case "flipFramework":
        known.active = !known.active;
        if (known.active) return h.allocator.activateFramework(id);
        dropFilters(() => true);
        return h.allocator.deactivateFramework(id);
      case "updateFramework": {
        const roles = each.roles.map((i) => ROLES[i] ?? "");
        const suppressedRoles = each.suppressed.map((i) => ROLES[i] ?? "");
        h.allocator.updateFramework(id, frameworkSpec(roles, { suppressedRoles }));
        const before = known.suppressed;
        dropFilters((name) => !roles.includes(name));
        dropFilters((name) => before.has(name) && !suppressedRoles.includes(name));
        known.roles = roles;
        known.suppressed = new Set(suppressedRoles);
        return model.forget();
      }
      case "suppress":
      case "revive": {
        const name = ROLES[each.role] ?? "";
        h.allocator[each.do](id, [name]);
        if (!known.roles.includes(name)) return;
        if (each.do === "suppress") known.suppressed.add(name);
        else {
          known.suppressed.delete(name);
          dropFilters((gone) => gone === name);
        }
        return;
      }
    }
  }

  #recover({ offer: index, part, refuseMs }: Step & { do: "recover" }): void {
    const offer = this.outstanding[index % Math.max(1, this.outstanding.length)];
    if (offer === undefined) return;
    const { frameworkId: id, agentId: agent, role: name } = offer;
    const kept = part === 0 ? Resources.EMPTY : offer.resources.filter((r) => r.name === "mem");
    const back = offer.resources.subtract(kept);
    this.outstanding = this.outstanding.filter((each) => each !== offer);
    if (!kept.isEmpty) this.outstanding.push({ ...offer, resources: kept });
    const filter = refuseMs === undefined ? undefined : { refuseMs };
    this.h.allocator.recoverResources(id, agent, back, filter, this.h.nowMs);
    this.model.give(agent, id, name, back.unallocate());
    const framework = this.model.frameworks.find((each) => each.id === id);
    if (filter === undefined || back.isEmpty || !framework?.active) return;
    // What is held in a role that was left and is wholly back has no subscription any more.
    const holds = this.model.agents.some(({ held }) =>
      held.some((h) => h.framework === id && h.role === name),
    );
    if (!framework.roles.includes(name) && !holds) return;
    this.model.refuse(
      { framework: id, role: name, agent, resources: back.unallocate() },
      filter.refuseMs,
      this.h.nowMs,
    );
  }

  #quota(name: string, [guarantee, limit]: readonly [string, string]): void {
    const quota = { guarantee: Quantities.parse(guarantee), limit: Limits.parse(limit) };
    this.h.allocator.setQuota(name, quota);
    if (quota.guarantee.isEmpty && quota.limit.isEmpty) this.model.quota.quotas.delete(name);
    else this.model.quota.quotas.set(name, quota);
  }

  /** What roles consume of what they are limited in. */
  #limited(): Map<string, number> {
    const consumed = new Map<string, number>();
    for (const [path, { limit }] of this.model.quota.quotas) {
      for (const [name] of limit) {
        const milli = this.h.allocator.consumedBy(path).get(name);
        if (milli !== this.model.quota.consumed(path, name))
          throw new Error(`${path} ${name} ${milli}`);
        consumed.set(`${path} ${name}`, milli);
      }
    }
    return consumed;
  }

  /** No offer takes a role past its limit; one that is past it already gets nothing more. */
  #checkLimits(before: ReadonlyMap<string, number>): void {
    const after = this.#limited();
    for (const [path, { limit }] of this.model.quota.quotas) {
      for (const [name, milli] of limit) {
        const most = Math.max(milli, before.get(`${path} ${name}`) ?? 0);
        const now = after.get(`${path} ${name}`) ?? 0;
        if (now > most) throw new Error(`${path} has ${name} ${now} of ${milli}`);
      }
    }
  }

  #run(kind: "batch" | "event"): void {
    const { allocator } = this.h;
    const before = this.#limited();
    let only: readonly string[] | undefined;
    if (kind === "batch") this.h.nowMs += 1000;
    else only = allocator.dirtyAgents(this.h.nowMs);
    const offers = kind === "batch" ? allocator.allocate(this.h.nowMs) : this.h.event();
    const shown = offers.map(
      (o) => `${o.agentId}→${o.frameworkId}@${o.role} ${sortedText(o.resources.unallocate())}`,
    );
    const expected = this.model.allocate(this.h.nowMs, only);
    if (shown.join("\n") !== expected.join("\n")) {
      throw new Error(`allocator:\n${shown.join("\n")}\nmodel:\n${expected.join("\n")}`);
    }
    this.outstanding.push(...offers);
    this.#checkLimits(before);
  }

  /** Free + held = total wherever no total shrank, and free is what the model says everywhere. */
  check(): void {
    for (const agent of this.model.agents) {
      const id = agentId(agent.id);
      const free = this.h.allocator.free(id);
      let held = Resources.EMPTY;
      for (const { framework, role: name } of agent.held) {
        const part = this.h.allocator.held(frameworkId(framework), id);
        held = held.add(part.filter((r) => r.allocationInfo?.role === name));
      }
      held = held.unallocate();
      const over = !agent.total.contains(held);
      if (!over && !free.add(held).equals(agent.total)) {
        throw new Error(`${agent.id}: free ${free} + held ${held} is not ${agent.total}`);
      }
      if (!free.equals(this.model.free(agent))) throw new Error(`${agent.id}: free ${free}`);
      if (!agent.total.contains(free))
        throw new Error(`${agent.id}: free ${free} is over the total`);
    }
  }

  #drop(list: { id: string }[], id: string): void {
    const at = list.findIndex((each) => each.id === id);
    if (at >= 0) list.splice(at, 1);
  }
}

t.test("every history gives what the slow model gives, and never over-allocates", async () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { minLength: 5, maxLength: 60 }), (seed, steps) => {
      const pair = new Pair(seed);
      for (const each of steps) {
        pair.do(each);
        pair.check();
      }
    }),
    { numRuns: 400 },
  );
});

t.test("what is recovered is free again, as if it had never been offered", async () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { maxLength: 40 }), (seed, steps) => {
      const pair = new Pair(seed);
      for (const each of steps) pair.do(each);
      const before = pair.h.allocator.shares().total.toString();
      for (const { frameworkId: id, agentId: agent, resources } of pair.outstanding) {
        pair.h.allocator.recoverResources(id, agent, resources, undefined, pair.h.nowMs);
      }
      for (const { id, total: all } of pair.model.agents) {
        const free = pair.h.allocator.free(agentId(id));
        if (!free.equals(all)) throw new Error(`${id}: ${free} of ${all}`);
      }
      const { roles, total: after } = pair.h.allocator.shares();
      return after.toString() === before && roles.every(({ share }) => share === 0);
    }),
    { numRuns: 200 },
  );
});

t.test("no framework starves while it refuses nothing", async () => {
  fc.assert(
    fc.property(
      fc.array(role, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.constantFrom(0.5, 1, 3), { minLength: 4, maxLength: 4 }),
      (roles, agents, weights) => {
        const h = new Harness();
        for (let i = 0; i < agents; i++) h.agent(`A${i}`, "cpus:1;mem:64");
        for (const [i, weight] of weights.entries()) h.allocator.setWeight(ROLES[i] ?? "", weight);
        for (const [i, index] of roles.entries()) {
          h.recover(h.framework(`F${i}`, ROLES[index] ?? ""));
        }
        const served = new Set<string>();
        // Turns are shared on each level, and who comes late catches up first.
        const roundsMax = 20 * roles.length;
        for (let round = 0; round < roundsMax; round++) {
          const offers = h.batch();
          for (const { frameworkId: id } of offers) served.add(id);
          h.recover(offers);
        }
        return served.size === roles.length;
      },
    ),
    { numRuns: 100 },
  );
});

t.test("the same history gives the same offers", async (t) => {
  const run = (seed: number): string => {
    const pair = new Pair(seed);
    const lines: string[] = [];
    for (const each of fc.sample(step, { seed: 7, numRuns: 200 })) pair.do(each);
    for (const o of pair.outstanding) lines.push(`${o.agentId} ${o.frameworkId} ${o.role}`);
    return lines.join("\n");
  };
  t.equal(run(1), run(1));
  t.not(run(1), "");
});

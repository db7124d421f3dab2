/** The allocator and the slow model side by side: every step is done to both and compared. */
import type { FrameworkSpec, OfferCandidate, Placement } from "#allocator";
import { Limits, Quantities, Resources } from "#resources";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness, seeded } from "./harness.ts";
import {
  AGENT_KINDS,
  FRAMEWORK_KINDS,
  PLACEMENTS,
  QUOTAS,
  ROLES,
  type Step,
  TOTALS,
} from "./histories.ts";
import { Model, sortedText } from "./model.ts";
import { type FrameworkKind, REGION } from "./model-eligibility.ts";

export class Pair {
  readonly h: Harness;
  readonly model: Model;
  outstanding: OfferCandidate[] = [];
  /** What the allocator draws by; the model has its own. */
  draw: () => number;

  constructor(seed: number, placement: Placement = PLACEMENTS[seed % 3] ?? "random") {
    this.draw = seeded(seed);
    this.h = new Harness({ random: () => this.draw(), placement, region: REGION });
    this.model = new Model(1000, seeded(seed), placement);
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
        model.loans.lots = model.loans.lots.filter(({ agent }) => agent !== `A${each.n}`);
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
        agent.total = TOTALS[each.total] ?? Resources.EMPTY;
        return h.allocator.updateAgent(agentId(agent.id), { total: agent.total });
      }
      case "recover":
        return this.#recover(each);
      case "weight":
        model.weights.set(ROLES[each.role] ?? "", each.weight);
        return h.allocator.setWeight(ROLES[each.role] ?? "", each.weight);
      case "quota":
        return this.#quota(ROLES[each.role] ?? "", QUOTAS[each.quota] ?? ["", ""]);
      case "lend":
        return this.#lend(ROLES[each.role] ?? "", each.lends);
      case "timeOut":
      case "answer":
        return this.#hoard(`F${each.n}`, each.do === "timeOut");
      case "plan":
        h.allocator.plan({ kind: "weight", role: "r1", weight: 2 }, h.nowMs);
        return;
      case "batch":
      case "event":
        return this.#run(each.do);
      default:
        return this.#framework(each);
    }
  }

  #lend(name: string, lends: boolean): void {
    this.h.allocator.setLending(name, lends);
    if (lends) this.model.loans.lenders.add(name);
    else this.model.loans.lenders.delete(name);
  }

  #hoard(id: string, timedOut: boolean): void {
    const framework = this.model.frameworks.find((each) => each.id === id);
    if (timedOut) this.h.allocator.offerTimedOut(frameworkId(id));
    else this.h.allocator.offerAnswered(frameworkId(id));
    if (framework === undefined) return;
    if (!timedOut || !framework.hoards) framework.offer = undefined;
    framework.hoards = timedOut;
  }

  #addAgent(each: Step & { do: "addAgent" }): void {
    const { n: number, total: index, usedBy, role: roleIndex } = each;
    const id = `A${number}`;
    if (this.model.agents.some((agent) => agent.id === id)) return;
    const bag = TOTALS[index] ?? Resources.EMPTY;
    const kind = AGENT_KINDS[each.kind] ?? { capabilities: [], attributes: [] };
    const name = ROLES[roleIndex] ?? "";
    const agent = { id, total: bag, active: true, held: [], kind };
    this.model.agents.push(agent);
    const used =
      usedBy === undefined
        ? Resources.EMPTY
        : bag
            .unreserved()
            .nonRevocable()
            .filter((r) => r.name === "cpus");
    const holders = new Map([[frameworkId(`F${usedBy}`), used.allocate(name)]]);
    this.h.allocator.addAgent(
      agentId(id),
      agentSpec(bag, kind),
      used.isEmpty ? undefined : holders,
    );
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
      const kind = FRAMEWORK_KINDS[each.kind] ?? { capabilities: [] };
      const suppressed = new Set(suppressedRoles);
      const quiet = { hoards: false, offer: undefined };
      model.frameworks.push({ id, roles, suppressed, active: true, kind, ...quiet });
      for (const { held } of model.agents) {
        for (const h of held) if (h.framework === id) model.countUsed(id, h.role);
      }
      return h.allocator.addFramework(id, this.#spec(kind, roles, suppressedRoles), true);
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
        h.allocator.updateFramework(id, this.#spec(known.kind, roles, suppressedRoles));
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

  #spec(kind: FrameworkKind, roles: string[], suppressedRoles: string[]): FrameworkSpec {
    const { capabilities, rack, anySize } = kind;
    const predicate = { kind: "text_equals", value: rack ?? "" } as const;
    const constraint = { groups: [[{ selector: { attribute: "rack" }, predicate }]] };
    return frameworkSpec(roles, {
      suppressedRoles,
      capabilities,
      ...(rack === undefined
        ? {}
        : { constraints: new Map(roles.map((each) => [each, constraint])) }),
      ...(anySize === true ? { minAllocatable: new Map(roles.map((each) => [each, []])) } : {}),
    });
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
    this.#checkReclaims();
  }

  /** Part of what is held on loan, the youngest first, and never more than is owed. */
  #checkReclaims(): void {
    const reclaims = this.h.allocator.reclaims(this.h.nowMs);
    let asked = Quantities.EMPTY;
    let sinceMs = Number.POSITIVE_INFINITY;
    for (const { agentId: id, frameworkId: holder, role: name, ...reclaim } of reclaims) {
      if (reclaim.heldSinceMs > sinceMs) throw new Error(`${id}: an older loan came first`);
      sinceMs = reclaim.heldSinceMs;
      asked = asked.add(reclaim.resources.quantities());
      let lent = Resources.EMPTY;
      for (const lot of this.model.loans.lots) {
        const same = lot.agent === id && lot.framework === holder && lot.role === name;
        if (same && lot.sinceMs === sinceMs) lent = lent.add(lot.resources);
      }
      if (!lent.contains(reclaim.resources.unallocate())) throw new Error(`${id}: not on loan`);
      if (!this.h.allocator.held(holder, id).contains(reclaim.resources)) {
        throw new Error(`${id}: not held`);
      }
    }
    const required = Quantities.of(this.model.quota.required());
    if (!required.contains(asked)) throw new Error(`${asked} asked back, ${required} owed`);
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
      const shown = this.model.shown(agent);
      const over = !shown.contains(held.nonShared());
      if (!over && !free.nonShared().add(held.nonShared()).equals(shown.nonShared())) {
        throw new Error(`${agent.id}: free ${free} + held ${held} is not ${shown}`);
      }
      if (!free.equals(this.model.free(agent))) throw new Error(`${agent.id}: free ${free}`);
      if (!shown.contains(free)) throw new Error(`${agent.id}: free ${free} is over the total`);
      if (!this.h.allocator.total(id).equals(agent.total)) throw new Error(`${agent.id}: total`);
    }
  }

  #drop(list: { id: string }[], id: string): void {
    const at = list.findIndex((each) => each.id === id);
    if (at >= 0) list.splice(at, 1);
  }
}

/** The first step at which allocator and model differ, or a law is broken, and how. */
export function differenceOf(
  seed: number,
  steps: readonly Step[],
): { readonly at: number; readonly why: string } | undefined {
  const pair = new Pair(seed);
  for (const [at, step] of steps.entries()) {
    try {
      pair.do(step);
      pair.check();
    } catch (error) {
      return { at, why: error instanceof Error ? error.message : String(error) };
    }
  }
  return undefined;
}

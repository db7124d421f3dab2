/**
 * The allocator's state and every way to change it. Books each change on all who count it: the
 * agent, the role, the framework. Decides nothing about order or eligibility itself (`order.ts`,
 * `eligibility.ts`, `cycle.ts`) and never reads a clock.
 */
import type { AgentId, FrameworkId, PlacementReason } from "#protocol";
import { equalAttributes, Quantities, ResourceNames, type Resources } from "#resources";
import { Agents, type Slot } from "./agents.ts";
import type {
  AgentSpec,
  Allocator,
  AllocatorOptions,
  Conversion,
  Explanation,
  ExplainQuery,
  FrameworkSpec,
  OfferCandidate,
  RefusalFilter,
  Shares,
  SubscriptionExplanation,
} from "./contract.ts";
import { runCycle, type Surroundings } from "./cycle.ts";
import { compileConstraints } from "./constraints.ts";
import { abilitiesOf } from "./eligibility.ts";
import { explain, explainAgent } from "./explain.ts";
import { Filters } from "./filters.ts";
import { type InverseOfferCandidate, InverseOffers, type Unavailability } from "./inverse.ts";
import { checkQuota } from "./quota.ts";
import { RecoveryPause } from "./recovery.ts";
import { type Framework, newFramework, Roles, sortersOf, type Subscription } from "./roles.ts";
import { type Quota, RoleTree } from "./role-tree.ts";
import { chargeOf, partsByRole, Totals } from "./shares.ts";
import { Strangers } from "./strangers.ts";
import { sharesOf } from "./view.ts";

/**
 * An allocator by hierarchical weighted dominant resource fairness.
 * @throws RangeError where an option is out of its bounds.
 */
export function createAllocator(options: AllocatorOptions): Allocator {
  const { allocationIntervalMs } = options;
  if (!Number.isFinite(allocationIntervalMs) || allocationIntervalMs <= 0) {
    throw new RangeError(`allocationIntervalMs: ${allocationIntervalMs} is not above 0`);
  }
  return new HierarchicalAllocator(options);
}

class HierarchicalAllocator implements Allocator {
  readonly #totals: Totals;
  readonly #agents: Agents;
  readonly #roles: Roles;
  readonly #filters: Filters<Subscription>;
  readonly #frameworks = new Map<FrameworkId, Framework>();
  readonly #dirty = new Set<AgentId>();
  /** All agents are touched: kept as one mark, since every new framework touches them. */
  #allDirty = false;
  readonly #strangers = new Strangers();
  readonly #refusals = new Map<PlacementReason, number>();
  readonly #inverse = new InverseOffers();
  readonly #pause = new RecoveryPause();
  readonly #around: Surroundings;

  constructor(options: AllocatorOptions) {
    this.#totals = new Totals(new ResourceNames(), options.fairnessExcluded ?? []);
    const tree = new RoleTree(this.#totals.names);
    this.#agents = new Agents(this.#totals, tree);
    this.#roles = new Roles(this.#totals, tree, sortersOf(options));
    this.#filters = new Filters(options.allocationIntervalMs);
    this.#around = {
      agents: this.#agents,
      roles: this.#roles,
      filters: this.#filters,
      rules: {
        filterGpuResources: options.filterGpuResources ?? true,
        region: options.region,
      },
      minAllocatable: options.minAllocatable,
      random: options.random,
      book: (slot, subscription, resources) => this.#offer(slot, subscription, resources),
      count: (reason) => void this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1),
    };
  }

  addAgent(agentId: AgentId, spec: AgentSpec, used?: ReadonlyMap<FrameworkId, Resources>): void {
    const slot = this.#agents.add(agentId, spec);
    this.#pause.agentAdded();
    for (const [frameworkId, resources] of used ?? []) {
      for (const [role, part] of partsByRole(resources)) this.#take(slot, frameworkId, role, part);
    }
    this.#dirty.add(agentId);
  }

  updateAgent(agentId: AgentId, change: Partial<AgentSpec>): void {
    const agents = this.#agents;
    const slot = agents.slotOf(agentId);
    if (change.total !== undefined) agents.setTotal(slot, change.total);
    if (change.capabilities !== undefined) agents.setCapabilities(slot, change.capabilities);
    const { domain, hostname, attributes } = change;
    if (domain !== undefined) agents.change(slot, { domain });
    if (hostname !== undefined) agents.change(slot, { hostname });
    if (attributes !== undefined) {
      const same = equalAttributes(agents.subject(slot).attributes, attributes);
      if (!same) {
        agents.change(slot, { attributes });
        this.#filters.dropAgent(agentId);
      }
    }
    this.#dirty.add(agentId);
  }

  removeAgent(agentId: AgentId): void {
    const slot = this.#agents.find(agentId);
    if (slot === undefined) return;
    for (const [frameworkId, resources] of [...this.#agents.holders(slot)]) {
      for (const [role, part] of partsByRole(resources)) this.#give(slot, frameworkId, role, part);
    }
    this.#filters.dropAgent(agentId);
    this.#inverse.dropAgent(agentId);
    this.#agents.remove(agentId);
    this.#dirty.delete(agentId);
  }

  hasAgent(agentId: AgentId): boolean {
    return this.#agents.find(agentId) !== undefined;
  }

  activateAgent(agentId: AgentId): void {
    this.#agents.setAbsence(this.#agents.slotOf(agentId), undefined);
    this.#dirty.add(agentId);
  }

  deactivateAgent(agentId: AgentId, why: "draining" | "agent-inactive" = "agent-inactive"): void {
    this.#agents.setAbsence(this.#agents.slotOf(agentId), why);
  }

  setWhitelist(hostnames: Iterable<string> | undefined): void {
    this.#agents.setWhitelist(hostnames);
    this.requestAllocation();
  }

  updateUnavailability(agentId: AgentId, window: Unavailability | undefined): void {
    this.#agents.slotOf(agentId);
    this.#inverse.setWindow(agentId, window);
    this.#dirty.add(agentId);
  }

  inverseOffers(nowMs: number, onlyAgents?: Iterable<AgentId>): InverseOfferCandidate[] {
    const holders = (agentId: AgentId): FrameworkId[] => {
      const slot = this.#agents.find(agentId);
      const all = slot === undefined ? [] : [...this.#agents.holders(slot).keys()];
      return all.filter((each) => this.#frameworks.get(each)?.active === true);
    };
    return this.#inverse.ask(onlyAgents ?? this.#agents.ids(), holders, nowMs);
  }

  answerInverseOffer(
    frameworkId: FrameworkId,
    agentId: AgentId,
    filter: RefusalFilter | undefined,
    nowMs: number,
  ): void {
    const untilMs = filter === undefined ? undefined : nowMs + filter.refuseMs;
    this.#inverse.answered(agentId, frameworkId, untilMs);
  }

  recover(agents: number, nowMs: number): void {
    const { hasGuarantees, hasLimits } = this.#roles.tree;
    if (hasGuarantees || hasLimits) this.#pause.begin(agents, nowMs);
  }

  pausedUntilMs(): number | undefined {
    return this.#pause.untilMs;
  }

  holdLimited(hold: boolean): void {
    const { tree } = this.#roles;
    if (tree.limitedHeld === hold) return;
    tree.limitedHeld = hold;
    if (!hold && tree.hasLimits) this.requestAllocation();
  }

  addFramework(frameworkId: FrameworkId, spec: FrameworkSpec, active: boolean): void {
    if (this.#frameworks.has(frameworkId)) {
      throw new Error(`framework ${frameworkId} is there already`);
    }
    const framework = newFramework(frameworkId, spec, active);
    this.#frameworks.set(frameworkId, framework);
    for (const agentId of this.#strangers.take(frameworkId)) {
      for (const [role, part] of partsByRole(this.held(frameworkId, agentId))) {
        const charge = chargeOf(this.#totals.names, agentId, part);
        this.#roles.chargeFramework(role, framework, charge);
      }
    }
    if (this.#subscribeAll(framework) && active) this.requestAllocation();
  }

  updateFramework(frameworkId: FrameworkId, spec: FrameworkSpec): void {
    const framework = this.#framework(frameworkId);
    framework.spec = spec;
    framework.abilities = abilitiesOf(spec);
    framework.constraints = compileConstraints(spec.constraints);
    this.#inverse.dropRefusals(frameworkId);
    // First come, then go: what is shared above both is not taken down in between.
    const served = this.#subscribeAll(framework);
    for (const subscription of [...framework.subscriptions.values()]) {
      if (spec.roles.includes(subscription.role.name)) continue;
      this.#touch(this.#filters.dropClient(subscription));
      subscription.subscribed = false;
      this.#roles.refresh(subscription);
      this.#roles.leaveIfIdle(subscription);
    }
    if (served && framework.active) this.requestAllocation();
  }

  removeFramework(frameworkId: FrameworkId): void {
    const framework = this.#frameworks.get(frameworkId);
    if (framework === undefined) return;
    for (const subscription of [...framework.subscriptions.values()]) {
      this.#touch(this.#filters.dropClient(subscription));
      this.#roles.leave(subscription);
    }
    this.#frameworks.delete(frameworkId);
    this.#inverse.dropFramework(frameworkId);
    for (const slot of this.#agents.slots()) this.#noteStranger(slot, frameworkId);
  }

  hasFramework(frameworkId: FrameworkId): boolean {
    return this.#frameworks.has(frameworkId);
  }

  activateFramework(frameworkId: FrameworkId): void {
    const framework = this.#framework(frameworkId);
    framework.active = true;
    if (this.#refreshAll(framework)) this.requestAllocation();
  }

  deactivateFramework(frameworkId: FrameworkId): void {
    const framework = this.#framework(frameworkId);
    framework.active = false;
    for (const subscription of framework.subscriptions.values()) {
      this.#touch(this.#filters.dropClient(subscription));
    }
    this.#inverse.dropFramework(frameworkId);
    this.#refreshAll(framework);
  }

  suppress(frameworkId: FrameworkId, roles?: readonly string[]): void {
    for (const subscription of this.#named(frameworkId, roles)) {
      subscription.suppressed = true;
      this.#roles.refresh(subscription);
    }
  }

  revive(frameworkId: FrameworkId, roles?: readonly string[]): void {
    let served = false;
    for (const subscription of this.#named(frameworkId, roles)) {
      subscription.suppressed = false;
      this.#touch(this.#filters.dropClient(subscription));
      served = this.#roles.refresh(subscription) || served;
    }
    this.#inverse.dropRefusals(frameworkId);
    if (served) this.requestAllocation();
  }

  setWeight(role: string, weight: number): void {
    this.#roles.setWeight(role, weight);
  }

  weightOf(role: string): number {
    return this.#roles.weightOf(role);
  }

  setQuota(role: string, quota: Quota | undefined): void {
    const set = quota?.guarantee.isEmpty && quota.limit.isEmpty ? undefined : quota;
    if (set !== undefined) checkQuota(role, set);
    const { tree } = this.#roles;
    tree.setQuota(role, set);
    this.#agents.countHeadroom(tree.hasGuarantees);
    this.requestAllocation();
  }

  quotaOf(role: string): Quota | undefined {
    return this.#roles.tree.find(role)?.quota;
  }

  consumedBy(role: string): Quantities {
    const { tree } = this.#roles;
    const node = tree.find(role);
    return node === undefined ? Quantities.EMPTY : tree.consumed(node);
  }

  recoverResources(
    frameworkId: FrameworkId,
    agentId: AgentId,
    resources: Resources,
    filter: RefusalFilter | undefined,
    nowMs: number,
  ): void {
    const slot = this.#agents.find(agentId);
    if (slot === undefined || resources.isEmpty) return;
    for (const [role, part] of partsByRole(resources)) {
      this.#give(slot, frameworkId, role, part);
      if (filter === undefined) continue;
      const subscription = this.#frameworks.get(frameworkId)?.subscriptions.get(role);
      if (subscription === undefined || !subscription.framework.active) continue;
      const refused = { resources: part.unallocate(), refuseMs: filter.refuseMs, nowMs };
      this.#filters.add(subscription, agentId, refused);
    }
    this.#dirty.add(agentId);
  }

  updateAllocation(
    frameworkId: FrameworkId,
    agentId: AgentId,
    role: string,
    conversions: readonly Conversion[],
  ): void {
    const slot = this.#agents.slotOf(agentId);
    const framework = this.#frameworks.get(frameworkId);
    for (const { consumed, converted } of conversions) {
      const gone = consumed.unallocate();
      const come = converted.unallocate();
      this.#agents.convertHeld(slot, frameworkId, gone.allocate(role), come.allocate(role));
      // An agent has one of each shared resource, however many copies are held.
      const total = this.#agents.total(slot).subtract(gone).add(come).singleCopies();
      this.#agents.setTotal(slot, total);
      this.#roles.convert(role, framework, {
        gone: chargeOf(this.#totals.names, agentId, gone),
        come: chargeOf(this.#totals.names, agentId, come),
      });
    }
    this.#dirty.add(agentId);
  }

  updateAvailable(agentId: AgentId, conversions: readonly Conversion[]): boolean {
    const slot = this.#agents.slotOf(agentId);
    let free = this.#agents.free(slot);
    let total = this.#agents.total(slot);
    for (const { consumed, converted } of conversions) {
      if (!free.contains(consumed)) return false;
      free = free.subtract(consumed).add(converted);
      total = total.subtract(consumed).add(converted);
    }
    this.#agents.setTotal(slot, total);
    this.#dirty.add(agentId);
    return true;
  }

  allocate(nowMs: number, onlyAgents?: Iterable<AgentId>): OfferCandidate[] {
    this.#touch(this.#filters.expire(nowMs));
    if (this.#pause.isOn(nowMs)) return [];
    if (onlyAgents !== undefined) return runCycle(this.#around, this.#candidates(onlyAgents));
    this.#filters.batchBegins();
    this.#dirty.clear();
    this.#allDirty = false;
    const offers = runCycle(this.#around, this.#candidates());
    this.#touch(this.#filters.batchEnds());
    return offers;
  }

  /** Those of the agents named, or of all, that anything can be offered of. */
  #candidates(agentIds?: Iterable<AgentId>): Slot[] {
    const candidates: Slot[] = [];
    const consider = (slot: Slot): void => {
      if (this.#agents.free(slot).isEmpty) return;
      const absence = this.#agents.absence(slot);
      if (absence === undefined) candidates.push(slot);
      else this.#around.count(absence);
    };
    if (agentIds === undefined) for (const slot of this.#agents.slots()) consider(slot);
    for (const agentId of agentIds ?? []) {
      this.#dirty.delete(agentId);
      const slot = this.#agents.find(agentId);
      if (slot !== undefined) consider(slot);
    }
    return candidates;
  }

  dirtyAgents(nowMs: number): readonly AgentId[] {
    this.#touch(this.#filters.expire(nowMs));
    if (this.#pause.isOn(nowMs)) return [];
    if (this.#allDirty) {
      this.#allDirty = false;
      this.requestAllocation(this.#agents.ids());
    }
    return [...this.#dirty];
  }

  requestAllocation(agentIds?: Iterable<AgentId>): void {
    if (agentIds === undefined) this.#allDirty = true;
    for (const agentId of agentIds ?? []) {
      const slot = this.#agents.find(agentId);
      if (slot !== undefined && !this.#agents.free(slot).isEmpty) this.#dirty.add(agentId);
    }
  }

  nextFilterExpiryMs(): number | undefined {
    return this.#filters.nextExpiryMs();
  }

  free(agentId: AgentId): Resources {
    return this.#agents.free(this.#agents.slotOf(agentId));
  }

  total(agentId: AgentId): Resources {
    return this.#agents.total(this.#agents.slotOf(agentId));
  }

  held(frameworkId: FrameworkId, agentId: AgentId): Resources {
    return this.#agents.held(this.#agents.slotOf(agentId), frameworkId);
  }

  shares(): Shares {
    return sharesOf(this.#totals, this.#roles);
  }

  explain(query: ExplainQuery): Explanation {
    return explain(this.#around, this.#frameworks, query);
  }

  explainAgent(agentId: AgentId): SubscriptionExplanation[] {
    return explainAgent(this.#around, this.#frameworks, agentId);
  }

  refusals(): ReadonlyMap<PlacementReason, number> {
    return this.#refusals;
  }

  #offer(slot: Slot, { framework, role }: Subscription, resources: Resources): OfferCandidate {
    const allocated = resources.allocate(role.name);
    this.#take(slot, framework.id, role.name, allocated);
    const agentId = this.#agents.idOf(slot);
    return { frameworkId: framework.id, role: role.name, agentId, resources: allocated };
  }

  #take(slot: Slot, frameworkId: FrameworkId, role: string, resources: Resources): void {
    const bare = resources.unallocate();
    const charge = chargeOf(this.#totals.names, this.#agents.idOf(slot), bare);
    this.#agents.take(slot, frameworkId, resources);
    this.#roles.charge(role, this.#frameworks.get(frameworkId), charge);
    this.#noteStranger(slot, frameworkId);
  }

  #give(slot: Slot, frameworkId: FrameworkId, role: string, resources: Resources): void {
    const bare = resources.unallocate();
    const charge = chargeOf(this.#totals.names, this.#agents.idOf(slot), bare);
    this.#agents.give(slot, frameworkId, resources, bare);
    this.#roles.release(role, this.#frameworks.get(frameworkId), charge);
    this.#noteStranger(slot, frameworkId);
  }

  /** Keeps the list of those who hold something there without being known. */
  #noteStranger(slot: Slot, frameworkId: FrameworkId): void {
    if (this.#frameworks.has(frameworkId)) return;
    const holds = this.#agents.holders(slot).has(frameworkId);
    this.#strangers.note(frameworkId, this.#agents.idOf(slot), holds);
  }

  #framework(frameworkId: FrameworkId): Framework {
    const framework = this.#frameworks.get(frameworkId);
    if (framework === undefined) {
      throw new Error(`framework ${frameworkId} is not known to the allocator`);
    }
    return framework;
  }

  /** Subscribes as the framework's spec says; whether a role of it is newly served. */
  #subscribeAll(framework: Framework): boolean {
    const suppressed = new Set(framework.spec.suppressedRoles);
    let served = false;
    for (const role of framework.spec.roles) {
      const subscription = this.#roles.subscribe(framework, role);
      const before = subscription.client.active;
      if (subscription.suppressed && !suppressed.has(role)) {
        this.#touch(this.#filters.dropClient(subscription));
      }
      subscription.suppressed = suppressed.has(role);
      served = (this.#roles.refresh(subscription) && !before) || served;
    }
    return served;
  }

  #refreshAll(framework: Framework): boolean {
    let served = false;
    for (const subscription of framework.subscriptions.values()) {
      served = this.#roles.refresh(subscription) || served;
    }
    return served;
  }

  #named(frameworkId: FrameworkId, roles: readonly string[] | undefined): Subscription[] {
    const all = [...this.#framework(frameworkId).subscriptions.values()];
    const named = roles === undefined || roles.length === 0;
    return all.filter(({ subscribed, role }) => subscribed && (named || roles.includes(role.name)));
  }

  #touch(agentIds: Iterable<AgentId>): void {
    for (const agentId of agentIds) this.#dirty.add(agentId);
  }
}

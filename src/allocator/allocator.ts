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
  PlannedChange,
  Reclaim,
  RefusalFilter,
  Shares,
  SubscriptionExplanation,
} from "./contract.ts";
import { Books } from "./books.ts";
import { runCycle, type Surroundings } from "./cycle.ts";
import { compileConstraints } from "./constraints.ts";
import { abilitiesOf } from "./eligibility.ts";
import { explain, explainAgent } from "./explain.ts";
import { Filters } from "./filters.ts";
import { type InverseOfferCandidate, InverseOffers, type Unavailability } from "./inverse.ts";
import { Lending } from "./lending.ts";
import { headroomOf, type Lend, lendOut, reclaimsOf } from "./loans.ts";
import { fixedDraw, make, type Parts, replay } from "./plan.ts";
import { checkQuota } from "./quota.ts";
import { RecoveryPause } from "./recovery.ts";
import { type Framework, newFramework, Roles, sortersOf, type Subscription } from "./roles.ts";
import { type Quota, RoleTree } from "./role-tree.ts";
import { partsByRole, Totals } from "./shares.ts";
import { Touched } from "./touched.ts";
import { activeFiltersOf, sharesOf } from "./view.ts";

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
  readonly #touched: Touched;
  readonly #refusals = new Map<PlacementReason, number>();
  readonly #inverse = new InverseOffers();
  readonly #pause = new RecoveryPause();
  readonly #lending: Lending;
  readonly #books: Books;
  readonly #around: Surroundings;
  readonly #options: AllocatorOptions;
  #runs = 0;

  constructor(options: AllocatorOptions) {
    this.#options = options;
    this.#totals = new Totals(new ResourceNames(), options.fairnessExcluded ?? []);
    const tree = new RoleTree(this.#totals.names);
    this.#agents = new Agents(this.#totals, tree);
    this.#touched = new Touched(this.#agents);
    this.#roles = new Roles(this.#totals, tree, sortersOf(options));
    this.#filters = new Filters(options.allocationIntervalMs, (marks, { role, client }) =>
      marks.get(role)?.delete(client.slot),
    );
    this.#lending = new Lending(this.#totals.names);
    this.#books = new Books(this.#parts);
    this.#around = {
      agents: this.#agents,
      roles: this.#roles,
      filters: this.#filters,
      lending: this.#lending,
      headroom: () => headroomOf(this.#around),
      rules: {
        filterGpuResources: options.filterGpuResources ?? true,
        region: options.region,
      },
      minAllocatable: options.minAllocatable,
      arrangement: { placement: options.placement ?? "random", random: options.random },
      book: (slot, subscription, resources) => this.#books.offer(slot, subscription, resources),
      count: (reason, times = 1) => {
        this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + times);
      },
    };
  }

  addAgent(agentId: AgentId, spec: AgentSpec, used?: ReadonlyMap<FrameworkId, Resources>): void {
    const slot = this.#agents.add(agentId, spec);
    this.#pause.agentAdded(agentId);
    for (const [frameworkId, resources] of used ?? []) {
      for (const [role, part] of partsByRole(resources)) {
        this.#books.take(slot, frameworkId, role, part);
      }
    }
    this.#books.recognizeLoans(slot);
    this.#touched.add(agentId);
  }

  updateAgent(agentId: AgentId, change: Partial<AgentSpec>): void {
    const agents = this.#agents;
    const slot = agents.slotOf(agentId);
    if (change.total !== undefined) this.#books.setTotal(slot, change.total);
    if (change.capabilities !== undefined) agents.setCapabilities(slot, change.capabilities);
    const { domain, hostname, attributes } = change;
    if (domain !== undefined) agents.change(slot, { domain });
    if (hostname !== undefined) agents.change(slot, { hostname });
    if (attributes !== undefined) {
      const same = equalAttributes(agents.subject(slot).attributes, attributes);
      if (!same) {
        agents.change(slot, { attributes });
        this.#filters.dropAgent(slot);
      }
    }
    this.#touched.add(agentId);
  }

  removeAgent(agentId: AgentId): void {
    const slot = this.#agents.find(agentId);
    if (slot === undefined) return;
    for (const [frameworkId, resources] of [...this.#agents.holders(slot)]) {
      for (const [role, part] of partsByRole(resources))
        this.#books.give(slot, frameworkId, role, part);
    }
    this.#filters.dropAgent(slot);
    this.#inverse.dropAgent(agentId);
    this.#lending.dropAgent(agentId);
    this.#agents.remove(agentId);
    this.#touched.delete(agentId);
  }

  hasAgent(agentId: AgentId): boolean {
    return this.#agents.find(agentId) !== undefined;
  }

  activateAgent(agentId: AgentId): void {
    this.#agents.setAbsence(this.#agents.slotOf(agentId), undefined);
    this.#touched.add(agentId);
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
    this.#touched.add(agentId);
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
    this.#books.welcome(framework);
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
      this.#touched.addEach(this.#filters.dropClient(subscription));
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
      this.#touched.addEach(this.#filters.dropClient(subscription));
      this.#roles.leave(subscription);
    }
    this.#frameworks.delete(frameworkId);
    this.#inverse.dropFramework(frameworkId);
    for (const slot of this.#agents.slots()) this.#books.noteStranger(slot, frameworkId);
  }

  hasFramework(frameworkId: FrameworkId): boolean {
    return this.#frameworks.has(frameworkId);
  }

  activateFramework(frameworkId: FrameworkId): void {
    const framework = this.#framework(frameworkId);
    framework.active = true;
    if (this.#roles.refreshAll(framework)) this.requestAllocation();
  }

  deactivateFramework(frameworkId: FrameworkId): void {
    const framework = this.#framework(frameworkId);
    framework.active = false;
    for (const subscription of framework.subscriptions.values()) {
      this.#touched.addEach(this.#filters.dropClient(subscription));
    }
    this.#inverse.dropFramework(frameworkId);
    this.#roles.refreshAll(framework);
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
      this.#touched.addEach(this.#filters.dropClient(subscription));
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

  setLending(role: string, lends: boolean): void {
    this.#lending.set(role, lends);
    this.requestAllocation();
  }

  lends(role: string): boolean {
    return this.#lending.has(role);
  }

  reclaims(nowMs: number): readonly Reclaim[] {
    this.#touched.addEach(this.#filters.expire(nowMs));
    return this.#pause.isOn(nowMs) ? [] : reclaimsOf(this.#around);
  }

  offerTimedOut(frameworkId: FrameworkId): void {
    const framework = this.#frameworks.get(frameworkId);
    if (framework !== undefined) framework.hoarding ??= { offer: undefined };
  }

  offerAnswered(frameworkId: FrameworkId): void {
    const framework = this.#frameworks.get(frameworkId);
    if (framework?.hoarding === undefined) return;
    framework.hoarding = undefined;
    this.requestAllocation();
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
      this.#books.give(slot, frameworkId, role, part);
      if (filter === undefined) continue;
      const subscription = this.#frameworks.get(frameworkId)?.subscriptions.get(role);
      if (subscription === undefined || !subscription.framework.active) continue;
      const refused = { resources: part.unallocate(), refuseMs: filter.refuseMs, nowMs };
      this.#filters.add(subscription, { agentId, slot }, refused);
    }
    this.#touched.add(agentId);
  }

  updateAllocation(
    frameworkId: FrameworkId,
    agentId: AgentId,
    role: string,
    conversions: readonly Conversion[],
  ): void {
    const slot = this.#agents.slotOf(agentId);
    this.#books.convertHeld(slot, { frameworkId, role }, conversions);
    this.#touched.add(agentId);
  }

  updateAvailable(agentId: AgentId, conversions: readonly Conversion[]): boolean {
    const slot = this.#agents.slotOf(agentId);
    if (!this.#books.convertFree(slot, conversions)) return false;
    this.#touched.add(agentId);
    return true;
  }

  allocate(nowMs: number, onlyAgents?: Iterable<AgentId>): OfferCandidate[] {
    this.#touched.addEach(this.#filters.expire(nowMs));
    if (this.#pause.isOn(nowMs)) return [];
    const batch = onlyAgents === undefined;
    if (batch) this.#filters.batchBegins();
    const offers = this.#run(this.#touched.drain(onlyAgents, this.#around.count), nowMs);
    if (batch) this.#touched.addEach(this.#filters.batchEnds());
    return offers;
  }

  #run(candidates: Slot[], nowMs: number): OfferCandidate[] {
    this.#runs += 1;
    const offers = runCycle(this.#around, candidates);
    if (!this.#lending.isOn) return offers;
    const lend: Lend = (slot, subscription, { resources, lent }) => {
      const { framework, role } = subscription;
      this.#books.lend(slot, { frameworkId: framework.id, role: role.name }, { lent, nowMs });
      return this.#books.offer(slot, subscription, resources);
    };
    return offers.concat(lendOut(this.#around, candidates, lend));
  }

  dirtyAgents(nowMs: number): readonly AgentId[] {
    this.#touched.addEach(this.#filters.expire(nowMs));
    if (this.#pause.isOn(nowMs)) return [];
    return this.#touched.list();
  }

  requestAllocation(agentIds?: Iterable<AgentId>): void {
    if (agentIds === undefined) this.#touched.addAll();
    else this.#touched.addIfFree(agentIds);
  }

  nextFilterExpiryMs(): number | undefined {
    return this.#filters.nextExpiryMs();
  }

  free(agentId: AgentId): Resources {
    return this.#agents.free(this.#agents.slotOf(agentId));
  }

  total(agentId: AgentId): Resources {
    return this.#books.total(this.#agents.slotOf(agentId));
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

  activeFilters(): ReadonlyMap<string, number> {
    return activeFiltersOf(this.#filters);
  }

  runs(): number {
    return this.#runs;
  }

  plan(change: PlannedChange, nowMs: number): OfferCandidate[] {
    const copy = new HierarchicalAllocator({ ...{}, ...this.#options, random: fixedDraw() });
    replay(this.#parts, copy, copy.#parts);
    make(change, copy, copy.#parts, nowMs);
    return copy.allocate(nowMs);
  }

  get #parts(): Parts {
    return {
      totals: this.#totals,
      agents: this.#agents,
      roles: this.#roles,
      frameworks: this.#frameworks,
      lending: this.#lending,
      filters: this.#filters,
      pause: this.#pause,
    };
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
        this.#touched.addEach(this.#filters.dropClient(subscription));
      }
      subscription.suppressed = suppressed.has(role);
      served = (this.#roles.refresh(subscription) && !before) || served;
    }
    return served;
  }

  #named(frameworkId: FrameworkId, roles: readonly string[] | undefined): Subscription[] {
    const all = [...this.#framework(frameworkId).subscriptions.values()];
    const named = roles === undefined || roles.length === 0;
    return all.filter(({ subscribed, role }) => subscribed && (named || roles.includes(role.name)));
  }
}

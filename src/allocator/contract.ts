/**
 * What an allocator takes and gives: the interface that masters, simulators and benchmarks program
 * against. Pure and synchronous: time and chance come in as arguments, nothing is sent from here.
 */
import type {
  AgentCapability,
  AgentId,
  Attribute,
  FrameworkCapability,
  FrameworkId,
  PlacementReason,
} from "#protocol";
import type { Quantities, Resources } from "#resources";
import type { Domain, OfferConstraints } from "./constraints.ts";
import type { InverseOfferCandidate, Unavailability } from "./inverse.ts";
import type { Quota } from "./role-tree.ts";

/** By fairness, or drawn anew for each agent with chances by weight. */
export type Sorter = "drf" | "random";

/**
 * `random` as in Mesos; `pack` serves agents of which most is taken first, so that what bounds
 * offers (limits, headroom) leaves empty agents whole; `spread` the other way round.
 */
export type Placement = "random" | "pack" | "spread";

export type AllocatorOptions = {
  /** An offer must contain one of these sets; an empty list sets no minimum. */
  readonly minAllocatable: readonly Quantities[];
  /** How often the caller runs the batch; a filter outlives at least one batch. */
  readonly allocationIntervalMs: number;
  /** Uniform in [0, 1): draws the order of agents in each run, and of random sorters. */
  readonly random: () => number;
  /** In which order a run goes over the agents; `random` where not given. */
  readonly placement?: Placement;
  /** How roles come into order; `drf` where not given. */
  readonly roleSorter?: Sorter;
  /** The same for the frameworks of a role. */
  readonly frameworkSorter?: Sorter;
  /** Names that do not count towards shares. */
  readonly fairnessExcluded?: readonly string[];
  /** Hide agents with gpus from frameworks without GPU_RESOURCES; true where not given. */
  readonly filterGpuResources?: boolean;
  /** The master's own region; agents of another need REGION_AWARE. */
  readonly region?: string;
};

export type AgentSpec = {
  readonly total: Resources;
  readonly attributes: readonly Attribute[];
  readonly capabilities: readonly (AgentCapability | string)[];
  readonly domain?: Domain;
  /** For the whitelist and for constraints; an agent without one stands on no list. */
  readonly hostname?: string;
};

export type FrameworkSpec = {
  readonly roles: readonly string[];
  readonly suppressedRoles: readonly string[];
  readonly capabilities: readonly (FrameworkCapability | string)[];
  readonly principal?: string;
  /** Per role, what an offer must contain one of; an empty list sets no minimum. */
  readonly minAllocatable?: ReadonlyMap<string, readonly Quantities[]>;
  /** Per role, which agents it wants offers from; checked when the framework is added. */
  readonly constraints?: ReadonlyMap<string, OfferConstraints>;
};

/** One piece of one agent for one framework; its resources are allocated to `role`. */
export type OfferCandidate = {
  readonly frameworkId: FrameworkId;
  readonly role: string;
  readonly agentId: AgentId;
  readonly resources: Resources;
};

/**
 * What must come back of what a role's unused guarantee was lent as. The caller rescinds it where it
 * is on offer still; else it gives notice, and then has tasks killed that hold as much.
 */
export type Reclaim = {
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId;
  /** In which role the framework holds it. */
  readonly role: string;
  /** Whose guarantee asks for it. */
  readonly lender: string;
  /** Revocable, allocated to `role`; part of what is held. */
  readonly resources: Resources;
  /** When it was offered; 0 where that is not known, as after a failover. */
  readonly heldSinceMs: number;
};

/** One change to look ahead at; without `spec` or `quota` it is gone. */
export type PlannedChange =
  | { readonly kind: "quota"; readonly role: string; readonly quota?: Quota }
  | { readonly kind: "weight"; readonly role: string; readonly weight: number }
  | { readonly kind: "agent"; readonly agentId: AgentId; readonly spec?: AgentSpec }
  | {
      readonly kind: "framework";
      readonly frameworkId: FrameworkId;
      readonly spec?: FrameworkSpec;
    };

/**
 * How long the framework does not want the like of it again. 0 means no filter; the next *batch*
 * may offer it again, an event run does not, else a decline would be answered by the same offer.
 */
export type RefusalFilter = { readonly refuseMs: number };

/** One operation on resources: what it uses up and what comes of it, without allocation role. */
export type Conversion = { readonly consumed: Resources; readonly converted: Resources };

export type ExplainQuery = {
  readonly frameworkId?: FrameworkId;
  /** Needed where the framework has several roles; alone it asks for any framework of the role. */
  readonly role?: string;
  /** What one task wants, by name and amount; reservations in it do not matter. */
  readonly demand?: Resources;
  /** By agent, what is held but only on offer: for the demand it counts as free. */
  readonly offered?: ReadonlyMap<AgentId, Resources>;
};

/** A lack in figures, in thousandths (of integers for ranges, of items for sets). */
export type Shortage = {
  readonly name: string;
  readonly neededMilli: number;
  readonly freeMilli: number;
  readonly totalMilli: number;
};

export type AgentExplanation = {
  readonly agentId: AgentId;
  /** The first reason why nothing (or not enough) of this agent is offered; undefined: it fits. */
  readonly reason: PlacementReason | undefined;
  readonly shortage?: Shortage;
  /** For `filtered`: when the filter ends, if it is known. */
  readonly untilMs?: number;
};

export type Explanation = {
  readonly agents: readonly AgentExplanation[];
  readonly fits: number;
  readonly counts: ReadonlyMap<PlacementReason, number>;
  /** Sentences, the most frequent reason first: `needs cpus 100, largest free 4 on a7f3`. */
  readonly sentences: readonly string[];
};

/** One role of one framework, seen from one agent. */
export type SubscriptionExplanation = Omit<AgentExplanation, "agentId"> & {
  readonly frameworkId: FrameworkId;
  readonly role: string;
};

export type FrameworkShare = {
  readonly frameworkId: FrameworkId;
  readonly active: boolean;
  readonly suppressed: boolean;
  /** Dominant share of the cluster, 0 to 1; frameworks have no weights. */
  readonly share: number;
  /** Ranges and sets by their number. */
  readonly allocated: Quantities;
  /** Offers this client has been given so far; breaks ties. */
  readonly allocations: number;
};

export type RoleShare = {
  readonly role: string;
  readonly weight: number;
  /** Dominant share of the cluster, before the weight divides it. */
  readonly share: number;
  /** What the order goes by: share ÷ weight. */
  readonly weightedShare: number;
  readonly allocated: Quantities;
  readonly allocations: number;
  readonly frameworks: readonly FrameworkShare[];
};

export type Shares = {
  readonly total: Quantities;
  /** In the order in which the next run will serve them. */
  readonly roles: readonly RoleShare[];
};

/**
 * Ids that are not known are a programmer's fault and throw, except where said: what is on its way
 * when an agent or a framework goes may come late.
 */
export interface Allocator {
  /**
   * `used` is what frameworks hold there already, known to the allocator or not, each resource
   * with its allocation role. The agent is active and touched.
   */
  addAgent(agentId: AgentId, spec: AgentSpec, used?: ReadonlyMap<FrameworkId, Resources>): void;
  /** Any change touches the agent; changed attributes drop the filters on it. */
  updateAgent(agentId: AgentId, change: Partial<AgentSpec>): void;
  /** All that frameworks held there is recovered with it. Unknown agents are no fault. */
  removeAgent(agentId: AgentId): void;
  hasAgent(agentId: AgentId): boolean;
  activateAgent(agentId: AgentId): void;
  /** Nothing of it is offered; what is held there stays held. */
  deactivateAgent(agentId: AgentId, why?: "draining" | "agent-inactive"): void;

  /** Only agents on these hosts are offered; undefined: all. Takes effect with the next run. */
  setWhitelist(hostnames: Iterable<string> | undefined): void;
  /** A maintenance window, or none; forgets what was asked and refused about the agent. */
  updateUnavailability(agentId: AgentId, window: Unavailability | undefined): void;
  /**
   * Whom to ask to leave agents with a window, all of them or those named: each active framework
   * that holds something there, once, until it answers. Booked as asked.
   */
  inverseOffers(nowMs: number, onlyAgents?: Iterable<AgentId>): InverseOfferCandidate[];
  /** Answered or rescinded; with a filter it is not asked again for that long. */
  answerInverseOffer(
    frameworkId: FrameworkId,
    agentId: AgentId,
    filter: RefusalFilter | undefined,
    nowMs: number,
  ): void;
  /**
   * After a failover with `agents` known before: where quota exists nothing is offered until most
   * of them are back, or ten minutes are over. Call it when quotas are set.
   */
  recover(agents: number, nowMs: number): void;
  /** When the pause ends by itself; undefined: there is none. */
  pausedUntilMs(): number | undefined;
  /**
   * While agents are missing nobody knows what roles use there: those under a limit get nothing
   * until all are back, for what they had there could be more than the limit leaves (P-6.2).
   */
  holdLimited(hold: boolean): void;

  addFramework(frameworkId: FrameworkId, spec: FrameworkSpec, active: boolean): void;
  /** Roles no longer named lose their filters; roles no longer suppressed too. */
  updateFramework(frameworkId: FrameworkId, spec: FrameworkSpec): void;
  /** What it still holds stays held until it is recovered. Unknown frameworks are no fault. */
  removeFramework(frameworkId: FrameworkId): void;
  hasFramework(frameworkId: FrameworkId): boolean;
  activateFramework(frameworkId: FrameworkId): void;
  /** Disconnected: drops its filters; keeps suppression, share and allocation count. */
  deactivateFramework(frameworkId: FrameworkId): void;
  /** No roles: all of them. */
  suppress(frameworkId: FrameworkId, roles?: readonly string[]): void;
  /** No roles: all of them. Drops the filters of these roles. */
  revive(frameworkId: FrameworkId, roles?: readonly string[]): void;

  /** Above 0; default 1. Takes effect at once, also for roles that do not exist yet. */
  setWeight(role: string, weight: number): void;
  weightOf(role: string): number;

  /**
   * Guarantees are met before fairness counts and stay free while they are not; limits are never
   * exceeded by offers. Both count unreserved, non-revocable scalars held by the role and all roles
   * below it, and what is reserved for them. Touches all agents, takes nothing back from anybody.
   * @throws RangeError where a guarantee is above its limit.
   */
  setQuota(role: string, quota: Quota | undefined): void;
  quotaOf(role: string): Quota | undefined;
  /** What quota is compared with: reservations, held or not, and unreserved use, offers included. */
  consumedBy(role: string): Quantities;

  /**
   * Whether what the role's guarantee keeps free may be offered to others as revocable resources,
   * to frameworks with REVOCABLE_RESOURCES; off at first. Touches all agents; what is lent stays
   * lent. Set it before agents are added that come with loans held, else those count as
   * oversubscribed.
   */
  setLending(role: string, lends: boolean): void;
  lends(role: string): boolean;
  /**
   * What must come back now, the youngest first: a role with an unmet guarantee has a framework that
   * is served and did not refuse it, and what is free does not do. Names the same again until it
   * is recovered or no longer wanted. Run after `allocate`, which gives what is free already.
   */
  reclaims(nowMs: number): readonly Reclaim[];

  /**
   * The framework let an offer time out: it gets one offer at a time until it answers one. What it
   * has on offer besides stays there. Unknown frameworks are no fault.
   */
  offerTimedOut(frameworkId: FrameworkId): void;
  /** It accepted or declined one. Touches all agents where it got one at a time until now. */
  offerAnswered(frameworkId: FrameworkId): void;

  /**
   * Resources come back: a declined or rescinded offer, leftovers, an ended task. With a filter the
   * framework has refused them. Unknown agents and frameworks are no fault, more than is held is.
   */
  recoverResources(
    frameworkId: FrameworkId,
    agentId: AgentId,
    resources: Resources,
    filter: RefusalFilter | undefined,
    nowMs: number,
  ): void;
  /**
   * An accepted operation changes what the framework holds and what the agent has; `consumed` must
   * be held by it. The allocation count does not change.
   */
  updateAllocation(
    frameworkId: FrameworkId,
    agentId: AgentId,
    role: string,
    conversions: readonly Conversion[],
  ): void;
  /** The same on resources that nobody holds; false, and nothing done, where they are not free. */
  updateAvailable(agentId: AgentId, conversions: readonly Conversion[]): boolean;

  /**
   * One run: over all agents (the batch), or over those named (an event run, usually
   * `dirtyAgents(nowMs)`). What it returns is booked as held by the frameworks.
   */
  allocate(nowMs: number, onlyAgents?: Iterable<AgentId>): OfferCandidate[];
  /** Agents where something changed since they were last run over, ended filters included. */
  dirtyAgents(nowMs: number): readonly AgentId[];
  /** Touches these agents, or all. */
  requestAllocation(agentIds?: Iterable<AgentId>): void;
  /** When the next filter ends, for the caller's timer; undefined: none that needs one. */
  nextFilterExpiryMs(): number | undefined;

  free(agentId: AgentId): Resources;
  /** What the agent has itself: what of it is on loan is plain here and revocable in `held`. */
  total(agentId: AgentId): Resources;
  /** What a framework holds on an agent, offers included, with allocation roles. */
  held(frameworkId: FrameworkId, agentId: AgentId): Resources;
  shares(): Shares;
  explain(query: ExplainQuery): Explanation;
  /** Of one agent: each subscription, and the first reason why it is not offered it. */
  explainAgent(agentId: AgentId): SubscriptionExplanation[];
  /** How often something was not offered, by reason, since the beginning. */
  refusals(): ReadonlyMap<PlacementReason, number>;
  /** Refusals in force by role, those for no time left out. */
  activeFilters(): ReadonlyMap<string, number>;
  /** How often `allocate` went over agents, since the beginning. */
  runs(): number;
  /**
   * What a batch would offer now if this were changed, computed on a copy that draws by a fixed
   * seed: nothing here changes, not even the state of `random`.
   * @throws Error or RangeError where the change itself would.
   */
  plan(change: PlannedChange, nowMs: number): OfferCandidate[];
}

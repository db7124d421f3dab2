/**
 * An allocator under load: agents, frameworks and a clock that the workload drives, as Mesos' own
 * allocator benchmarks have them. Every step is measured as a phase; prints nothing.
 */
import { type Allocator, createAllocator, type OfferCandidate } from "#allocator";
import { AGENT_CAPABILITIES, type AgentId, asId, type FrameworkId } from "#protocol";
import { Quantities, Resources } from "#resources";
import type { Meter } from "./allocator-meter.ts";

export const BIG = "cpus:24;mem:4096;disk:4096;ports:[31000-32000]";
const MINIMUM = [Quantities.parse("cpus:0.01"), Quantities.parse("mem:32")];
/** 15 single ports, then one range. */
export const ODD_PORTS = `[${Array.from({ length: 15 }, (_, i) => `${31000 + 2 * i}-${31000 + 2 * i}`).join()},31030-32000]`;
/** Event runs while agents arrive: the original batched its events into 2 to 8 runs. */
const ARRIVAL_RUNS = 8;

export const agentId = (i: number): AgentId => asId<AgentId>(`agent${i + 1}`);
export const frameworkId = (i: number): FrameworkId => asId<FrameworkId>(`framework${i + 1}`);

/** The same on every machine and in every run. */
export function seeded(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Allocators are kept to the end: with one that goes, the engine forgets what it compiled for it, and
 * the next repeat would begin cold.
 */
const KEPT: Allocator[] = [];

/** What was made before the clock runs is collected before it runs, where the process allows it. */
function collect(): void {
  const { gc } = globalThis as { gc?: (options: { type: "minor" }) => void };
  gc?.({ type: "minor" });
  gc?.({ type: "minor" });
}

export type AgentParts = {
  readonly total: Resources;
  readonly used?: { readonly by: FrameworkId; readonly resources: Resources };
};

export class Load {
  readonly allocator: Allocator;
  readonly #meter: Meter;
  nowMs = 0;
  offers: OfferCandidate[] = [];

  constructor(meter: Meter) {
    this.#meter = meter;
    const options = { minAllocatable: MINIMUM, allocationIntervalMs: 1000, random: seeded() };
    this.allocator = createAllocator(options);
    KEPT.push(this.allocator);
  }

  /** The bags are made before: reading resources is not the allocator's work. */
  agents(count: number, of: (i: number) => AgentParts): void {
    const parts = Array.from({ length: count }, (_, i) => of(i));
    collect();
    const perRun = Math.ceil(count / ARRIVAL_RUNS);
    this.#meter.time(
      "add agents",
      () => {
        for (const [i, { total, used }] of parts.entries()) {
          const spec = { total, attributes: [], capabilities: AGENT_CAPABILITIES };
          this.allocator.addAgent(agentId(i), spec, used && new Map([[used.by, used.resources]]));
          if ((i + 1) % perRun === 0) this.event();
        }
        this.event();
      },
      () => count,
    );
  }

  frameworks(count: number, roleOf: (i: number) => string, capabilities: string[] = []): void {
    this.#meter.time(
      "add frameworks",
      () => {
        for (let i = 0; i < count; i++) {
          const spec = {
            roles: [roleOf(i)],
            suppressedRoles: [],
            capabilities: ["MULTI_ROLE", ...capabilities],
          };
          this.allocator.addFramework(frameworkId(i), spec, true);
        }
      },
      () => count,
    );
  }

  /** New totals for all agents, with as many event runs as while they arrived. */
  updateAgents(totals: readonly Resources[]): void {
    collect();
    const perRun = Math.ceil(totals.length / ARRIVAL_RUNS);
    this.#meter.time(
      "update agents",
      () => {
        for (const [i, total] of totals.entries()) {
          this.allocator.updateAgent(agentId(i), { total });
          if ((i + 1) % perRun === 0) this.event();
        }
        this.event();
      },
      () => totals.length,
    );
  }

  event(): void {
    const touched = this.allocator.dirtyAgents(this.nowMs);
    for (const offer of this.allocator.allocate(this.nowMs, touched)) this.offers.push(offer);
  }

  cycle(name = "cycle"): number {
    this.nowMs += 1000;
    const made = this.#meter.time(
      name,
      () => this.allocator.allocate(this.nowMs),
      (offers) => offers.length,
    );
    for (const offer of made) this.offers.push(offer);
    return made.length;
  }

  /** What is on offer, which is no longer counted as such here. */
  takeOffers(): OfferCandidate[] {
    const { offers } = this;
    this.offers = [];
    return offers;
  }

  declineAll(refuseMs?: number): void {
    const filter = refuseMs === undefined ? undefined : { refuseMs };
    const offers = this.takeOffers();
    this.#meter.time(
      "decline",
      () => {
        for (const { frameworkId: id, agentId: agent, resources } of offers) {
          this.allocator.recoverResources(id, agent, resources, filter, this.nowMs);
        }
      },
      () => offers.length,
    );
  }
}

/** Makes a new bag for each agent, of objects as they come from messages. */
export function bags(text: string): () => Resources {
  const objects = Resources.of(text).toWire();
  return () => Resources.fromWire(objects);
}

export function unused(text: string): () => AgentParts {
  const total = bags(text);
  return () => ({ total: total() });
}

export function usedInTurn(text: string, frameworks: number, used: (i: number) => Resources) {
  const total = bags(text);
  return (i: number): AgentParts => ({
    total: total(),
    used: { by: frameworkId(i % frameworks), resources: used(i) },
  });
}

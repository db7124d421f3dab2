/** An allocator under a hand-driven clock, in the notation of mesos.md §12.2. */
import {
  type AgentSpec,
  type AllocatorOptions,
  createAllocator,
  type FrameworkSpec,
  type OfferCandidate,
  type Quota,
} from "#allocator";
import { AGENT_CAPABILITIES, asId, type AgentId, type FrameworkId } from "#protocol";
import { Limits, Quantities, Resources } from "#resources";

export const agentId = (name: string): AgentId => asId<AgentId>(name);
export const frameworkId = (name: string): FrameworkId => asId<FrameworkId>(name);

/** A small seeded generator: uniform in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const MINIMUM = [Quantities.parse("cpus:0.01"), Quantities.parse("mem:32")];

export function agentSpec(total: string | Resources, more: Partial<AgentSpec> = {}): AgentSpec {
  return {
    total: typeof total === "string" ? Resources.of(total) : total,
    attributes: [],
    capabilities: AGENT_CAPABILITIES,
    ...more,
  };
}

export function frameworkSpec(
  roles: readonly string[],
  more: Partial<FrameworkSpec> = {},
): FrameworkSpec {
  return { roles, suppressedRoles: [], capabilities: ["MULTI_ROLE"], ...more };
}

export class Harness {
  readonly allocator;
  readonly #intervalMs: number;
  nowMs = 0;

  constructor(options: Partial<AllocatorOptions> = {}) {
    this.#intervalMs = options.allocationIntervalMs ?? 1000;
    this.allocator = createAllocator({
      minAllocatable: MINIMUM,
      allocationIntervalMs: this.#intervalMs,
      random: seeded(1),
      ...options,
    });
  }

  /** Adds an agent and runs over what that touched. `used` names frameworks and their roles. */
  agent(
    name: string,
    total: string | Resources,
    used: Readonly<Record<string, Resources>> = {},
  ): OfferCandidate[] {
    const held = Object.entries(used).map(([id, bag]) => [frameworkId(id), bag] as const);
    this.allocator.addAgent(agentId(name), agentSpec(total), new Map(held));
    return this.event();
  }

  framework(name: string, role: string, more: Partial<FrameworkSpec> = {}): OfferCandidate[] {
    this.allocator.addFramework(frameworkId(name), frameworkSpec([role], more), true);
    return this.event();
  }

  /** `text` is guarantee and limit alike. */
  quota(role: string, text: string): void {
    this.allocator.setQuota(role, this.quotaFrom(text, text));
  }

  quotaFrom(guarantee: string, limit: string): Quota {
    return { guarantee: Quantities.parse(guarantee), limit: Limits.parse(limit) };
  }

  limit(role: string, text: string): void {
    this.allocator.setQuota(role, this.quotaFrom("", text));
  }

  /** The run that a touch leads to. */
  event(): OfferCandidate[] {
    return this.allocator.allocate(this.nowMs, this.allocator.dirtyAgents(this.nowMs));
  }

  /** An interval passes, then the batch. */
  batch(): OfferCandidate[] {
    this.nowMs += this.#intervalMs;
    return this.allocator.allocate(this.nowMs);
  }

  recover(offers: readonly OfferCandidate[], refuseMs?: number): void {
    const filter = refuseMs === undefined ? undefined : { refuseMs };
    for (const { frameworkId, agentId, resources } of offers) {
      this.allocator.recoverResources(frameworkId, agentId, resources, filter, this.nowMs);
    }
  }
}

/** `A1→F1 cpus:2; mem:1024`, sorted; without `full` only who got which agent. */
export function show(offers: readonly OfferCandidate[], full?: "full"): string {
  return offers
    .map(({ frameworkId, agentId, resources }) => {
      const what = full === undefined ? "" : ` ${resources.unallocate().toText()}`;
      return `${agentId}→${frameworkId}${what}`;
    })
    .sort()
    .join(" | ");
}

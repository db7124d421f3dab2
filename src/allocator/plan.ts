/**
 * What would be offered if something were changed: a whole allocator made anew from what is known of
 * another one, on which the change is made and one batch run. Only reads what it copies.
 */
import type { Accounts } from "./books.ts";
import type { Allocator, PlannedChange } from "./contract.ts";
import type { Filters } from "./filters.ts";
import type { RecoveryPause } from "./recovery.ts";
import type { Subscription } from "./roles.ts";

/** All that decides what is offered. */
export type Parts = Accounts & {
  readonly filters: Filters<Subscription>;
  readonly pause: RecoveryPause;
};

/** `to` is new and empty, `its` are its parts. */
export function replay(from: Parts, to: Allocator, its: Parts): void {
  for (const { path, weight, quota } of from.roles.tree.nodes()) {
    if (weight !== 1) to.setWeight(path, weight);
    if (quota !== undefined) to.setQuota(path, quota);
  }
  to.holdLimited(from.roles.tree.limitedHeld);
  replayAgents(from, to);
  its.agents.adoptStates(from.agents);
  for (const role of from.lending.lenders()) to.setLending(role, true);
  its.lending.adopt(from.lending);
  for (const framework of from.frameworks.values()) {
    const subscriptions = [...framework.subscriptions.values()];
    const suppressed = subscriptions.filter((each) => each.subscribed && each.suppressed);
    const suppressedRoles = suppressed.map(({ role }) => role.name);
    to.addFramework(framework.id, { ...{}, ...framework.spec, suppressedRoles }, framework.active);
    const copy = its.frameworks.get(framework.id);
    if (copy !== undefined && framework.hoarding !== undefined) {
      copy.hoarding = { ...framework.hoarding };
    }
  }
  its.roles.adoptCounts(from.roles);
  its.filters.adopt(from.filters, ({ agentId, client: { framework, role } }) => {
    const client = its.frameworks.get(framework.id)?.subscriptions.get(role.name);
    const slot = its.agents.find(agentId);
    return client === undefined || slot === undefined ? undefined : { client, slot };
  });
  its.pause.adopt(from.pause);
}

function replayAgents({ agents }: Parts, to: Allocator): void {
  for (const agentId of agents.ids()) {
    const slot = agents.slotOf(agentId);
    const { hostname, attributes, domain } = agents.subject(slot);
    to.addAgent(
      agentId,
      {
        // As the account shows it, loans included: the lots are adopted afterwards.
        total: agents.total(slot),
        attributes,
        capabilities: [...agents.capabilities(slot)],
        ...(domain === undefined ? {} : { domain }),
        ...(hostname === undefined ? {} : { hostname }),
      },
      agents.holders(slot),
    );
  }
}

/** Uniform in [0, 1), the same each time (Park and Miller). */
export function fixedDraw(): () => number {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return (state - 1) / 2_147_483_646;
  };
}

/** What a framework that goes held is free again: its tasks end with it. */
export function make(change: PlannedChange, to: Allocator, { agents }: Parts, nowMs: number): void {
  switch (change.kind) {
    case "quota":
      return to.setQuota(change.role, change.quota);
    case "weight":
      return to.setWeight(change.role, change.weight);
    case "agent": {
      const { agentId, spec } = change;
      if (spec === undefined) return to.removeAgent(agentId);
      return to.hasAgent(agentId) ? to.updateAgent(agentId, spec) : to.addAgent(agentId, spec);
    }
    case "framework": {
      const { frameworkId, spec } = change;
      if (spec === undefined) {
        for (const agentId of agents.ids()) {
          const held = to.held(frameworkId, agentId);
          to.recoverResources(frameworkId, agentId, held, undefined, nowMs);
        }
        return to.removeFramework(frameworkId);
      }
      if (to.hasFramework(frameworkId)) return to.updateFramework(frameworkId, spec);
      return to.addFramework(frameworkId, spec, true);
    }
  }
}

/**
 * Frameworks that let an offer time out: each gets one offer at a time until it answers one, so that
 * what nobody looks at does not lie on its desk. Knows no clock: that an offer timed out is said by
 * the caller.
 */
import type { AgentId, FrameworkId } from "#protocol";
import type { Resources } from "#resources";
import type { Agents } from "./agents.ts";

/** What a framework that hoards was offered last; nothing before the first such offer. */
export type Hoarding = {
  offer: { readonly agentId: AgentId; readonly resources: Resources } | undefined;
};

/**
 * Whether the one offer is still open, that is, all of it still held. What comes back in whatever
 * way (timed out, rescinded, the agent gone) makes room for the next.
 */
export function hasOpenOffer(
  agents: Agents,
  frameworkId: FrameworkId,
  { offer }: Hoarding,
): boolean {
  if (offer === undefined) return false;
  const slot = agents.find(offer.agentId);
  return slot !== undefined && agents.held(slot, frameworkId).contains(offer.resources);
}

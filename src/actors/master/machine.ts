/**
 * Lifecycle and gate of a master. A master that was replaced ends; standing by again is a new
 * actor with empty state (P-1.2). No state listens to mail before it can act on it (P-3.8).
 */
import { setup } from "xstate";
import type { Input } from "#runtime";

export type MasterEvent =
  | { readonly type: "Inputs"; readonly batch: readonly Input[] }
  /** There is no leader, or it is silent. */
  | { readonly type: "Campaign" }
  /** Somebody else's record stands where the election's was to be. */
  | { readonly type: "Yield" }
  | { readonly type: "Elected" }
  /** The predecessor is silent for certain; the registry is whole. */
  | { readonly type: "Lead" }
  | { readonly type: "Depose" }
  | { readonly type: "Stop" };

export const masterMachine = setup({
  types: { events: {} as MasterEvent },
  actions: {
    /** The host puts its own in place: it runs `step` on every input of the batch. */
    handleBatch: (_, _params: { batch: readonly Input[] }) => undefined,
  },
}).createMachine({
  id: "master",
  initial: "standby",
  on: {
    Inputs: { actions: { type: "handleBatch", params: ({ event }) => ({ batch: event.batch }) } },
    Depose: ".deposed",
    Stop: ".stopped",
  },
  states: {
    standby: { tags: "handle", on: { Campaign: "campaigning" } },
    campaigning: { tags: "handle", on: { Elected: "recovering", Yield: "standby" } },
    recovering: { tags: "handle", on: { Lead: "leading" } },
    leading: { tags: "handle" },
    deposed: { tags: "refuse", type: "final" },
    stopped: { tags: "refuse", type: "final" },
  },
});

/**
 * Lifecycle and gate of the isolator of a node. It starts no container before the agent's
 * checkpoint has been compared with what runs.
 */
import { setup } from "xstate";
import type { Input } from "#runtime";

export type IsolatorEvent =
  | { type: "Inputs"; batch: readonly Input[] }
  /** The agent has said what its checkpoint names. */
  | { type: "Recover" }
  | { type: "Recovered" }
  /** The launcher does not do what must be done before anything runs. */
  | { type: "Fail" }
  | { type: "Stop" };

const inputs = {
  Inputs: {
    actions: {
      type: "handleBatch" as const,
      params: ({ event }: { event: { batch: readonly Input[] } }) => ({ batch: event.batch }),
    },
  },
};

export const isolatorMachine = setup({
  types: { events: {} as IsolatorEvent, tags: "" as "handle" | "refuse" },
  actions: { handleBatch: (_, _params: { batch: readonly Input[] }) => undefined },
}).createMachine({
  id: "isolator",
  initial: "waiting",
  on: { Stop: ".stopped" },
  states: {
    waiting: { tags: "handle", on: { ...{}, ...inputs, Recover: "recovering" } },
    recovering: { tags: "handle", on: { ...{}, ...inputs, Recovered: "running", Fail: "failed" } },
    running: { tags: "handle", on: { ...{}, ...inputs, Recover: "recovering" } },
    /** Containers go on without the isolator; whoever starts next finds them. */
    stopped: { tags: "refuse", type: "final" },
    failed: { tags: "refuse", type: "final" },
  },
});

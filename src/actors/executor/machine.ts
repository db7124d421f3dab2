/**
 * Lifecycle and gate of the executor library: it subscribes to its agent, runs tasks, comes back
 * when the agent was away, and ends by a shutdown or when the agent stays away too long.
 */
import { setup } from "xstate";
import type { Input } from "#runtime";

export type ExecutorEvent =
  | { type: "Inputs"; batch: readonly Input[] }
  | { type: "Subscribed" }
  /** The session with the agent is over; tasks go on. */
  | { type: "Lost" }
  /** The agent wants this executor to end. */
  | { type: "Shutdown" }
  /** Nothing is left to be done, or the time for it is over. */
  | { type: "End" }
  | { type: "Stop" };

const inputs = {
  Inputs: {
    actions: {
      type: "handleBatch" as const,
      params: ({ event }: { event: { batch: readonly Input[] } }) => ({ batch: event.batch }),
    },
  },
};

export const executorMachine = setup({
  types: { events: {} as ExecutorEvent, tags: "" as "handle" | "refuse" },
  actions: { handleBatch: (_, _params: { batch: readonly Input[] }) => undefined },
}).createMachine({
  id: "executor",
  initial: "registering",
  on: { End: ".ended", Stop: ".ended" },
  states: {
    registering: {
      tags: "handle",
      on: { ...{}, ...inputs, Subscribed: "running", Shutdown: "shuttingDown" },
    },
    running: {
      tags: "handle",
      on: { ...{}, ...inputs, Lost: "registering", Shutdown: "shuttingDown" },
    },
    /** Updates still go out, over a new session where it must be. */
    shuttingDown: { tags: "handle", on: { ...inputs } },
    ended: { tags: "refuse", type: "final" },
  },
});

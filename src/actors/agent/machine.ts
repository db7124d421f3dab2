/**
 * Lifecycle and gate of the agent. It says nothing to anybody before its journal is read and what
 * runs is known; it looks for a leader, registers, and works until that leader is lost.
 */
import { setup } from "xstate";
import type { Input } from "#runtime";

export type AgentEvent =
  | { type: "Inputs"; batch: readonly Input[] }
  /** The journal is read and compared with what runs. */
  | { type: "Recovered" }
  /** A beacon of an epoch that may be obeyed has been heard. */
  | { type: "LeaderFound" }
  | { type: "Registered" }
  /** The leader is silent, its session closed, or it does not want this agent now. */
  | { type: "LeaderLost" }
  | { type: "Stop" }
  /** Everything that was decided is on the disk. */
  | { type: "Stopped" }
  /** The disk or the isolator failed, or the leader refuses this work directory for good. */
  | { type: "Fail" };

const inputs = {
  Inputs: {
    actions: {
      type: "handleBatch" as const,
      params: ({ event }: { event: { batch: readonly Input[] } }) => ({ batch: event.batch }),
    },
  },
};

export const agentMachine = setup({
  types: { events: {} as AgentEvent, tags: "" as "handle" | "refuse" },
  actions: { handleBatch: (_, _params: { batch: readonly Input[] }) => undefined },
}).createMachine({
  id: "agent",
  initial: "recovering",
  on: { Fail: ".failed", Stop: ".stopping" },
  states: {
    recovering: { tags: "handle", on: { ...{}, ...inputs, Recovered: "detecting" } },
    detecting: { tags: "handle", on: { ...{}, ...inputs, LeaderFound: "registering" } },
    registering: {
      tags: "handle",
      on: { ...{}, ...inputs, Registered: "running", LeaderLost: "detecting" },
    },
    running: {
      tags: "handle",
      on: { ...{}, ...inputs, LeaderLost: "detecting", LeaderFound: "registering" },
    },
    /** Containers go on; only what is being written is waited for. */
    stopping: { tags: "handle", on: { ...{}, ...inputs, Stop: {}, Stopped: "stopped" } },
    stopped: { tags: "refuse", type: "final" },
    failed: { tags: "refuse", type: "final" },
  },
});

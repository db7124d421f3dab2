/**
 * Lifecycle and gate of the framework driver. Where nobody leads it waits for a beacon; a
 * displaced, refused or stopped driver has ended and refuses everything.
 */
import { setup } from "xstate";
import type { Input } from "#runtime";

export type FrameworkEvent =
  | { type: "Inputs"; batch: readonly Input[] }
  /** A leader is known and the random wait of its window is over. */
  | { type: "Call" }
  | { type: "Subscribed" }
  /** The session is over, or another leader speaks. */
  | { type: "Lost" }
  /** The leader says that this framework must not come back by itself. */
  | { type: "Ended" }
  | { type: "Stop" };

const inputs = {
  Inputs: {
    actions: {
      type: "handleBatch" as const,
      params: ({ event }: { event: { batch: readonly Input[] } }) => ({ batch: event.batch }),
    },
  },
};

export const frameworkMachine = setup({
  types: { events: {} as FrameworkEvent, tags: "" as "handle" | "refuse" },
  actions: { handleBatch: (_, _params: { batch: readonly Input[] }) => undefined },
}).createMachine({
  id: "framework",
  initial: "disconnected",
  on: { Stop: ".ended", Ended: ".ended" },
  states: {
    disconnected: { tags: "handle", on: { ...{}, ...inputs, Call: "subscribing" } },
    subscribing: {
      tags: "handle",
      on: { ...{}, ...inputs, Subscribed: "subscribed", Lost: "disconnected" },
    },
    subscribed: { tags: "handle", on: { ...{}, ...inputs, Lost: "disconnected" } },
    ended: { tags: "refuse", type: "final" },
  },
});

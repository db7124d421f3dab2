/**
 * The life of one container as an actor of its own, kept in a Map by the isolator (never spawned:
 * that costs in proportion to the siblings). It says which step may follow; the isolator acts.
 */
import { type Actor, createActor, setup } from "xstate";

export type ContainerEvent =
  /** The plan is made and the launcher asked. */
  | { type: "Isolate" }
  | { type: "Launched" }
  /** Nothing of it exists: the plan contradicts itself or the launcher refused. */
  | { type: "Refused" }
  /** The first process has ended; others of the container may live. */
  | { type: "Exited" }
  | { type: "Destroy" }
  /** No process is left and the cgroups are removed. */
  | { type: "Destroyed" };

export const containerMachine = setup({
  types: { events: {} as ContainerEvent, context: {} as { readonly found: boolean } },
  guards: { found: ({ context }) => context.found },
}).createMachine({
  id: "container",
  context: ({ input }) => ({ found: (input as { found: boolean } | undefined)?.found === true }),
  initial: "preparing",
  states: {
    /** A container found alive at recovery has been prepared by an earlier life of the agent. */
    preparing: {
      always: { guard: "found", target: "running" },
      on: { Isolate: "isolating", Refused: "destroyed" },
    },
    isolating: { on: { Launched: "running", Refused: "destroyed", Destroy: "stopping" } },
    running: { on: { Exited: "stopping", Destroy: "stopping" } },
    stopping: { on: { Destroyed: "destroyed" } },
    destroyed: { type: "final" },
  },
});

export type ContainerActor = Actor<typeof containerMachine>;
export type ContainerState = "preparing" | "isolating" | "running" | "stopping" | "destroyed";

/** @param found true: it ran before this isolator began. */
export function startContainer(found: boolean): ContainerActor {
  return createActor(containerMachine, { input: { found } }).start();
}

export function stateOf(container: ContainerActor): ContainerState {
  return container.getSnapshot().value;
}

/**
 * The life of one container: which step may follow which. The machine says so; where each container
 * stands is one word, kept by the isolator, which alone acts.
 */
import { initialTransition, setup, transition } from "xstate";

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

export type ContainerState = "preparing" | "isolating" | "running" | "stopping" | "destroyed";
type EventType = ContainerEvent["type"];

const STATES: readonly ContainerState[] = [
  "preparing",
  "isolating",
  "running",
  "stopping",
  "destroyed",
];
const EVENTS: readonly EventType[] = [
  "Isolate",
  "Launched",
  "Refused",
  "Exited",
  "Destroy",
  "Destroyed",
];

/**
 * Where each event leads from each state, asked of the machine once. It remembers nothing beside
 * its state, so this is all of it: an actor of XState for each container would cost a launch more
 * than everything else that is decided about it.
 */
const NEXT = Object.fromEntries(
  STATES.map((state) => [
    state,
    Object.fromEntries(EVENTS.map((type) => [type, after(state, type)])),
  ]),
) as Record<ContainerState, Record<EventType, ContainerState>>;

function after(state: ContainerState, type: EventType): ContainerState {
  const snapshot = containerMachine.resolveState({ value: state, context: { found: false } });
  return transition(containerMachine, snapshot, { type })[0].value;
}

const BEGIN = initialTransition(containerMachine, { found: false })[0].value;
const BEGIN_FOUND = initialTransition(containerMachine, { found: true })[0].value;

/** One container in its machine. */
export class ContainerLife {
  #state: ContainerState;

  /** @param found true: it ran before this isolator began. */
  constructor(found: boolean) {
    this.#state = found ? BEGIN_FOUND : BEGIN;
  }

  get state(): ContainerState {
    return this.#state;
  }

  /** What the state does not know changes nothing. */
  send({ type }: ContainerEvent): void {
    this.#state = NEXT[this.#state][type];
  }
}

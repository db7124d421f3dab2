/**
 * The lifecycle machine as the host sees it: the state as text, the gate by the state's tag, and
 * names of inputs for counts. Owns reading; gives the machine no event.
 */
import type { Peer } from "#protocol";
import type { Behaviour } from "./actor.ts";
import type { Gate } from "./door.ts";
import type { Input } from "./inputs.ts";

type Machine = Behaviour<unknown>["machine"];

/** What is read of a machine's snapshot. */
export type MachineSnapshotView = ReturnType<Machine["transition"]>;

/** A batch of inputs; what is in it the host knows. */
export const INPUTS = { type: "Inputs" } as const;
export const INIT = { type: "xstate.init" } as const;

/**
 * Whether the state answers a batch with the action `handleBatch` and nothing else: no guard, no
 * change of state, no transition that would follow by itself. Then calling the action is what
 * the machine would do, and a drain, of which an actor has thousands a second, costs no more.
 */
export function handlesInPlace(machine: Machine, snapshot: MachineSnapshotView): boolean {
  if (snapshot.status !== "active") return false;
  const [transition, ...others] = machine.getTransitionData(snapshot, INPUTS);
  if (transition === undefined || others.length > 0) return false;
  const { actions, guard, target } = transition;
  const [action, ...more] = actions;
  if (guard !== undefined || target !== undefined || more.length > 0) return false;
  const named = typeof action === "object" && "type" in action && action.type === "handleBatch";
  // `_nodes` are the states that are active; XState has no other word for them.
  return named && snapshot._nodes.every(({ always = [] }) => always.length === 0);
}

/** `leading`, or `running.draining` where states are nested. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .map(([outer, inner]) => {
      const text = textOf(inner);
      return text === "" ? outer : `${outer}.${text}`;
    })
    .join("|");
}

export function gateOf(snapshot: MachineSnapshotView): Gate {
  if (snapshot.hasTag("handle")) return "handle";
  return snapshot.hasTag("defer") ? "defer" : "refuse";
}

/** An input's name in counts of refusals. */
export function nameOf(input: Input): string {
  if (input.family === "mail") return input.kind;
  return input.family === "due" ? `due-${input.timer}` : `done-${input.what}`;
}

/** Whose words an input is; undefined for what the actor itself asked for. */
export function senderOf(input: Input): Peer | undefined {
  if (input.family === "mail") return input.from;
  if (input.family !== "done") return undefined;
  if (input.what === "sought") return input.peer;
  if (input.what !== "link") return undefined;
  return input.link.change === "hello" ? input.peer : undefined;
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

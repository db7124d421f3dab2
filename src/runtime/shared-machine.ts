/**
 * One machine for all actors of a kind: the action `handleBatch` finds the host by the actor that
 * runs it. A machine of its own for each actor would cost tens of kilobytes, which a process that
 * simulates fifty thousand agents does not have.
 */
import type { AnyActor, AnyActorRef, AnyStateMachine } from "xstate";

const MACHINES = new WeakMap<AnyStateMachine, AnyStateMachine>();
const HANDLERS = new WeakMap<AnyActorRef, () => void>();

/** `machine` with the action that every host provides. */
export function hosted(machine: AnyStateMachine): AnyStateMachine {
  let shared = MACHINES.get(machine);
  if (shared === undefined) {
    const handleBatch = ({ self }: { self: AnyActorRef }): void => HANDLERS.get(self)?.();
    shared = machine.provide({ actions: { handleBatch } });
    MACHINES.set(machine, shared);
  }
  return shared;
}

/** What the action does in this actor; set before its first event. */
export function onBatch(actor: AnyActor, handle: () => void): void {
  HANDLERS.set(actor, handle);
}

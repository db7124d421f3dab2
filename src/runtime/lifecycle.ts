/**
 * The lifecycle machine as the host sees it: the state as text, the gate by the state's tag, and
 * names of inputs for counts. Owns reading; gives the machine no event.
 */
import type { Peer } from "#protocol";
import type { Gate } from "./door.ts";
import type { Input } from "./inputs.ts";

/** What is read of a machine's snapshot. */
export interface MachineSnapshotView {
  readonly value: unknown;
  readonly status: string;
  hasTag(tag: string): boolean;
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
  if (input.family !== "done" || input.what !== "link") return undefined;
  return input.link.change === "hello" ? input.peer : undefined;
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

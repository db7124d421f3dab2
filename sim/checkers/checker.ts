/** What a checker is: a statement that must hold, watched from outside the actors. */
import type { Kind } from "#protocol";
import type { Observation } from "../observation.ts";

/** A statement that did not hold. */
export interface Violation {
  readonly id: string;
  readonly message: string;
  /** Number of events run before it was noticed, and the virtual time. */
  readonly event: number;
  readonly atMs: number;
  /** Where in the project it was noticed: function, file and line. */
  readonly frame?: string;
}

export type Violate = (id: string, message: string) => void;

/** What a checker may look at besides observations. */
export interface CheckedWorld {
  readonly nowMs: number;
  /** How long an offer of this run may stand. */
  readonly offerTimeoutMs: number;
  /** When the last fault was put right; undefined while one is under way. */
  readonly restingSinceMs: number | undefined;
  /** Frameworks, by the role of each, that want more machines than there are, each of them whole. */
  backlogged(): Iterable<string>;
  /** Entries that wait in the calendar. */
  readonly pending: number;
  /** Mail that waits unread, by node. */
  waiting(): Iterable<readonly [node: string, count: number]>;
  readonly log: {
    readonly end: number;
    /** The end of the fullest copy, where the one that leads lacks records. */
    readonly wholeEnd: number;
    /** First position that can still be read. */
    readonly first: number;
    readonly acknowledged: ReadonlyMap<number, Uint8Array>;
    record(position: number): Uint8Array | undefined;
  };
  /** Machines by name with the names of what still runs on them. */
  running(): Iterable<readonly [machine: string, containers: readonly string[]]>;
  /** Agents by principal, and whether their process is up. */
  agents(): Iterable<readonly [principal: string, up: boolean]>;
  /** Tasks that a scheduler still waits for: (framework, task or work item). */
  unfinished(): Iterable<readonly [framework: string, item: string]>;
  /** What stands durably on masters' disks of the log that they saw. */
  witnesses(): Iterable<readonly [master: string, witness: Uint8Array]>;
  /** Processes that stand still. */
  paused(): Iterable<string>;
  /** What stands durably of an agent's identity, by its principal. */
  meta(principal: string): Uint8Array | undefined;
  /** What stands durably in the journal of an agent, by its principal. */
  journal(principal: string): Uint8Array | undefined;
  /** What schedulers found wrong with what they were told. */
  wrong(): Iterable<string>;
}

/** Who speaks, as far as it decides who looks. */
export type Speaker = "master" | "agent" | "framework" | "executor" | "operator" | "to-executor";

type Frames = "said" | "unsent" | "heard";

/** What a checker looks at; of frames, whose. What it does not name here it is never shown. */
export type Sees = {
  readonly [What in Frames]?: "all" | readonly Speaker[];
} & { readonly [What in Exclude<Observation["what"], Frames>]?: "all" };

export interface Checker {
  readonly id: string;
  readonly statement: string;
  /** Absent: everything. */
  readonly sees?: Sees;
  /** Of frames those that carry one of these, and maybe others. Absent: all, empty ones too. */
  readonly kinds?: readonly Kind[];
  on(observation: Observation): void;
  /** A full look, every few thousand events and at the end. */
  recount?(): void;
  /** After the quiet phase: what must have come to an end by now. */
  settled?(): void;
}

export type MakeChecker = (world: CheckedWorld, violate: Violate) => Checker;

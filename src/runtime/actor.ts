/**
 * The shape of an actor: what it is made of, what it may use, what runs it. The host
 * (`host.ts`) is the only one who runs actors; every actor of every role has this shape.
 */
import type { AnyStateMachine } from "xstate";
import type { Epoch, Peer, Role, Subjects } from "#protocol";
import type { Counters } from "./counters.ts";
import type { Effect } from "./effects.ts";
import type { Input, LocalMessage } from "./inputs.ts";
import type { Bus } from "./ports/bus.ts";
import type { Clock } from "./ports/clock.ts";
import type { Disk } from "./ports/disk.ts";
import type { Launcher } from "./ports/launcher.ts";
import type { Log } from "./ports/log.ts";
import type { Logger } from "./ports/logger.ts";
import type { Random } from "./ports/random.ts";
import type { Streams } from "./ports/streams.ts";

/** What a step function may use: the time of its batch, chance, and what the host knows. */
export interface Env {
  /** Monotonic time at which the batch began. */
  readonly nowMs: number;
  /** Monotonic time at this moment: measures work within a batch, decides nothing. */
  clockMs(): number;
  readonly wallMs: number;
  readonly random: Random;
  readonly counters: Counters;
  /** Whether the bus is connected now, and since when. */
  readonly bus: { readonly connected: boolean; readonly sinceMs: number };
  /** State of the lifecycle machine, such as `leading`. */
  readonly lifecycle: string;
  /** When anything was last heard from `peer` in its present session, by arrival (P-6.1). */
  lastHeardMs(peer: Peer): number | undefined;
  /** Whether a session with `peer` is open: messages can be sent. */
  isOpen(peer: Peer): boolean;
  /** How many messages `peer` would still take; 0: keep state, not mail (P-3.6). */
  room(peer: Peer): number;
  /** Arrival of the oldest mail that still waits in the mailbox; nowMs when none waits. */
  oldestWaitingMs(): number;
}

/**
 * One actor. The machine is lifecycle and gate: each state has one tag, `handle` or `refuse`
 * (`defer`: mail and timers wait, answers of ports are handled), read before a drain. It gets the
 * events `Inputs` (every state that handles or defers runs the action `handleBatch` on it, which
 * the host provides), those of `lifecycle` effects, and `Stop`. Its final state ends the actor.
 */
export interface Behaviour<State> {
  /** `master`, `agent`, `isolator`, `framework`, `executor`. */
  readonly name: string;
  readonly machine: AnyStateMachine;
  readonly state: State;
  /** Handles one input. Pushes what is to happen to `out`, in order. No I/O, no Promise. */
  step(state: State, input: Input, env: Env, out: Effect[]): void;
  /**
   * The machine's state has become `lifecycle` because of `event`; also called for the first
   * state. An event that leads back to the same state is no change.
   */
  entered(
    state: State,
    lifecycle: string,
    event: { readonly type: string },
    env: Env,
    out: Effect[],
  ): void;
  /** The batch in hand is through: what is done once per drain, such as the one append (P-1.5). */
  batchEnded(state: State, env: Env, out: Effect[]): void;
  /** Whether this life got to what it was begun for, so that the next one need not wait. Absent: no. */
  served?(state: State): boolean;
}

/** The ways out that a role has; absent ones make the effects that need them a fault. */
export interface ActorPorts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly log?: Log;
  readonly disk?: Disk;
  readonly launcher?: Launcher;
  readonly streams?: Streams;
}

/** Who the actor is on the bus, and which roles open sessions with it. */
export interface Address {
  readonly subjects: Subjects;
  readonly self: Peer;
  /** Roles that are its clients: agents and frameworks of a master, executors of an agent. */
  readonly serves: readonly Role[];
  /** Kinds that it names in its Hello; empty for one that only serves. */
  readonly kinds: readonly string[];
  /**
   * Epoch in which this actor speaks with `peer`; what it sends carries it, and a server takes
   * frames of that epoch only. A client's is the highest it has obeyed; an agent's towards its
   * executors is its incarnation, so that a change of the master does not cut them off (P-4.5).
   */
  epoch(peer: Peer): Epoch;
}

/** A running actor, as its supervisor and its process see it. */
export interface RunningActor<State> {
  readonly name: string;
  readonly state: State;
  readonly counters: Counters;
  lifecycle(): string;
  /** Whether it got to what it was begun for, however short its life: a master has led. */
  served(): boolean;
  /** false after `kill`, after an end, and once fenced. */
  readonly alive: boolean;
  /** Something a local actor says; refused and counted when the mailbox is full. */
  tell(by: string, message: LocalMessage): void;
  /** Local actors by name, for `tell` effects; set before the first drain. */
  connect(name: string, actor: { tell(by: string, message: LocalMessage): void }): void;
  /** Gives the machine the event `Stop`; `done` when it has reached a final state. */
  stop(done: () => void): void;
  /** Ends it at once: nothing leaves any more (also what a crash in the simulator does). */
  kill(): void;
  /** Called once when the actor has died of a fault or ended itself; not after `kill`. */
  onEnd(listener: (end: ActorEnd) => void): void;
}

export interface ActorEnd {
  readonly kind: "ended" | "died";
  readonly why: string;
  /** Whose message was in hand when the actor died (P-1.4). */
  readonly by?: Peer;
}

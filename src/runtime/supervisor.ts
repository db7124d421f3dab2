/**
 * Keeps one actor alive: after a death a successor starts from durable state, with backoff, and
 * after too many deaths nobody does, loudly. Owns the count of deaths and who caused them; a peer
 * whose messages killed the actor twice is refused by name until an operator clears it (P-1.4).
 */
import type { Peer } from "#protocol";
import type { ActorEnd, RunningActor } from "./actor.ts";
import type { Clock, Timer } from "./ports/clock.ts";
import type { Logger } from "./ports/logger.ts";

/** First and longest wait between a death and the next life. */
export const RESTART_BACKOFF_MS_MIN = 100;
export const RESTART_BACKOFF_MS_MAX = 30_000;
/**
 * A deposed master is followed by another at once. One that ends again and again soon after it began
 * and has not led (it cannot read what a newer one wrote) waits ever longer, up to this.
 */
export const END_BACKOFF_MS_MAX = 5_000;
/** A life that lasted so long was no vain one. */
export const VAIN_LIFE_MS_MAX = 10_000;
/** So many deaths within the window, and nobody starts another. */
export const DEATHS_MAX = 10;
export const DEATHS_WINDOW_MS = 600_000;
/** How many deaths by its messages make a peer poisonous. */
export const POISON_DEATHS = 2;
/** Most peers whose deaths are counted; the earliest are forgotten first. */
export const BLAMED_PEERS_MAX = 1_024;

/** What a new life is given. */
export interface Life {
  /** From 1. */
  readonly number: number;
  /** To be handed to `startActor` as its option of that name. */
  readonly poisonous: ReadonlySet<Peer>;
}

export interface Supervision<State> {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Starts one life with state of its own, made from what is durable. */
  start(life: Life): RunningActor<State>;
  /** true: an actor that ended by itself (a deposed master) is followed by another. */
  readonly afterEnd: boolean;
  /** Told once when it is over for good: given up, ended, or stopped. */
  onOver(over: { readonly kind: "gave-up" | "ended" | "stopped"; readonly why: string }): void;
}

export interface Supervisor<State> {
  /** The life in being; undefined between two lives. */
  current(): RunningActor<State> | undefined;
  /** Peers that are refused, with how many lives they have cost. */
  blamed(): ReadonlyMap<Peer, number>;
  /** An operator's word: `peer` may speak again, from the next life on. */
  clear(peer: Peer): void;
  stop(): void;
}

export function supervise<State>(supervision: Supervision<State>): Supervisor<State> {
  const { clock, logger, name } = supervision;
  const blamed = new Map<Peer, number>();
  let deathsAtMs: number[] = [];
  let number = 0;
  let beganMs = 0;
  /** Lives in a row that ended by themselves soon after they had begun. */
  let vain = 0;
  let actor: RunningActor<State> | undefined;
  let restart: Timer | undefined;
  let over = false;

  function begin(): void {
    restart = undefined;
    number++;
    beganMs = clock.monotonicMs();
    const poisonous = [...blamed].filter(([, deaths]) => deaths >= POISON_DEATHS);
    const life = { number, poisonous: new Set(poisonous.map(([peer]) => peer)) };
    const started = supervision.start(life);
    actor = started;
    started.onEnd((end) => {
      if (actor !== started) return;
      actor = undefined;
      ended(end, started.served());
    });
  }

  function ended(end: ActorEnd, served: boolean): void {
    if (over) return;
    const nowMs = clock.monotonicMs();
    if (end.kind === "ended") {
      if (!supervision.afterEnd) return finish("ended", end.why);
      vain = served || nowMs - beganMs >= VAIN_LIFE_MS_MAX ? 0 : vain + 1;
      const waitMs = Math.min(
        RESTART_BACKOFF_MS_MIN * 2 ** Math.max(0, vain - 1),
        END_BACKOFF_MS_MAX,
      );
      logger.log("info", `${name} ended (${end.why}); another begins in ${waitMs} ms`);
      restart = clock.timer(waitMs, begin);
      return;
    }
    if (end.by !== undefined) blame(end.by);
    deathsAtMs = [...deathsAtMs.filter((atMs) => nowMs - atMs < DEATHS_WINDOW_MS), nowMs];
    const deaths = deathsAtMs.length;
    if (deaths >= DEATHS_MAX) {
      const minutes = DEATHS_WINDOW_MS / 60_000;
      const why = `${name} died ${deaths} times in ${minutes} minutes, last of: ${end.why}`;
      logger.log("error", `${why}; nobody starts another. Mend the cause, then start it again`);
      return finish("gave-up", why);
    }
    const inMs = Math.min(RESTART_BACKOFF_MS_MIN * 2 ** (deaths - 1), RESTART_BACKOFF_MS_MAX);
    logger.log("error", `${name} died: ${end.why}; another begins in ${inMs} ms`, {
      by: end.by,
      deaths,
    });
    restart = clock.timer(inMs, begin);
  }

  function blame(peer: Peer): void {
    const deaths = (blamed.get(peer) ?? 0) + 1;
    blamed.delete(peer);
    blamed.set(peer, deaths);
    for (const earliest of blamed.keys()) {
      if (blamed.size <= BLAMED_PEERS_MAX) break;
      blamed.delete(earliest);
    }
    if (deaths === POISON_DEATHS) {
      logger.log("error", `messages of ${peer} killed ${name} ${deaths} times: it is refused now`);
    }
  }

  function finish(kind: "gave-up" | "ended" | "stopped", why: string): void {
    over = true;
    supervision.onOver({ kind, why });
  }

  begin();
  return {
    current: () => actor,
    blamed: () => blamed,
    clear: (peer) => void blamed.delete(peer),
    stop() {
      if (over) return;
      over = true;
      restart?.cancel();
      const stopped = (): void => supervision.onOver({ kind: "stopped", why: "asked to" });
      if (actor === undefined) clock.soon(stopped);
      else actor.stop(stopped);
    },
  };
}

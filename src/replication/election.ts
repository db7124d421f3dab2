/**
 * When to campaign, when to speak, when to be silent (P-7.2, P-7.3). Pure bookkeeping of times;
 * it appends and sends nothing. That two masters do not speak at once rests on clocks of nearly
 * equal rates; safety rests on epochs and positions alone.
 */
import type { Random } from "#runtime";

/** All in milliseconds. */
export interface ElectionTimes {
  /** The leader appends at least this often. */
  readonly proofMs: number;
  /** Mute when the last committed append was sent longer ago than this. */
  readonly muteMs: number;
  /** A new leader speaks no earlier than this after it received its predecessor's last record. */
  readonly quietMs: number;
  /** How soon a standby that was refused asks again on the leader's subject. */
  readonly askMs: number;
  /** Two refusals (503) within this time mean that the leader is gone. */
  readonly goneMs: number;
  /** So long without a record means that the leader is silent; jitter is added. */
  readonly silenceMs: number;
  readonly jitterMs: number;
}

/**
 * The quiet time has a margin of a fifteenth over the mute time, for clocks of unequal rates.
 */
export const ELECTION_TIMES: ElectionTimes = {
  proofMs: 500,
  muteMs: 1500,
  quietMs: 1600,
  askMs: 200,
  goneMs: 500,
  silenceMs: 3000,
  jitterMs: 1500,
};

/** For a cluster with one master: nobody else waits for the lead, so the disk is spared. */
export const SINGLE_MASTER_TIMES: ElectionTimes = {
  proofMs: 5000,
  muteMs: 15_000,
  quietMs: 16_000,
  askMs: 2000,
  goneMs: 5000,
  silenceMs: 30_000,
  jitterMs: 15_000,
};

export type AskOutcome = "reply" | "no-responders" | "timeout" | "disconnected";

export type CampaignReason = "no-predecessor" | "leader-gone" | "log-silent";

/** A standby's view: is there a leader, and does the log answer? */
export class Candidacy {
  readonly #times: ElectionTimes;
  readonly #random: Random;
  #silentSinceMs: number;
  #jitterMs: number;
  #refusedAtMs: number[] = [];
  #electionMs = Number.NEGATIVE_INFINITY;
  #answeringSinceMs: number | undefined;

  constructor(times: ElectionTimes, random: Random, nowMs: number) {
    this.#times = times;
    this.#random = random;
    this.#silentSinceMs = nowMs;
    this.#jitterMs = this.#draw();
  }

  #draw(): number {
    return this.#random.below(Math.floor(this.#times.jitterMs) + 1);
  }

  /** A valid record was received: somebody leads. Someone's election starts the timer afresh. */
  heardRecord(nowMs: number, isElection: boolean): void {
    this.#silentSinceMs = nowMs;
    this.#refusedAtMs = [];
    if (!isElection) return;
    this.#jitterMs = this.#draw();
    this.#electionMs = nowMs;
  }

  /** The log answered a read, or did not. */
  logAnswered(nowMs: number, answered: boolean): void {
    if (!answered) this.#answeringSinceMs = undefined;
    else this.#answeringSinceMs ??= nowMs;
  }

  /**
   * Somebody asked the leader's subject for us. Only the broker's own word is evidence, and none
   * against one who was just elected: it does not listen before its predecessor is silent.
   */
  asked(nowMs: number, outcome: AskOutcome): void {
    const { quietMs, goneMs } = this.#times;
    const isTaking = nowMs - this.#electionMs < quietMs + goneMs;
    if (outcome !== "no-responders" || isTaking) {
      this.#refusedAtMs = [];
      return;
    }
    this.#refusedAtMs = [...this.#refusedAtMs, nowMs].slice(-2);
  }

  /**
   * Why it should campaign now; undefined while it should not.
   * @param predecessor false: nobody has led yet, or it was an earlier life of this very master,
   * which has ended for certain. Then there is nothing to wait for.
   */
  reason(nowMs: number, predecessor: boolean): CampaignReason | undefined {
    const { proofMs, silenceMs } = this.#times;
    if (this.#answeringSinceMs === undefined) return undefined;
    if (!predecessor) return "no-predecessor";
    if (nowMs - this.#answeringSinceMs < 2 * proofMs) return undefined;
    if (this.#refusedTwice(nowMs)) return "leader-gone";
    if (nowMs - this.#silentSinceMs >= silenceMs + this.#jitterMs) return "log-silent";
    return undefined;
  }

  /**
   * When to ask again: soon while the log has not answered for long or somebody was refused,
   * else once in the time that proves the leader gone.
   */
  askInMs(nowMs: number): number {
    const { goneMs, askMs, proofMs } = this.#times;
    const sinceMs = this.#answeringSinceMs ?? nowMs;
    const settled = nowMs - sinceMs >= 2 * proofMs && this.#refusedAtMs.length === 0;
    return settled ? Math.max(askMs, goneMs) : askMs;
  }

  #refusedTwice(nowMs: number): boolean {
    const [first, second] = this.#refusedAtMs;
    if (first === undefined || second === undefined) return false;
    const { goneMs, askMs } = this.#times;
    // Old refusals are none: the leader may have come since.
    return second - first <= goneMs && nowMs - second <= goneMs + askMs;
  }
}

/** A leader's view: may it speak now, must it prove its lead? */
export class Lead {
  readonly #times: ElectionTimes;
  readonly #exclusive: boolean;
  readonly #speakFromMs: number;
  #provenMs: number;
  #sentMs: number;
  #proveAfterMs = Number.NEGATIVE_INFINITY;

  /**
   * @param electedSentMs when the election's append was sent.
   * @param predecessorMs when the predecessor's last record was received; undefined where there
   * is no predecessor that might still speak.
   * @param exclusive a lock held by the log's adapter proves the lead.
   */
  constructor(
    times: ElectionTimes,
    electedSentMs: number,
    predecessorMs: number | undefined,
    exclusive: boolean,
  ) {
    this.#times = times;
    this.#exclusive = exclusive;
    this.#provenMs = electedSentMs;
    this.#sentMs = electedSentMs;
    this.#speakFromMs =
      predecessorMs === undefined || exclusive
        ? Number.NEGATIVE_INFINITY
        : predecessorMs + times.quietMs;
  }

  /** From when on it may speak at all. */
  get speakFromMs(): number {
    return this.#speakFromMs;
  }

  sent(nowMs: number): void {
    this.#sentMs = nowMs;
  }

  committed(sentAtMs: number): void {
    this.#provenMs = Math.max(this.#provenMs, sentAtMs);
  }

  /** The bus was away: what was lost meanwhile is unknown, so prove first (P-3.5). */
  reconnected(nowMs: number): void {
    this.#proveAfterMs = nowMs;
  }

  /** Whether a proof must be appended now. */
  proofDue(nowMs: number): boolean {
    if (this.#exclusive) return false;
    return nowMs - this.#sentMs >= this.#times.proofMs || this.#provenMs < this.#proveAfterMs;
  }

  /** When to look again whether a proof is due; `reconnected` asks to look sooner. */
  proofInMs(nowMs: number): number {
    const soonMs = this.#times.proofMs / 5;
    if (this.#provenMs < this.#proveAfterMs) return soonMs;
    return Math.max(soonMs, this.#sentMs + this.#times.proofMs - nowMs);
  }

  /** Until when it may speak on the strength of what is committed. */
  get speakUntilMs(): number {
    return this.#exclusive ? Number.POSITIVE_INFINITY : this.#provenMs + this.#times.muteMs;
  }

  /** Whether frames must be held and reads refused. */
  isMute(nowMs: number): boolean {
    if (nowMs < this.#speakFromMs) return true;
    if (this.#exclusive) return false;
    return nowMs - this.#provenMs > this.#times.muteMs || this.#provenMs < this.#proveAfterMs;
  }
}

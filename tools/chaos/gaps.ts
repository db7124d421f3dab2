/**
 * How long nobody led and nobody was offered anything, from the trace: the time between two beacons
 * of leaders, and between two frames with offers, where it is longer than it is by itself.
 */
import { FrameEyes } from "#sim";
import { SUBJECTS } from "./cluster.ts";
import { readTrace } from "./trace.ts";

/** A leader with others beside it says its beacon every second. */
export const LEADER_GAP_MS_MIN = 2_000;
/** Tasks end, and filters of declined offers expire, every second. */
export const OFFER_GAP_MS_MIN = 3_000;

export interface Gaps {
  readonly leader: readonly number[];
  readonly offers: readonly number[];
  readonly epochs: number;
}

/** @param untilMs when frameworks wanted nothing more. */
export async function gapsOf(trace: string, fromMs: number, untilMs: number): Promise<Gaps> {
  const eyes = new FrameEyes(SUBJECTS);
  const epochs = new Set<number>();
  const leader = new Gap(fromMs, LEADER_GAP_MS_MIN);
  const offers = new Gap(fromMs, OFFER_GAP_MS_MIN);
  let epoch = 0;
  for await (const row of readTrace(trace)) {
    if (row.what !== "said" || row.atMs < fromMs || row.atMs > untilMs) continue;
    const isBeacon = row.subject === SUBJECTS.leader;
    if (!isBeacon && !/^meseta\.\w+\.framework\./.test(row.subject)) continue;
    const frame = eyes.frame(row.subject, Buffer.from(row.data, "base64"));
    if (frame === undefined || frame.epoch < epoch) continue;
    epoch = frame.epoch;
    if (isBeacon) {
      epochs.add(epoch);
      leader.again(row.atMs);
    }
    if (frame.messages.some(({ kind }) => kind === "OFFERS")) offers.again(row.atMs);
  }
  leader.again(untilMs);
  offers.again(untilMs);
  return { leader: leader.all, offers: offers.all, epochs: epochs.size };
}

class Gap {
  #lastMs: number;
  readonly #minMs: number;
  readonly all: number[] = [];

  constructor(fromMs: number, minMs: number) {
    this.#lastMs = fromMs;
    this.#minMs = minMs;
  }

  again(atMs: number): void {
    const gapMs = atMs - this.#lastMs;
    if (gapMs > this.#minMs) this.all.push(gapMs);
    this.#lastMs = atMs;
  }
}

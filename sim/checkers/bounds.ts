/** B1: frames, unread mail and the calendar stay within their bounds. */
import { FRAME_BYTES_MAX, FRAME_MESSAGES_MAX } from "#protocol";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** Unread messages of one process; more means that it never catches up. */
export const WAITING_MAX = 50_000;
/** Entries of the calendar; more means that timers or messages multiply. */
export const CALENDAR_MAX = 500_000;

export function boundChecker(world: CheckedWorld, violate: Violate): Checker {
  return {
    id: "B1",
    statement: "frames, unread mail and timers stay within their bounds",
    sees: { said: "all" },
    on(observation: Observation): void {
      if (observation.what !== "said") return;
      const { bytes, count, speaker } = observation.frame;
      if (bytes > FRAME_BYTES_MAX) violate("B1", `${speaker} sends a frame of ${bytes} bytes`);
      if (count > FRAME_MESSAGES_MAX) violate("B1", `${speaker} sends ${count} messages at once`);
    },
    recount(): void {
      for (const [node, count] of world.waiting()) {
        if (count > WAITING_MAX) violate("B1", `${node} has ${count} unread messages`);
      }
      if (world.pending > CALENDAR_MAX) violate("B1", `${world.pending} entries in the calendar`);
    },
  };
}

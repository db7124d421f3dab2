/**
 * Reading what one has written: an answer names the operator event that tells of its change, and
 * whoever asked is answered when the views have seen it.
 */
import type { BodyOf } from "#protocol";
import type { GatewayContext } from "../context.ts";
import { refuseUnaccepted } from "./handlers.ts";

/** Events are lost where the broker blinks; the change stands all the same. */
const SEEN_MS_MAX = 2_000;

type Told = Pick<BodyOf<"OPERATOR_ANSWER">, "epoch" | "event">;

/** Answers when the views show the change, so that whoever asks next sees it. */
export async function changed(
  context: GatewayContext,
  answer: BodyOf<"OPERATOR_ANSWER">,
  done: string,
): Promise<{ accepted: boolean; message: string }> {
  refuseUnaccepted(answer);
  await untilSeen(context, answer);
  return { accepted: true, message: answer.message ?? done };
}

/** Resolves when the views are as new as the answer, at the latest after two seconds. */
export function untilSeen(context: GatewayContext, told: Told): Promise<void> {
  if (isSeen(context, told)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(done, SEEN_MS_MAX);
    const stop = context.onEvents(() => {
      if (isSeen(context, told)) done();
    });
  });
}

function isSeen({ view }: GatewayContext, { epoch, event = 0 }: Told): boolean {
  const [seenEpoch = 0, seen = 0] = view.index.split(".").map(Number);
  return seenEpoch > epoch || (seenEpoch === epoch && seen >= event);
}

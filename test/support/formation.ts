/**
 * Whether brokers that have just started hold streams together. Of those that vote in the same
 * moment one may be left out by the others for ever (nats-server 2.10: a candidate that steps down
 * before it was counted); it is found when it is started once more.
 */
import type { Bus } from "#runtime";
import { untilAnswer } from "./answers.ts";

const STREAM = "formation";
const ASK_MS = 2_000;
/** The others have elected a leader by then. */
const LEFT_OUT_AFTER_MS = 8_000;
const FORMED_MS_MAX = 60_000;

export interface Forming {
  /** As a master; it may make streams. */
  readonly bus: Bus;
  /** Of the log, which no stream has yet. */
  readonly subject: string;
  readonly brokers: number;
  /** Starts a broker once more, by its place from 0. */
  again(index: number): Promise<void>;
}

/** Returns when a stream with a copy on each broker can be made. @throws Error after a minute. */
export async function untilFormed({ bus, subject, brokers, again }: Forming): Promise<void> {
  const ask = (verb: string, body: object): Promise<string> =>
    new Promise((resolve) => {
      const bytes = Buffer.from(JSON.stringify(body));
      bus.request(`$JS.API.STREAM.${verb}.${STREAM}`, bytes, ASK_MS, (outcome) => {
        if (outcome.kind !== "reply") return resolve(outcome.kind);
        const answer = JSON.parse(Buffer.from(outcome.message.data).toString("utf8"));
        resolve(answer.error?.description ?? "done");
      });
    });
  let patienceMs = performance.now() + LEFT_OUT_AFTER_MS;
  let next = brokers - 1;
  const make = async (): Promise<string> => {
    const wanted = { name: STREAM, subjects: [subject], num_replicas: brokers, storage: "file" };
    const said = await ask("CREATE", wanted);
    if (said === "done" || performance.now() < patienceMs) return said;
    await again(next);
    next = (next + brokers - 1) % brokers;
    patienceMs = performance.now() + LEFT_OUT_AFTER_MS;
    return said;
  };
  await untilAnswer(make, (said) => said === "done", "the brokers are together", FORMED_MS_MAX);
  const gone = (said: string): boolean => said === "done" || said === "stream not found";
  await untilAnswer(() => ask("DELETE", {}), gone, "the stream is gone", FORMED_MS_MAX);
}

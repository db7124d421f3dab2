/** The whole log of a run, read at its end over a broker by the masters' right, with its times. */
import { inboxOf, type Identity } from "#access";
import { logStreamOf, natsBus, systemClock } from "#adapters";
import { asId } from "#protocol";
import type { Bus, LogEntry } from "#runtime";
import { CLUSTER, type ChaosCluster, COUNTS, SUBJECTS } from "./cluster.ts";

const READER: Identity = { role: "master", masterId: asId("reader") };
const ASK_MS = 5_000;
const AT_ONCE = 64;
const { name: STREAM } = logStreamOf(CLUSTER, SUBJECTS.log, COUNTS.broker);

export type TimedEntry = LogEntry & { readonly atMs: number };

/** A connection with a master's rights, to look only. */
export function readerBus({ trust, servers }: ChaosCluster): Bus {
  const credential = trust.issue(READER);
  return natsBus({
    servers,
    credential: () => credential,
    inbox: inboxOf(READER),
    name: "chaos reader",
    clock: systemClock(),
    nonce: "chaos",
  });
}

/** @throws Error when the log does not answer, or misses a position. */
export async function readLog(bus: Bus): Promise<TimedEntry[]> {
  const info = await ask(bus, `INFO.${STREAM}`, {});
  const { first_seq: first = 1, last_seq: last = 0 } = info["state"] as Record<string, number>;
  const entries: TimedEntry[] = [];
  for (let from = first; from <= last; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, last - from + 1);
    const got = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        ask(bus, `MSG.GET.${STREAM}`, { seq: from + index }),
      ),
    );
    for (const answer of got) {
      const message = answer["message"] as { seq: number; data?: string; time: string } | undefined;
      if (message === undefined) throw new Error(`the log answers ${JSON.stringify(answer)}`);
      const record = Buffer.from(message.data ?? "", "base64");
      entries.push({ position: message.seq, record, atMs: Date.parse(message.time) });
    }
  }
  return entries;
}

function ask(bus: Bus, what: string, body: object): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(JSON.stringify(body));
    bus.request(`$JS.API.STREAM.${what}`, bytes, ASK_MS, (outcome) => {
      if (outcome.kind !== "reply") return reject(new Error(`${what}: ${outcome.kind}`));
      resolve(JSON.parse(Buffer.from(outcome.message.data).toString("utf8")));
    });
  });
}

/**
 * Whether a broker holds streams together with the others, asked of all of them. Of nats-servers 2.10 that vote
 * in the same moment one may be left out for ever (a candidate that steps down before it was counted):
 * the others go on without it, so that one more loss is one too many. It is found once it is started again,
 * and this asks for that.
 */
import type { Bus } from "#runtime";
import { BROKERS_ASKED, WATCH_INBOX } from "./credentials.ts";
import { jsonOf } from "./broker-members.ts";

/** The leader may take so long to count one that has just started. */
const LEFT_OUT_AFTER_MS = 8_000;
/** Between two starts for this reason at the most; they begin with the time above and double. */
const LEFT_OUT_AFTER_MS_MAX = 120_000;
/** So long brokers need to find a leader when they start, or when one is gone. */
const ALONE_AFTER_MS = 15_000;
const ASK_INTERVAL_MS = 2_000;
/** Answers that come later count for nothing. */
const ANSWER_MS = 1_000;
/** There are five brokers at the most. */
const ANSWERS_MAX = 16;

export interface BrokerAnswer {
  readonly server?: { readonly name?: string };
  readonly data?: {
    readonly meta_cluster?: {
      readonly leader?: string;
      /** In the answer of the leader alone, and only where it has any. */
      readonly replicas?: readonly { readonly name?: string }[];
    };
  };
}

export type Standing =
  | { readonly kind: "together"; readonly leader: string; readonly all: readonly string[] }
  | { readonly kind: "left-out"; readonly leader: string; readonly all: readonly string[] }
  | { readonly kind: "no-leader"; readonly heard: readonly string[] };

/** What the broker `name` is to the others, from the answers of one question. Pure. */
export function standingOf(name: string, answers: readonly BrokerAnswer[]): Standing {
  const nameIn = ({ server }: BrokerAnswer): string => server?.name ?? "";
  const leaders = answers.filter(
    (answer) => nameIn(answer) !== "" && answer.data?.meta_cluster?.leader === nameIn(answer),
  );
  const [leader] = leaders;
  // Two who say that they lead: one has not heard yet that it does not.
  if (leader === undefined || leaders.length > 1) {
    return { kind: "no-leader", heard: answers.map(nameIn).sort() };
  }
  const others = leader.data?.meta_cluster?.replicas ?? [];
  const all = [nameIn(leader), ...others.map((other) => other.name ?? "")].sort();
  return {
    kind: all.includes(name) ? "together" : "left-out",
    leader: nameIn(leader),
    all,
  };
}

/** Decides, from one standing after the other, what is said and when the broker is started again. */
export class Formation {
  readonly #name: string;
  readonly #of: number;
  #kind: Standing["kind"] | undefined;
  #sinceMs = 0;
  #patienceMs = LEFT_OUT_AFTER_MS;
  /** What was said last, so that it is said once. */
  #said = "";

  constructor(name: string, of: number) {
    this.#name = name;
    this.#of = of;
  }

  /** Of a monotonic clock. */
  see(standing: Standing, nowMs: number): { readonly say?: string; readonly again: boolean } {
    if (standing.kind !== this.#kind) {
      this.#kind = standing.kind;
      this.#sinceMs = nowMs;
    }
    const forMs = nowMs - this.#sinceMs;
    switch (standing.kind) {
      case "together": {
        this.#patienceMs = LEFT_OUT_AFTER_MS;
        const { leader, all } = standing;
        return this.#say(`${all.join(", ")} hold the log together; ${leader} leads them`);
      }
      case "no-leader": {
        if (forMs < ALONE_AFTER_MS) return { again: false };
        return this.#say(`no broker leads: ${this.#leaderless(standing.heard)}`);
      }
      case "left-out": {
        if (forMs < this.#patienceMs) return { again: false };
        const seconds = Math.round(forMs / 1_000);
        this.#kind = undefined;
        this.#patienceMs = Math.min(2 * this.#patienceMs, LEFT_OUT_AFTER_MS_MAX);
        this.#said = "";
        const say =
          `${standing.leader}, which leads the brokers, has left ${this.#name} out for ${seconds} s ` +
          `(it counts ${standing.all.join(", ")}): ${this.#name} is started again`;
        return { say, again: true };
      }
    }
  }

  #leaderless(heard: readonly string[]): string {
    const least = Math.floor(this.#of / 2) + 1;
    if (heard.length >= least) return `${heard.join(", ")} hear each other and have elected none`;
    const who = heard.length === 0 ? "none" : heard.join(", ");
    return `of ${this.#of} ${who} can be heard here; ${least} must run and reach each other`;
  }

  #say(text: string): { readonly say?: string; readonly again: boolean } {
    if (text === this.#said) return { again: false };
    this.#said = text;
    return { say: text, again: false };
  }
}

export interface WatchBroker {
  /** With the rights of the watch; this ends it. */
  readonly bus: Bus;
  readonly name: string;
  /** How many brokers there are. */
  readonly of: number;
  tell(sentence: string): void;
  /** Starts the broker once more. */
  again(): void;
}

/** Asks every other second until it is stopped. */
export function watchBroker({ bus, name, of, tell, again }: WatchBroker): {
  stop(): Promise<void>;
} {
  const formation = new Formation(name, of);
  let answers: BrokerAnswer[] = [];
  const inbox = `${WATCH_INBOX}.${name}`;
  bus.subscribe(inbox, ({ data }) => {
    const value = jsonOf(Buffer.from(data).toString("utf8"));
    if (typeof value !== "object" || value === null || answers.length >= ANSWERS_MAX) return;
    answers.push(value);
  });
  let timer: NodeJS.Timeout;
  const ask = (): void => {
    answers = [];
    const asked = bus.publish(BROKERS_ASKED, Buffer.from("{}"), inbox) === "sent";
    timer = setTimeout(() => {
      // A broker that is away says nothing of how it stands with the others.
      if (asked && bus.connected) {
        const { say, again: start } = formation.see(standingOf(name, answers), performance.now());
        if (say !== undefined) tell(say);
        if (start) again();
      }
      timer = setTimeout(ask, ASK_INTERVAL_MS - ANSWER_MS);
    }, ANSWER_MS);
  };
  ask();
  return {
    stop() {
      clearTimeout(timer);
      return new Promise((resolve) => bus.close(resolve));
    },
  };
}

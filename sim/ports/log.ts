/**
 * The replicated log as one master sees it: through the broker it is connected to, with every
 * untidy answer the real one has. Each append is answered once and in order, never within the
 * call; what was lost on the way is `unknown` when its time is over.
 */
import type {
  AppendOutcome,
  HintOutcome,
  Log,
  LogEntry,
  ReadOutcome,
  StepDownOutcome,
  TruncateOutcome,
} from "#runtime";
import { LOG_RECORD_BYTES_MAX } from "#runtime";
import { Fifo } from "../kernel/fifo.ts";
import { kept } from "../kernel/bytes.ts";
import { PRICE_MS, type SimNode } from "../kernel/node.ts";
import type { LogCluster } from "./log-cluster.ts";

const ANSWER_TIMEOUT_MS = 2_000;
const POLL_MS = 250;
const ENTRIES_PER_PUSH_MAX = 256;

interface Waiting {
  readonly done: (outcome: AppendOutcome) => void;
  outcome: AppendOutcome | undefined;
}

export class SimLog implements Log {
  readonly exclusive = false;
  readonly #cluster: LogCluster;
  readonly #node: SimNode;
  readonly #life: number;
  readonly #via: () => string | undefined;
  readonly #onRead: (entries: readonly LogEntry[]) => void;
  /** Appends in the order of the calls: the order of their answers. */
  readonly #appends = new Fifo<Waiting>();
  #head: Waiting | undefined;
  readonly #follows = new Set<Follow>();
  /** Nothing overtakes on the way to the leader, nor on the way back. */
  #thereMs = 0;
  #closed = false;

  /**
   * @param via name of the broker that the node is connected to now.
   * @param onRead hears the entries of each answer to a read, just before the reader does.
   */
  constructor(
    cluster: LogCluster,
    node: SimNode,
    via: () => string | undefined,
    onRead: (entries: readonly LogEntry[]) => void = () => undefined,
  ) {
    this.#cluster = cluster;
    this.#node = node;
    this.#life = node.life;
    this.#via = via;
    this.#onRead = onRead;
    node.onDown(() => this.#end());
  }

  append(expected: number, record: Uint8Array, done: (outcome: AppendOutcome) => void): void {
    if (record.length > LOG_RECORD_BYTES_MAX) {
      throw new Error(`record: ${record.length} bytes are more than ${LOG_RECORD_BYTES_MAX}`);
    }
    this.#node.charge(PRICE_MS.publish);
    const { world } = this.#cluster;
    if (world.keeps) world.effect(`append to the log: ${record.length} bytes, after ${expected}`);
    const waiting: Waiting = { done, outcome: undefined };
    this.#appends.push(waiting);
    const settle = (outcome: AppendOutcome): void => {
      if (waiting.outcome !== undefined) return;
      waiting.outcome = outcome;
      this.#tellInOrder();
    };
    if (this.#closed) {
      return this.#node.soon(() => settle({ kind: "unknown", why: "the log is closed" }));
    }
    this.#node.timer(ANSWER_TIMEOUT_MS, () => settle({ kind: "unknown", why: "timeout" }));
    this.#toLeader(() => {
      this.#cluster.propose({
        expected,
        record: kept(record),
        committed: (position) => this.#back(() => settle({ kind: "committed", position })),
        refused: (kind) => {
          if (kind === "conflict") return this.#back(() => settle({ kind }));
          if (kind === "busy") this.#back(() => settle({ kind: "unknown", why: "429" }));
        },
      });
    });
  }

  read(from: number, max: number, done: (outcome: ReadOutcome) => void): void {
    this.#ask<ReadOutcome>(
      (at) => {
        const entries = this.#cluster.read(at, from, max);
        const { first } = this.#cluster;
        return entries === undefined ? undefined : { kind: "read", entries, first };
      },
      (why) => ({ kind: "failed", why }),
      (outcome) => {
        if (outcome.kind === "read") this.#onRead(outcome.entries);
        done(outcome);
      },
    );
  }

  hint(done: (outcome: HintOutcome) => void): void {
    this.#ask<HintOutcome>(
      (at) => {
        const last = this.#cluster.appliedAt(at);
        if (last === undefined) return undefined;
        // As somebody last knew it: now and then a little behind.
        const behind = this.#cluster.chance.chance(100_000) ? 1 : 0;
        return { kind: "hint", first: this.#cluster.first, last: Math.max(0, last - behind) };
      },
      (why) => ({ kind: "failed", why }),
      done,
    );
  }

  truncate(before: number, done: (outcome: TruncateOutcome) => void): void {
    this.#ask<TruncateOutcome>(
      (at) => {
        if (!this.#cluster.reachable(at)) return undefined;
        this.#cluster.truncate(before);
        return { kind: "done" };
      },
      (why) => ({ kind: "failed", why }),
      done,
    );
  }

  stepDown(end: number, done: (outcome: StepDownOutcome) => void): void {
    this.#ask<StepDownOutcome>(
      (at) => {
        if (!this.#cluster.reachable(at)) return undefined;
        if (this.#cluster.end > end || this.#cluster.stepDown()) return { kind: "done" };
        return { kind: "failed", why: "no other member can lead" };
      },
      (why) => ({ kind: "failed", why }),
      done,
    );
  }

  follow(from: number, onEntries: (entries: readonly LogEntry[]) => void): { stop(): void } {
    this.#node.charge(PRICE_MS.call);
    const follow = new Follow(this.#cluster, this.#node, this.#via, from, onEntries);
    this.#follows.add(follow);
    return {
      stop: () => {
        this.#follows.delete(follow);
        follow.stop();
      },
    };
  }

  close(done: () => void): void {
    this.#end();
    this.#node.soon(done);
  }

  #end(): void {
    this.#closed = true;
    for (const follow of this.#follows) follow.stop();
    this.#follows.clear();
  }

  /** Over the broker to the leader; lost where a way is blocked or nobody leads. */
  #toLeader(arrive: () => void): void {
    const { world, chance } = this.#cluster;
    const departMs = this.#node.localMs;
    const atMs = Math.max(departMs + 0.2 + chance.exponential(0.4), this.#thereMs);
    this.#thereMs = atMs;
    // What has left arrives even when the node dies meanwhile: the record may then commit late.
    const at = this.#via();
    world.at(atMs, () => {
      if (at !== undefined && this.#open(at) && this.#cluster.reachable(at)) arrive();
    });
  }

  #open(broker: string): boolean {
    return !this.#cluster.network.paths.parted(this.#node.name, broker);
  }

  /** The leader's word on its way back; lost with the connection. */
  #back(run: () => void): void {
    const { world, chance } = this.#cluster;
    world.after(0.2 + chance.exponential(0.4), () => {
      const at = this.#via();
      if (this.#life !== this.#node.life || at === undefined || !this.#open(at)) return;
      this.#node.arrive(world.nowMs, run);
    });
  }

  #tellInOrder(): void {
    for (;;) {
      this.#head ??= this.#appends.shift();
      const head = this.#head;
      const outcome = head?.outcome;
      if (head === undefined || outcome === undefined) return;
      this.#head = undefined;
      if (this.#closed) continue;
      const text = outcome.kind === "committed" ? `@${outcome.position}` : "";
      this.#cluster.world.cause = this.#cluster.world.record({
        node: this.#node.name,
        kind: "append",
        summary: `${outcome.kind}${text}`,
      });
      head.done(outcome);
    }
  }

  /** A question to the member beside the broker that the node is connected to. */
  #ask<Outcome>(
    look: (at: string) => Outcome | undefined,
    fail: (why: string) => Outcome,
    done: (outcome: Outcome) => void,
  ): void {
    this.#node.charge(PRICE_MS.call);
    if (this.#closed || this.#via() === undefined) {
      return this.#node.soon(() => done(fail(this.#closed ? "closed" : "disconnected")));
    }
    let open = true;
    const answer = (outcome: Outcome): void => {
      if (!open) return;
      open = false;
      timer.cancel();
      if (!this.#closed) done(outcome);
    };
    const timer = this.#node.timer(ANSWER_TIMEOUT_MS, () => answer(fail("timeout")));
    const { world, chance } = this.#cluster;
    world.at(this.#node.localMs + 0.2 + chance.exponential(0.3), () => {
      const at = this.#via();
      const outcome = at === undefined || !this.#open(at) ? undefined : look(at);
      if (outcome !== undefined) this.#back(() => answer(outcome));
    });
  }
}

/** Entries as they come, in order and without gaps, over every reconnection. */
class Follow {
  readonly #cluster: LogCluster;
  readonly #node: SimNode;
  readonly #life: number;
  readonly #via: () => string | undefined;
  readonly #onEntries: (entries: readonly LogEntry[]) => void;
  readonly #unlisten: () => void;
  #next: number;
  #underWay = false;
  #stopped = false;

  constructor(
    cluster: LogCluster,
    node: SimNode,
    via: () => string | undefined,
    from: number,
    onEntries: (entries: readonly LogEntry[]) => void,
  ) {
    this.#cluster = cluster;
    this.#node = node;
    this.#life = node.life;
    this.#via = via;
    this.#next = Math.max(1, from);
    this.#onEntries = onEntries;
    this.#unlisten = cluster.onAdvance(() => this.#pump());
    this.#poll();
  }

  stop(): void {
    this.#stopped = true;
    this.#unlisten();
  }

  /** After a reconnection nobody tells; so it looks now and then. */
  #poll(): void {
    if (this.#stopped || this.#life !== this.#node.life) return;
    this.#pump();
    this.#cluster.world.after(POLL_MS, () => this.#poll());
  }

  #pump(): void {
    const at = this.#via();
    if (this.#stopped || this.#underWay || at === undefined || !this.#open(at)) return;
    this.#next = Math.max(this.#next, this.#cluster.first);
    const entries = this.#cluster.read(at, this.#next, ENTRIES_PER_PUSH_MAX);
    if (entries === undefined || entries.length === 0) return;
    this.#underWay = true;
    const { world, chance } = this.#cluster;
    world.after(0.2 + chance.exponential(0.3), () => {
      this.#underWay = false;
      const still = this.#via();
      if (this.#stopped || still !== at || !this.#open(at)) return;
      this.#next += entries.length;
      this.#node.arrive(world.nowMs, () => {
        if (!this.#stopped) this.#onEntries(entries);
      });
      this.#pump();
    });
  }

  #open(broker: string): boolean {
    return !this.#cluster.network.paths.parted(this.#node.name, broker);
  }
}

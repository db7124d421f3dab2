/**
 * The replicated log as its members live it: one of them leads, a majority makes a record
 * durable, a lost leader leaves records behind that may yet come or never (P-7.1, P-9). Owns the
 * truth about what is committed; `log.ts` is what a master sees of it.
 */
import type { LogEntry } from "#runtime";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";
import type { BusNetwork } from "./bus.ts";

/** Proposals that may wait for a majority; more are refused (JetStream: 429). */
export const LOG_PENDING_MAX = 4_096;
const COMMIT_MS = { floor: 0.4, mean: 0.8 };
const ELECTION_MS = { low: 800, high: 2_500 };

interface Proposal {
  readonly record: Uint8Array;
  /** Absent: nobody waits for it any more. */
  readonly committed: (position: number) => void;
}

/** What a leader answers to a proposal, at once or when it is durable. */
export interface Propose {
  readonly expected: number;
  readonly record: Uint8Array;
  committed(position: number): void;
  refused(kind: "conflict" | "busy" | "nobody"): void;
}

/** What the copy of one member lacks of the log, which ends at `end` for as long as that one leads. */
interface Lacking {
  readonly member: string;
  readonly tail: readonly Uint8Array[];
  readonly end: number;
}

export class LogCluster {
  readonly network: BusNetwork;
  readonly world: World;
  readonly chance: Chance;
  readonly #members: readonly string[];
  /** Committed records; the one at position p stands at index p - 1. */
  readonly #records: Uint8Array[] = [];
  #pending: Proposal[] = [];
  #leader: string | undefined;
  #term = 0;
  #electing = false;
  #committing = false;
  #isSetBack = false;
  #lacking: Lacking | undefined;
  /** How far each member has applied what is committed. */
  readonly #applied = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  /** Records that were acknowledged, by position: what must never change (L1). */
  readonly acknowledged = new Map<number, Uint8Array>();
  /** Switched by a fault: every proposal is refused as one too many. */
  refusing = false;
  /** Factor on the time to commit. */
  slowness = 1;
  elections = 0;
  /** First position that can still be read. */
  first = 1;
  /** Fault: called once, when the next record is committed, before anybody is told. */
  onceCommitted: (() => void) | undefined;

  constructor(network: BusNetwork, members: readonly string[]) {
    this.network = network;
    this.world = network.world;
    this.chance = this.world.seed.stream("log");
    this.#members = members;
    this.#leader = members[0];
    for (const member of members) this.#applied.set(member, 0);
    network.paths.onChange(() => this.reconsider());
  }

  get end(): number {
    return this.#records.length;
  }

  /** The end of the fullest copy: `end` is that of the one that leads. */
  get wholeEnd(): number {
    const { end, tail = [] } = this.#lacking ?? {};
    return end === this.end ? end + tail.length : this.end;
  }

  get leader(): string | undefined {
    return this.#leader;
  }

  /** Also what the copy that leads lacks and the others hold, until somebody writes in its place. */
  record(position: number): Uint8Array | undefined {
    const { end, tail } = this.#lacking ?? {};
    if (position > this.end && end === this.end) return tail?.[position - end - 1];
    return this.#records[position - 1];
  }

  /** How far the member beside a broker can be read; undefined when it is down. */
  appliedAt(member: string): number | undefined {
    if (!this.#isUp(member)) return undefined;
    return Math.min(this.#applied.get(member) ?? 0, this.#records.length);
  }

  read(member: string, from: number, max: number): LogEntry[] | undefined {
    const applied = this.appliedAt(member);
    if (applied === undefined) return undefined;
    const entries: LogEntry[] = [];
    if (from < this.first) return entries;
    for (let position = from; position <= applied && entries.length < max; position++) {
      const record = this.#records[position - 1];
      if (record !== undefined) entries.push({ position, record });
    }
    return entries;
  }

  /** Readers see nothing before that any more; the checkers go on seeing everything. */
  truncate(before: number): void {
    this.first = Math.max(this.first, Math.min(before, this.#records.length + 1));
  }

  /** Told whenever a member may have more to read. */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether a client at broker `at` reaches a leader. */
  reachable(at: string): boolean {
    const leader = this.#leader;
    return leader !== undefined && this.#isUp(leader) && this.#linked(at, leader);
  }

  /** A proposal has arrived at the leader. */
  propose(ask: Propose): void {
    const leader = this.#leader;
    if (leader === undefined || !this.#hasMajority(leader)) return ask.refused("nobody");
    // A proposal that waits for its majority already counts: its own retry meets a conflict.
    if (ask.expected !== this.#records.length + this.#pending.length) {
      return ask.refused("conflict");
    }
    if (this.refusing || this.#pending.length >= LOG_PENDING_MAX) return ask.refused("busy");
    this.#pending.push({ record: ask.record, committed: (at) => ask.committed(at) });
    this.#commitSoon();
  }

  /** Somebody came or went, or a way was cut or healed. */
  reconsider(): void {
    const leader = this.#leader;
    if (leader !== undefined && this.#hasMajority(leader)) {
      if (this.#pending.length > 0) this.#commitSoon();
      this.#catchUp();
      return;
    }
    if (leader !== undefined && !this.#isUp(leader)) this.#leader = undefined;
    if (this.#electing) return;
    this.#electing = true;
    this.world.after(this.chance.between(ELECTION_MS.low, ELECTION_MS.high), () => this.#elect());
  }

  /** Whether an old copy stands in its place, so that nobody may lead. */
  get isSetBack(): boolean {
    return this.#isSetBack;
  }

  /** Fault: committed and acknowledged records at the end are gone on every member; those. */
  loseTail(count: number): Uint8Array[] {
    const lost = this.#records.splice(Math.max(0, this.#records.length - count));
    this.#pending = [];
    this.#isSetBack = true;
    for (const [position] of this.acknowledged) {
      if (position > this.#records.length) this.acknowledged.delete(position);
    }
    for (const [member, applied] of this.#applied) {
      this.#applied.set(member, Math.min(applied, this.#records.length));
    }
    return lost;
  }

  /** Records that were lost are found again; in vain where others were written in their place. */
  findTail(records: readonly Uint8Array[], end: number): void {
    this.#isSetBack = false;
    if (this.end !== end) return;
    this.#pending = [];
    for (const record of records) {
      this.#records.push(record);
      this.acknowledged.set(this.#records.length, record);
    }
    this.#catchUp();
  }

  /**
   * Fault: `member` leads from now on though it lacks `count` records that were committed; false
   * where it cannot. Over as soon as another leads.
   */
  leadShort(member: string, count: number): boolean {
    if (member === this.#leader || !this.#hasMajority(member)) return false;
    this.#lacking = { member, tail: this.loseTail(count), end: this.end };
    this.#lead(member, []);
    return true;
  }

  /** Another leads: the member that lacked records copies them from it. */
  #leadWhole(): void {
    const lacking = this.#lacking;
    this.#lacking = undefined;
    if (lacking !== undefined) this.findTail(lacking.tail, lacking.end);
  }

  /** Whoever leads leaves it to another member; false where no other can. */
  stepDown(): boolean {
    const able = this.#members.filter((each) => each !== this.#leader && this.#hasMajority(each));
    const next = this.chance.pick(able);
    if (next === undefined) return false;
    this.#lead(next, []);
    return true;
  }

  /** Fault: somebody who is no master publishes where records stand; false: nobody takes it. */
  publishStray(record: Uint8Array): boolean {
    // What strangers write over what is lost would be in the way of finding it.
    if (this.#isSetBack) return false;
    let taken = true;
    const expected = this.#records.length + this.#pending.length;
    this.propose({
      expected,
      record,
      committed: () => undefined,
      refused: () => {
        taken = false;
      },
    });
    return taken;
  }

  /** Fault: what a member had on its disk is gone; it copies it from the leader again. */
  loseReplica(member: string): void {
    this.#applied.set(member, 0);
  }

  #isUp(member: string): boolean {
    return this.network.broker(member).up;
  }

  #linked(one: string, other: string): boolean {
    return !this.network.paths.parted(one, other);
  }

  #hasMajority(member: string): boolean {
    if (!this.#isUp(member)) return false;
    const near = this.#members.filter((each) => this.#isUp(each) && this.#linked(member, each));
    return near.length * 2 > this.#members.length;
  }

  #elect(): void {
    this.#electing = false;
    const old = this.#leader;
    if (old !== undefined && this.#hasMajority(old)) return this.reconsider();
    const able = this.#members.filter((member) => this.#hasMajority(member));
    const next = this.chance.pick(able);
    if (next === undefined) {
      // Nobody can lead: somebody will come back and call `reconsider` again.
      return;
    }
    // Of what the old leader had under way a beginning may have reached the new one: it commits
    // late. The rest is gone for ever. Nobody is told of either.
    this.#lead(next, this.#pending.slice(0, this.chance.below(this.#pending.length + 1)));
  }

  #lead(next: string, survivors: readonly Proposal[]): void {
    this.#term += 1;
    this.#committing = false;
    this.elections += 1;
    this.#leader = next;
    this.#pending = survivors.map(({ record }) => ({ record, committed: () => undefined }));
    this.world.record({
      node: next,
      kind: "log-leader",
      summary: `term ${this.#term}, ${survivors.length} kept`,
    });
    if (next !== this.#lacking?.member) this.#leadWhole();
    if (this.#pending.length > 0) this.#commitSoon();
    this.#catchUp();
  }

  #commitSoon(): void {
    if (this.#committing) return;
    this.#committing = true;
    const term = this.#term;
    const inMs = (COMMIT_MS.floor + this.chance.exponential(COMMIT_MS.mean)) * this.slowness;
    this.world.after(inMs, () => {
      if (term !== this.#term) return;
      this.#committing = false;
      this.#commit();
    });
  }

  #commit(): void {
    const leader = this.#leader;
    if (leader === undefined || !this.#hasMajority(leader)) return this.reconsider();
    const proposals = this.#pending;
    this.#pending = [];
    for (const { record, committed } of proposals) {
      this.#records.push(record);
      this.acknowledged.set(this.#records.length, record);
      const once = this.onceCommitted;
      this.onceCommitted = undefined;
      once?.();
      committed(this.#records.length);
    }
    this.#applied.set(leader, this.#records.length);
    this.#catchUp();
  }

  /** Members near the leader apply what is committed, each after a delay of its own. */
  #catchUp(): void {
    const leader = this.#leader;
    if (leader === undefined) return;
    const end = this.#records.length;
    for (const member of this.#members) {
      if ((this.#applied.get(member) ?? 0) >= end && member !== leader) continue;
      if (!this.#isUp(member) || !this.#linked(member, leader)) continue;
      const delayMs = member === leader ? 0 : 0.2 + this.chance.exponential(0.5);
      this.world.after(delayMs, () => {
        this.#applied.set(member, Math.max(this.#applied.get(member) ?? 0, end));
        for (const listener of this.#listeners) listener();
      });
    }
  }
}

/** Election: when a standby campaigns, and that two masters never speak at once (P-7.2, P-7.3). */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { asId, epochOf, type MasterId } from "#protocol";
import {
  Barrier,
  Candidacy,
  ClusterTime,
  ELECTION_TIMES,
  Follower,
  Lead,
  type LogBytes,
  Writer,
  type WriterCommand,
} from "#replication";
import type { Random } from "#runtime";
import { elected, LOG_CREATED, uuidOf } from "./records.ts";

/** The same every time: half of the bound. */
const HALF: Random = {
  below: (bound) => Math.floor(bound / 2),
  uuid: () => uuidOf(1),
  token: (length) => "t".repeat(length),
};

t.test("a standby campaigns when the leader's subject is refused twice in half a second", (t) => {
  const standby = new Candidacy(ELECTION_TIMES, HALF, 0);
  standby.logAnswered(0, true);
  standby.asked(1000, "no-responders");
  t.equal(standby.reason(1001, true), undefined, "once is not enough");
  standby.asked(1200, "no-responders");
  t.equal(standby.reason(1201, true), "leader-gone");
  t.equal(standby.reason(2000, true), undefined, "an old refusal is none");
  standby.asked(2000, "no-responders");
  standby.asked(2100, "reply");
  standby.asked(2200, "no-responders");
  t.equal(standby.reason(2201, true), undefined, "an answer in between clears them");
  t.end();
});

t.test("one who was just elected need not answer before it speaks", (t) => {
  const standby = new Candidacy(ELECTION_TIMES, HALF, 0);
  standby.logAnswered(0, true);
  standby.heardRecord(1000, true);
  for (const atMs of [1100, 1300, 1500, 2900]) standby.asked(atMs, "no-responders");
  t.equal(standby.reason(3000, true), undefined);
  standby.asked(3150, "no-responders");
  standby.asked(3350, "no-responders");
  t.equal(standby.reason(3351, true), "leader-gone");
  t.end();
});

t.test("a standby campaigns when the log is silent for three seconds and jitter", (t) => {
  const standby = new Candidacy(ELECTION_TIMES, HALF, 0);
  standby.logAnswered(0, true);
  standby.heardRecord(500, false);
  t.equal(standby.reason(4249, true), undefined);
  t.equal(standby.reason(4250, true), "log-silent");
  standby.heardRecord(4250, true);
  t.equal(standby.reason(4300, true), undefined, "someone's record is a fresh timer");
  t.end();
});

t.test("nobody campaigns before the log has answered for two proof intervals", (t) => {
  const standby = new Candidacy(ELECTION_TIMES, HALF, 0);
  t.equal(standby.reason(60_000, false), undefined, "not even on an empty log");
  standby.logAnswered(60_000, true);
  t.equal(standby.reason(60_999, true), undefined);
  t.equal(standby.reason(61_000, true), "log-silent");
  standby.logAnswered(61_100, false);
  standby.logAnswered(61_200, true);
  t.equal(standby.reason(62_199, true), undefined, "it begins anew when the log was away");
  t.equal(standby.reason(61_200, false), "no-predecessor");
  t.end();
});

t.test("a leader is mute without a proof, before its time, and after a reconnection", (t) => {
  const lead = new Lead(ELECTION_TIMES, 1000, 900, false);
  t.equal(lead.isMute(2400), true, "its predecessor may still speak");
  lead.committed(2400);
  t.equal(lead.isMute(2500), false);
  t.equal(lead.isMute(3901), true, "the last proof was sent too long ago");
  lead.committed(3950);
  t.equal(lead.isMute(3951), false);
  lead.reconnected(4000);
  t.equal(lead.isMute(4001), true);
  t.equal(lead.proofDue(4001), true);
  lead.committed(4001);
  t.equal(lead.isMute(4002), false);
  const locked = new Lead(ELECTION_TIMES, 0, 0, true);
  t.equal(locked.isMute(1e9), false, "a lock is proof enough");
  t.equal(locked.proofDue(1e9), false);
  t.end();
});

t.test("one proof serves all reads that waited, and none that came later", (t) => {
  const barrier = new Barrier<string>();
  barrier.flushed();
  barrier.wait("a");
  barrier.wait("b");
  t.same(barrier.committed(), [], "the record that was under way came before them");
  t.equal(barrier.wantsProof, true);
  barrier.flushed();
  t.equal(barrier.wantsProof, false);
  barrier.wait("c");
  t.same(barrier.committed(), ["a", "b"]);
  t.end();
});

t.test("cluster time never goes back and spans an outage by the wall clock", (t) => {
  const time = new ClusterTime(0);
  time.replayed(5000, 1_000_000, 1_060_000, 10);
  t.equal(time.at(20), 65_010);
  time.heard(60_000, 30);
  t.equal(time.at(30), 65_020, "a record that is behind does not pull it back");
  const backwards = new ClusterTime(0);
  backwards.replayed(5000, 2_000_000, 1_000_000, 0);
  t.equal(backwards.at(0), 5000, "a wall clock that went back adds nothing");
  t.end();
});

/** One event of the little world below. */
interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

interface Draws {
  readonly delays: readonly number[];
  readonly rates: readonly number[];
  readonly cuts: readonly {
    readonly master: number;
    readonly fromMs: number;
    readonly ms: number;
  }[];
}

const TICK_MS = 100;
const UNTIL_MS = 30_000;

/** Real masters' election parts on one shared log with drawn delays, clock rates and cuts. */
class World {
  readonly log: LogBytes[] = [];
  readonly masters: Master[];
  nowMs = 0;
  speaking = 0;
  readonly faults: string[] = [];
  readonly #events: Event[] = [];
  readonly #draws: Draws;
  #drawn = 0;

  constructor(draws: Draws) {
    this.#draws = draws;
    this.masters = draws.rates.map((rate, index) => new Master(this, index, rate));
    for (const master of this.masters) master.tick();
  }

  delay(): number {
    this.#drawn += 1;
    return 1 + (this.#draws.delays[this.#drawn % this.#draws.delays.length] ?? 1);
  }

  isCut(master: number): boolean {
    return this.#draws.cuts.some((cut) => {
      return cut.master === master && this.nowMs >= cut.fromMs && this.nowMs < cut.fromMs + cut.ms;
    });
  }

  at(inMs: number, run: () => void): void {
    this.#events.push({ atMs: this.nowMs + inMs, run });
  }

  run(): void {
    while (this.nowMs < UNTIL_MS) {
      const next = this.#events.reduce<Event | undefined>((first, event) => {
        return first === undefined || event.atMs < first.atMs ? event : first;
      }, undefined);
      if (next === undefined) return;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.nowMs = next.atMs;
      next.run();
      const speakers = this.masters.filter((master) => master.speaks());
      if (speakers.length > 0) this.speaking += 1;
      if (speakers.length > 1) {
        this.faults.push(`${this.nowMs}: ${speakers.map(({ index }) => index).join(" and ")}`);
      }
    }
  }
}

class Master {
  readonly index: number;
  readonly #world: World;
  readonly #rate: number;
  #follower = new Follower();
  #candidacy: Candidacy;
  #writer: Writer | undefined;
  #lead: Lead | undefined;
  #heardMs: number | undefined;

  constructor(world: World, index: number, rate: number) {
    this.#world = world;
    this.index = index;
    this.#rate = rate;
    this.#candidacy = new Candidacy(ELECTION_TIMES, HALF, this.#now());
  }

  /** Its own clock: another beginning, another rate. */
  #now(): number {
    return 1000 * this.index + this.#world.nowMs * this.#rate;
  }

  speaks(): boolean {
    return this.#lead !== undefined && !this.#lead.isMute(this.#now());
  }

  /** Whether a request to the leader's subject reaches it. */
  listens(): boolean {
    const waits = this.#now() < (this.#lead?.speakFromMs ?? 0);
    return this.#lead !== undefined && !waits && !this.#world.isCut(this.index);
  }

  #ask(): void {
    const there = this.#world.masters.some((master) => master.listens());
    const cut = this.#world.isCut(this.index);
    const outcome = cut ? "disconnected" : there ? "reply" : "no-responders";
    this.#candidacy.asked(this.#now(), outcome);
  }

  tick(): void {
    if (this.#lead === undefined && this.#writer === undefined) this.#standBy();
    if (this.#lead?.proofDue(this.#now()) && this.#writer?.proposed === 0) {
      this.#writer.propose({ kind: "Proof" });
    }
    this.#flush();
    this.#world.at(TICK_MS / this.#rate, () => this.tick());
  }

  #standBy(): void {
    this.#ask();
    const cut = this.#world.isCut(this.index);
    this.#world.at(this.#world.delay(), () => {
      if (this.#writer !== undefined) return;
      this.#candidacy.logAnswered(this.#now(), !cut);
      if (cut) return;
      const fed = this.#follower.feed(this.#world.log.slice(this.#follower.head.position));
      if (fed.kind !== "fed") throw new Error(fed.why);
      if (fed.records.length > 0) {
        this.#heardMs = this.#now();
        const elects = fed.records.some(({ operations }) => {
          return operations.some(({ kind }) => kind === "LeaderElected");
        });
        this.#candidacy.heardRecord(this.#now(), elects);
      }
      const isEmpty = this.#follower.head.position === 0;
      if (this.#candidacy.reason(this.#now(), !isEmpty) !== undefined) this.#campaign(isEmpty);
    });
  }

  #campaign(isEmpty: boolean): void {
    const { head } = this.#follower;
    const writer = asId<MasterId>(`m${this.index}`);
    const epoch = epochOf(0, head.position + 1);
    const nonce = `n${this.index}-${this.#world.nowMs}`;
    this.#writer = new Writer({ writer, nonce, epoch, head });
    if (isEmpty) this.#writer.propose(LOG_CREATED);
    this.#writer.propose(elected(writer));
  }

  #flush(): void {
    const nowMs = this.#now();
    const time = { nowMs, clusterTimeMs: 0, wallMs: 0 };
    this.#perform(this.#writer?.flush(time) ?? []);
  }

  #perform(commands: readonly WriterCommand[]): void {
    for (const command of commands) this.#do(command);
  }

  #do(command: WriterCommand): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    const world = this.#world;
    if (command.kind === "append") {
      this.#lead?.sent(this.#now());
      const { expected, bytes, token } = command;
      world.at(world.delay(), () => {
        const cut = world.isCut(this.index);
        const fits = !cut && world.log.length === expected;
        if (fits) world.log.push({ position: expected + 1, record: bytes });
        // The answer may be lost on its way back.
        world.at(world.delay(), () => {
          const outcome = world.isCut(this.index)
            ? ({ kind: "unknown", why: "timeout" } as const)
            : fits
              ? ({ kind: "committed", position: expected + 1 } as const)
              : ({ kind: "conflict" } as const);
          this.#perform(writer.answered(token, outcome));
        });
      });
    } else if (command.kind === "read") {
      world.at(world.delay(), () => {
        const entries = world.log.slice(command.from - 1);
        const outcome = world.isCut(this.index)
          ? ({ kind: "failed", why: "cut" } as const)
          : ({ kind: "read", entries, first: 1 } as const);
        this.#perform(writer.wasRead(command.token, outcome));
      });
    } else if (command.kind === "retry") {
      world.at(command.inMs / this.#rate, () => this.#perform(writer.retry()));
    } else if (command.kind === "committed") {
      this.#lead ??= new Lead(ELECTION_TIMES, command.sentAtMs, this.#heardMs, false);
      this.#lead.committed(command.sentAtMs);
    } else {
      // Deposed, or lost the campaign: what it was has ended, it stands by anew.
      this.#lead = undefined;
      this.#writer = undefined;
      this.#follower = new Follower();
      this.#candidacy = new Candidacy(ELECTION_TIMES, HALF, this.#now());
    }
  }
}

t.test("two masters never speak at once while their clocks differ by up to 3 %", async (t) => {
  const draws: fc.Arbitrary<Draws> = fc.record({
    delays: fc.array(fc.oneof(fc.nat(20), fc.nat(600)), { minLength: 5, maxLength: 30 }),
    rates: fc.array(fc.double({ min: 0.97, max: 1.03, noNaN: true }), {
      minLength: 3,
      maxLength: 3,
    }),
    cuts: fc.array(fc.record({ master: fc.nat(2), fromMs: fc.nat(20_000), ms: fc.nat(8000) }), {
      maxLength: 6,
    }),
  });
  let spoke = 0;
  let elections = 0;
  fc.assert(
    fc.property(draws, (drawn) => {
      const world = new World(drawn);
      world.run();
      if (world.speaking > 0) spoke += 1;
      const reader = new Follower();
      const fed = reader.feed(world.log);
      if (fed.kind !== "fed") throw new Error(fed.why);
      elections += fed.records.filter(({ operations }) => {
        return operations.some(({ kind }) => kind === "LeaderElected");
      }).length;
      assert.deepEqual(world.faults, []);
    }),
    { numRuns: 60 },
  );
  t.ok(spoke > 50, `somebody spoke in ${spoke} of 60 worlds`);
  t.ok(elections > 70, `${elections} elections: leaders were replaced`);
});

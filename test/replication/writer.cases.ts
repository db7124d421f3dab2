/** The writer against a log that answers as untidily as real ones do (P-7.1, P-9). */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { asId, type MasterId } from "#protocol";
import {
  EMPTY_HEAD,
  END_ABSENT_TIMES,
  Follower,
  type LogBytes,
  OPERATION_BYTES_MAX,
  OPERATIONS_PROPOSED_MAX,
  type RegistryOperation,
  seal,
  Writer,
  type WriterCommand,
} from "#replication";
import type { AppendOutcome } from "#runtime";
import { elected, LOG_CREATED, recordAfter } from "./records.ts";

const STRAY = new Uint8Array([1, 2, 3]);

/** How the log treats one append, drawn by the test. */
type Mood =
  | "committed"
  | "committed-unknown"
  | "lost-unknown"
  | "late-unknown"
  | "refused-own-pending";

/** A log in memory that may commit late, and say less than it knows. */
class UntidyLog {
  readonly entries: LogBytes[] = [];
  #late: { readonly expected: number; readonly bytes: Uint8Array }[] = [];

  put(bytes: Uint8Array): void {
    this.entries.push({ position: this.entries.length + 1, record: bytes });
  }

  append(expected: number, bytes: Uint8Array, mood: Mood): AppendOutcome {
    if (expected !== this.entries.length) return { kind: "conflict" };
    if (mood === "lost-unknown") return { kind: "unknown", why: "timeout" };
    if (mood === "late-unknown" || mood === "refused-own-pending") {
      this.#late.push({ expected, bytes });
      return mood === "late-unknown" ? { kind: "unknown", why: "timeout" } : { kind: "conflict" };
    }
    this.put(bytes);
    if (mood === "committed-unknown") return { kind: "unknown", why: "timeout" };
    return { kind: "committed", position: expected + 1 };
  }

  /** What was under way arrives, where its expected position is still the end. */
  settle(): void {
    for (const { expected, bytes } of this.#late.splice(0)) {
      if (expected === this.entries.length) this.put(bytes);
    }
  }
}

interface Run {
  readonly log: UntidyLog;
  readonly committed: number[];
  readonly lost: string | undefined;
  readonly rounds: number;
}

const ROUNDS_MAX = 400;

function weight(n: number): RegistryOperation {
  return { kind: "WeightSet", role: "r", weight: n };
}

/** Drives a writer until it has nothing in flight; moods run out and the log is tidy then. */
function drive(moods: Mood[], disturb: (log: UntidyLog, round: number) => void, inFlightMax = 1) {
  const log = new UntidyLog();
  log.put(seal(recordAfter(EMPTY_HEAD, "m1", [LOG_CREATED, elected("m1")])).bytes);
  const follower = new Follower();
  follower.feed(log.entries);
  const head = follower.head;
  const writer = new Writer({
    writer: asId<MasterId>("m1"),
    nonce: "n",
    epoch: head.epoch,
    head,
    inFlightMax,
  });
  const committed: number[] = [];
  let lost: string | undefined;
  let commands: WriterCommand[] = [];
  let round = 0;
  for (; round < ROUNDS_MAX; round += 1) {
    if (round < 12) writer.propose(weight(round + 1));
    commands.push(...writer.flush({ nowMs: round, clusterTimeMs: round, wallMs: round }));
    if (commands.length === 0 && round >= 12 && writer.proposed === 0) break;
    const batch = commands;
    commands = [];
    // A log answers later, in the order of the appends.
    const answers = batch.map((command) => {
      disturb(log, round);
      if (command.kind !== "append") return { command, outcome: undefined };
      const mood = moods.shift() ?? "committed";
      return { command, outcome: log.append(command.expected, command.bytes, mood) };
    });
    for (const { command, outcome } of answers) {
      if (command.kind === "append" && outcome !== undefined) {
        commands.push(...writer.answered(command.token, outcome));
      } else if (command.kind === "read") {
        const entries = log.entries.slice(command.from - 1, command.from - 1 + command.max);
        commands.push(...writer.wasRead(command.token, { kind: "read", entries, first: 1 }));
      } else if (command.kind === "retry") {
        log.settle();
        commands.push(...writer.retry());
      } else if (command.kind === "committed") {
        for (const each of command.record.operations) {
          if (each.kind === "WeightSet") committed.push(each.weight);
        }
      } else if (command.kind === "lost") lost = command.why;
    }
  }
  const run: Run = { log, committed, lost, rounds: round };
  return run;
}

/** All weights that the log holds, as any reader would find them. */
function readAll(log: UntidyLog): { readonly weights: number[]; readonly stop: string } {
  const follower = new Follower();
  const fed = follower.feed(log.entries);
  if (fed.kind === "stop") return { weights: [], stop: fed.why };
  const operations = fed.records.flatMap((record) => record.operations);
  const weights = operations.flatMap((each) => (each.kind === "WeightSet" ? [each.weight] : []));
  return { weights, stop: "" };
}

const mood = fc.constantFrom<Mood>(
  "committed",
  "committed-unknown",
  "lost-unknown",
  "late-unknown",
  "refused-own-pending",
);
const ALL = Array.from({ length: 12 }, (_, n) => n + 1);

for (const inFlightMax of [1, 4]) {
  t.test(`every operation lands once, in order, with ${inFlightMax} in flight`, async (t) => {
    fc.assert(
      fc.property(fc.array(mood, { maxLength: 40 }), (moods) => {
        const { log, committed, lost, rounds } = drive([...moods], () => undefined, inFlightMax);
        assert.ok(rounds < ROUNDS_MAX, "it comes to rest");
        assert.equal(lost, undefined);
        assert.deepEqual(committed, ALL);
        assert.deepEqual(readAll(log), { weights: ALL, stop: "" });
      }),
      { numRuns: 150 },
    );
    t.pass("150 runs");
  });
}

t.test("stray bytes in the log are stepped over, and nothing is lost or doubled", async (t) => {
  fc.assert(
    fc.property(
      fc.array(mood, { maxLength: 20 }),
      fc.array(fc.nat(20), { maxLength: 4 }),
      (moods, strayRounds) => {
        const left = new Set(strayRounds);
        const { log, committed, lost } = drive([...moods], (log, round) => {
          if (left.delete(round)) log.put(STRAY);
        });
        assert.equal(lost, undefined);
        assert.deepEqual(committed, ALL);
        assert.deepEqual(readAll(log), { weights: ALL, stop: "" });
      },
    ),
    { numRuns: 150 },
  );
  t.pass("150 runs");
});

t.test("another master's election ends the writer, and what it said is true", async (t) => {
  fc.assert(
    fc.property(fc.array(mood, { maxLength: 20 }), fc.nat(14), (moods, atRound) => {
      let taken = false;
      const { log, committed, lost } = drive([...moods], (log, round) => {
        if (round < atRound || taken) return;
        taken = true;
        const reader = new Follower();
        reader.feed(log.entries);
        log.put(seal(recordAfter(reader.head, "m2", [elected("m2")])).bytes);
      });
      const { weights, stop } = readAll(log);
      assert.equal(stop, "");
      assert.deepEqual(committed, weights, "what was said to be committed is what readers find");
      if (weights.length < ALL.length) assert.match(lost ?? "", /m2 wrote position/);
    }),
    { numRuns: 150 },
  );
  t.pass("150 runs");
});

function idle(inFlightMax = 1): Writer {
  const head = { ...EMPTY_HEAD, position: 7, validPosition: 7, hash: "ab", epoch: 1 };
  return new Writer({ writer: asId<MasterId>("m"), nonce: "n", epoch: 1, head, inFlightMax });
}

t.test("operations that come while an append is under way are one record", async (t) => {
  const writer = idle();
  const time = { nowMs: 0, clusterTimeMs: 0, wallMs: 0 };
  writer.propose(weight(1));
  const [append] = writer.flush(time);
  if (append?.kind !== "append") throw new Error("no append");
  t.equal(append.expected, 7);
  writer.propose(weight(2));
  writer.propose(weight(3));
  t.same(writer.flush(time), []);
  t.match(writer.answered(append.token, { kind: "committed", position: 8 }), [
    { kind: "committed", record: { operations: [weight(1)] }, sentAtMs: 0 },
  ]);
  t.match(writer.flush({ ...time, nowMs: 5 }), [{ kind: "append", expected: 8 }]);
  t.equal(writer.proposed, 2);
});

t.test("proposals beyond the limits are refused", async (t) => {
  const writer = idle();
  const role = "x".repeat(OPERATION_BYTES_MAX);
  t.equal(writer.propose({ kind: "WeightSet", role, weight: 1 }), false);
  for (let n = 0; n < OPERATIONS_PROPOSED_MAX; n += 1) writer.propose({ kind: "Proof" });
  t.equal(writer.propose({ kind: "Proof" }), false);
});

t.test("a log that was truncated past an unresolved append is a conflict", async (t) => {
  const writer = idle();
  writer.propose(weight(1));
  const [append] = writer.flush({ nowMs: 0, clusterTimeMs: 0, wallMs: 0 });
  if (append?.kind !== "append") throw new Error("no append");
  const [read] = writer.answered(append.token, { kind: "unknown", why: "timeout" });
  if (read?.kind !== "read") throw new Error("no read");
  t.same(writer.wasRead(read.token, { kind: "failed", why: "away" }), [
    { kind: "retry", inMs: 200 },
  ]);
  const [again] = writer.retry();
  if (again?.kind !== "read") throw new Error("no second read");
  const [lost] = writer.wasRead(again.token, { kind: "read", entries: [], first: 100 });
  t.match(lost, { kind: "lost", why: /begins at 100/ });
  t.equal(writer.propose(weight(2)), false);
});

t.test("a log that refuses what follows its end, and lacks that end, went backwards", async (t) => {
  const writer = idle();
  writer.propose(weight(1));
  let command: WriterCommand | undefined = writer.flush({
    nowMs: 0,
    clusterTimeMs: 0,
    wallMs: 0,
  })[0];
  const kinds: string[] = [];
  for (let steps = 0; steps < 100 && command !== undefined; steps++) {
    kinds.push(command.kind);
    if (command.kind === "append") {
      [command] = writer.answered(command.token, { kind: "conflict" });
    } else if (command.kind === "read") {
      t.equal(command.from, writer.head.position);
      [command] = writer.wasRead(command.token, { kind: "read", entries: [], first: 1 });
    } else if (command.kind === "retry") {
      [command] = writer.retry();
    } else {
      t.same(command, {
        kind: "went-backwards",
        why: `log went backwards: position ${writer.head.position}, which was committed, is not there`,
        end: writer.head.position - 1,
      });
      command = undefined;
    }
  }
  t.equal(kinds.filter((kind) => kind === "append").length, END_ABSENT_TIMES);
  t.equal(kinds.at(-1), "went-backwards");
  t.ok(writer.isLost);
});

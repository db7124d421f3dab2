/**
 * What every log must do, whatever keeps it. A harness gives logs of the same stream of records;
 * where only one may be open at a time (`exclusive`), the second opener is refused instead.
 */
import type t from "tap";
import { type AppendOutcome, LOG_RECORD_BYTES_MAX, type LogEntry } from "#runtime";
import { elsewhere, foreign, lost, resolved, truncated } from "./log-loss.cases.ts";
import { append, bytes, type Case, closed, type LogSubject } from "./log-steps.ts";
import { putSurely, readAll, readOnce, shown, text } from "./log-steps.ts";

export type { LogHarness, Lossy, Lost } from "./log-steps.ts";

/** Registers the suite: each sentence gets an empty log. */
export function logContract(tap: typeof t, subject: LogSubject): void {
  tap.test(`${subject.name}: the contract of the log`, async (suite) => {
    const cases = [...CASES, ...(subject.exclusive ? EXCLUSIVE_CASES : SHARED_CASES)];
    for (const [title, run] of cases) {
      await suite.test(title, async (test) => {
        const harness = await subject.make();
        test.teardown(() => subject.teardown(harness));
        await run(test, harness);
      });
    }
  });
}

const empty: Case = [
  "an empty log has no entries, and its first record stands at position 1",
  async (test, harness) => {
    const log = await harness.open();
    test.same(await readOnce(log, 1, 10, harness), { kind: "read", entries: [], first: 1 });
    test.same(await append(log, 0, "a", harness), { kind: "committed", position: 1 });
    test.same(shown(await readAll(log, 1, harness)), ["1 a"]);
    const hints: unknown[] = [];
    log.hint((hint) => void hints.push(hint));
    await harness.until(() => hints.length > 0, "a hint");
    test.same(hints, [{ kind: "hint", first: 1, last: 1 }]);
    await closed(log, harness);
  },
];

const stale: Case = [
  "an append that expects another end than the log's is in conflict and leaves no trace",
  async (test, harness) => {
    const log = await harness.open();
    await append(log, 0, "a", harness);
    test.same(await append(log, 0, "stale", harness), { kind: "conflict" });
    test.same(await append(log, 7, "ahead", harness), { kind: "conflict" });
    test.same(await append(log, 1, "b", harness), { kind: "committed", position: 2 });
    test.same(shown(await readAll(log, 1, harness)), ["1 a", "2 b"]);
    await closed(log, harness);
  },
];

const pipelined: Case = [
  "appends in flight together are committed and answered in order, without gaps",
  async (test, harness) => {
    const log = await harness.open();
    const count = 500;
    const answers: AppendOutcome[] = [];
    for (let index = 0; index < count; index++) {
      log.append(index, bytes(`r${index}`), (outcome) => void answers.push(outcome));
    }
    await harness.until(() => answers.length === count, "all are answered");
    const expected = Array.from({ length: count }, (_, index) => index + 1);
    test.same(
      answers,
      expected.map((position) => ({ kind: "committed", position })),
    );
    const entries = await readAll(log, 1, harness);
    test.same(
      shown(entries),
      expected.map((position) => `${position} r${position - 1}`),
    );
    await closed(log, harness);
  },
];

const broken: Case = [
  "when one of several in flight is in conflict, none behind it is committed",
  async (test, harness) => {
    const log = await harness.open();
    const answers: string[] = [];
    const put = (expected: number, record: string): void =>
      log.append(expected, bytes(record), ({ kind }) => void answers.push(kind));
    put(0, "a");
    put(5, "wrong");
    put(6, "behind it");
    put(1, "b");
    await harness.until(() => answers.length === 4, "all are answered");
    test.same(answers, ["committed", "conflict", "conflict", "committed"]);
    test.same(shown(await readAll(log, 1, harness)), ["1 a", "2 b"]);
    await closed(log, harness);
  },
];

const notWithin: Case = [
  "nothing is called back within the call",
  async (test, harness) => {
    const log = await harness.open();
    let within = true;
    let calls = 0;
    const early: string[] = [];
    const note = (what: string) => (): void => {
      calls += 1;
      if (within) early.push(what);
    };
    log.append(0, bytes("a"), note("append"));
    log.append(9, bytes("b"), note("conflict"));
    log.read(1, 1, note("read"));
    log.hint(note("hint"));
    within = false;
    await harness.until(() => calls === 4, "all are called back");
    within = true;
    const follower = log.follow(1, note("follow"));
    log.close(note("close"));
    within = false;
    await harness.until(() => calls >= 5, "closed");
    follower.stop();
    test.same(early, []);
  },
];

const partly: Case = [
  "reading begins where it is told and gives no more than it is told",
  async (test, harness) => {
    const log = await harness.open();
    for (let index = 0; index < 10; index++) await append(log, index, `r${index}`, harness);
    const some = await readOnce(log, 4, 3, harness);
    test.same(some.kind === "read" && shown(some.entries), ["4 r3", "5 r4", "6 r5"]);
    const rest = await readOnce(log, 9, 100, harness);
    test.same(rest.kind === "read" && shown(rest.entries), ["9 r8", "10 r9"]);
    test.same(await readOnce(log, 11, 5, harness), { kind: "read", entries: [], first: 1 });
    test.same(await readOnce(log, 500, 5, harness), { kind: "read", entries: [], first: 1 });
    await closed(log, harness);
  },
];

const largest: Case = [
  "the largest record and an empty one come back as they were, a larger one is refused",
  async (test, harness) => {
    const log = await harness.open();
    const large = Uint8Array.from({ length: LOG_RECORD_BYTES_MAX }, (_, index) => index * 7);
    const answers: AppendOutcome[] = [];
    log.append(0, large, (outcome) => void answers.push(outcome));
    log.append(1, new Uint8Array(0), (outcome) => void answers.push(outcome));
    await harness.until(() => answers.length === 2, "both are answered");
    test.same(
      answers.map(({ kind }) => kind),
      ["committed", "committed"],
    );
    const [first, second] = await readAll(log, 1, harness);
    test.ok(first !== undefined && Buffer.from(first.record).equals(large));
    test.equal(second?.record.length, 0);
    test.throws(() => log.append(2, new Uint8Array(LOG_RECORD_BYTES_MAX + 1), () => undefined));
    await closed(log, harness);
  },
];

const followed: Case = [
  "a follower hears what is there and what comes, in order, each once, until it stops",
  async (test, harness) => {
    const log = await harness.open();
    for (let index = 0; index < 5; index++) await append(log, index, `r${index}`, harness);
    const heard: string[] = [];
    const late: string[] = [];
    const follower = log.follow(3, (entries) => void heard.push(...shown(entries)));
    log.follow(8, (entries) => void late.push(...shown(entries)));
    await harness.until(() => heard.length === 3, "what is there");
    for (let index = 5; index < 9; index++) await append(log, index, `r${index}`, harness);
    await harness.until(() => heard.length === 7 && late.length === 2, "what comes");
    follower.stop();
    await append(log, 9, "r9", harness);
    await harness.until(() => late.length === 3, "what comes later");
    await harness.settle();
    test.same(heard, ["3 r2", "4 r3", "5 r4", "6 r5", "7 r6", "8 r7", "9 r8"]);
    test.same(late, ["8 r7", "9 r8", "10 r9"]);
    await closed(log, harness);
  },
];

const crashed: Case = [
  "what was committed survives a crash in the middle; what was not is there whole or not at all",
  async (test, harness) => {
    const log = await harness.openMortal();
    const answers: AppendOutcome[] = [];
    const count = 400;
    for (let index = 0; index < count; index++) {
      const record = bytes(`r${index} ${"x".repeat(index)}`);
      log.append(index, record, (outcome) => void answers.push(outcome));
    }
    await harness.until(() => answers.length > 0, "the first answer");
    await harness.crash();
    if (!log.exclusive) await harness.until(() => answers.length === count, "all are answered");
    test.same(
      answers.filter(({ kind }) => kind === "conflict"),
      [],
      "what may be there is not called a conflict",
    );
    const known = answers.filter(({ kind }) => kind === "committed").length;
    const again = log.exclusive ? await harness.open() : log;
    let entries: LogEntry[] = [];
    const last = (): number => entries.at(-1)?.position ?? 0;
    entries = await readAll(again, 1, harness);
    test.ok(last() >= known, `${known} were committed, ${last()} are there`);
    test.same(
      shown(entries).map((line) => line.split(" ").slice(0, 2).join(" ")),
      entries.map((_, index) => `${index + 1} r${index}`),
    );
    test.ok(entries.every((entry) => text(entry).endsWith("x".repeat(entry.position - 1))));
    const position = last() + 1;
    await putSurely(again, position, "after", harness);
    const after = await readOnce(again, position, 5, harness);
    test.same(after.kind === "read" && shown(after.entries), [`${position} after`]);
    await closed(again, harness);
  },
];

const reopened: Case = [
  "a log that was closed and opened again goes on where it was",
  async (test, harness) => {
    const log = await harness.open();
    // Three brokers that were just started may not answer at first: then it is not known what came of it.
    await putSurely(log, 1, "a", harness);
    await putSurely(log, 2, "b", harness);
    await closed(log, harness);
    const again = await harness.open();
    test.same(await append(again, 1, "stale", harness), { kind: "conflict" });
    test.same(await append(again, 2, "c", harness), { kind: "committed", position: 3 });
    test.same(shown(await readAll(again, 1, harness)), ["1 a", "2 b", "3 c"]);
    await closed(again, harness);
  },
];

const CASES: readonly Case[] = [
  truncated,
  elsewhere,
  lost,
  resolved,
  empty,
  stale,
  pipelined,
  broken,
  notWithin,
  partly,
  largest,
  followed,
  crashed,
  reopened,
];

const oneOwner: Case = [
  "a second opener is refused while the first lives, and may open it afterwards",
  async (test, harness) => {
    const log = await harness.open();
    test.ok(log.exclusive);
    await test.rejects(harness.open());
    test.same(await append(log, 0, "a", harness), { kind: "committed", position: 1 });
    await closed(log, harness);
    const next = await harness.open();
    test.same(shown(await readAll(next, 1, harness)), ["1 a"]);
    await closed(next, harness);
  },
];

const EXCLUSIVE_CASES: readonly Case[] = [oneOwner];

const candidates: Case = [
  "of candidates that append at the same end exactly one wins, and all read who",
  async (test, harness) => {
    const logs = [await harness.open(), await harness.open(), await harness.open()];
    for (let round = 0; round < 10; round++) {
      const answers: string[] = [];
      for (const [index, log] of logs.entries()) {
        log.append(round, bytes(`${index}`), ({ kind }) => void answers.push(kind));
      }
      await harness.until(() => answers.length === logs.length, "all are answered");
      test.same(answers.sort(), ["committed", "conflict", "conflict"]);
    }
    const [first, ...others] = await Promise.all(logs.map((log) => readAll(log, 1, harness)));
    for (const other of others) test.same(shown(other), shown(first ?? []));
    for (const log of logs) await closed(log, harness);
  },
];

const deposed: Case = [
  "a deposed writer can never append again at the ends it knows",
  async (test, harness) => {
    const [old, next] = [await harness.open(), await harness.open()];
    await append(old, 0, "old leads", harness);
    await append(next, 1, "next leads", harness);
    const answers: string[] = [];
    // Its pipeline, as it had planned it before it knew. (At 2 it would have to have read on.)
    for (const expected of [1, 3, 4]) {
      old.append(expected, bytes("old again"), ({ kind }) => void answers.push(kind));
    }
    await harness.until(() => answers.length === 3, "all are answered");
    test.same(answers, ["conflict", "conflict", "conflict"]);
    test.same(shown(await readAll(next, 1, harness)), ["1 old leads", "2 next leads"]);
    await closed(old, harness);
    await closed(next, harness);
  },
];

const standby: Case = [
  "a standby's follower hears what another appends, through a crash too",
  async (test, harness) => {
    const [leader, other] = [await harness.open(), await harness.open()];
    const heard: string[] = [];
    other.follow(1, (entries) => void heard.push(...shown(entries)));
    await append(leader, 0, "a", harness);
    await harness.until(() => heard.length === 1, "the first is heard");
    await harness.crash();
    await putSurely(leader, 2, "b", harness);
    await harness.until(() => heard.length === 2, "the second is heard");
    test.same(heard, ["1 a", "2 b"]);
    await closed(leader, harness);
    await closed(other, harness);
  },
];

const SHARED_CASES: readonly Case[] = [foreign, candidates, deposed, standby];

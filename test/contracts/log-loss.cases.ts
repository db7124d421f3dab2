/** Appends and answers that are lost, writers that resolve them, and truncation: of the contract. */
import type { StepDownOutcome, TruncateOutcome } from "#runtime";
import { DrivenWriter, rolesIn } from "../support/driven-writer.ts";
import { append, type Case, closed, putSurely, readAll, readOnce, shown } from "./log-steps.ts";

export const lost: Case = [
  "an append whose way or answer is lost is unknown: there once or not at all, and asked again",
  async (test, harness) => {
    const { log, suffers, lose } = await harness.openLossy();
    const expected: string[] = [];
    for (const what of suffers) {
      for (let round = 0; round < 3; round++) {
        const position = expected.length;
        const record = `${what}-${round}`;
        lose(what);
        const outcome = await append(log, position, record, harness);
        test.equal(outcome.kind, "unknown", `${what} lost: ${JSON.stringify(outcome)}`);
        const there = (await readAll(log, 1, harness)).length > position;
        test.equal(there, what === "answer", "the record says what the answer did not");
        const again = await append(log, position, record, harness);
        test.equal(again.kind, there ? "conflict" : "committed", "the same bytes once more");
        expected.push(`${position + 1} ${record}`);
      }
    }
    test.same(shown(await readAll(log, 1, harness)), expected);
    await closed(log, harness);
  },
];

export const resolved: Case = [
  "a writer gets each of its records in once, in order, whatever is lost (P-7.1)",
  async (test, harness) => {
    const { log, suffers, lose } = await harness.openLossy();
    const writer = new DrivenWriter(log, harness.until, "w1");
    for (let round = 0; round < 12; round++) {
      const what = suffers[round % (suffers.length + 1)];
      if (what !== undefined) lose(what);
      await writer.write(`role-${round}`);
    }
    test.equal(writer.lost, undefined);
    test.same(
      writer.committed,
      Array.from({ length: 12 }, (_, round) => `role-${round}`),
    );
    const entries = await readAll(log, 1, harness);
    test.same(entries.map(rolesIn), [[], ...writer.committed.map((role) => [role])]);
    await closed(log, harness);
  },
];

export const foreign: Case = [
  "of two writers the one whose append meets the other's record knows by that record (P-7.1)",
  async (test, harness) => {
    const { log, lose } = await harness.openLossy();
    const other = await harness.open();
    const first = new DrivenWriter(log, harness.until, "w1");
    await first.write("before");
    const second = new DrivenWriter(other, harness.until, "w2", first.head);
    await second.write("second leads");
    lose("append");
    await first.write("never");
    test.match(first.lost, /w2 wrote position 3/);
    test.same(first.committed, ["before"]);
    const entries = await readAll(other, 1, harness);
    test.same(entries.map(rolesIn), [[], ["before"], [], ["second leads"]]);
    await closed(log, harness);
    await closed(other, harness);
  },
];

export const truncated: Case = [
  "what is truncated cannot be read, says where the log begins, and leaves the end where it is",
  async (test, harness) => {
    const log = await harness.open();
    const count = 40;
    for (let index = 0; index < count; index++) await append(log, index, `r${index}`, harness);
    const truncate = async (before: number): Promise<void> => {
      const outcomes: TruncateOutcome[] = [];
      log.truncate(before, (outcome) => void outcomes.push(outcome));
      await harness.until(() => outcomes.length > 0, "truncated");
      test.same(outcomes, [{ kind: "done" }]);
    };
    await truncate(30);
    await truncate(30);
    const gone = await readOnce(log, 1, 100, harness);
    if (gone.kind !== "read") throw new Error(gone.why);
    test.same(gone.entries, []);
    const { first } = gone;
    test.ok(first > 1 && first <= 30, `begins at ${first}, at the latest at 30`);
    const left = Array.from({ length: count - first + 1 }, (_, index) => first + index);
    const expected = left.map((position) => `${position} r${position - 1}`);
    test.same(shown(await readAll(log, first, harness)), expected);
    const heard: string[] = [];
    log.follow(1, (entries) => void heard.push(...shown(entries)));
    await harness.until(() => heard.length === expected.length, "what is left is followed");
    test.same(heard, expected);
    test.same(await append(log, 10, "stale", harness), { kind: "conflict" });
    test.same(await append(log, count, "next", harness), {
      kind: "committed",
      position: count + 1,
    });
    await closed(log, harness);
    const again = await harness.open();
    test.same(shown(await readAll(again, first, harness)), [...expected, `${count + 1} next`]);
    await closed(again, harness);
  },
];

export const elsewhere: Case = [
  "asked for another copy it says that there is none, or goes on from the same end",
  async (test, harness) => {
    const log = await harness.open();
    for (let end = 0; end < 3; end++) await append(log, end, `r${end}`, harness);
    const outcomes: StepDownOutcome[] = [];
    log.stepDown(3, (outcome) => void outcomes.push(outcome));
    await harness.until(() => outcomes.length > 0, "the answer");
    const [outcome] = outcomes;
    if (outcome?.kind === "failed") test.match(outcome.why, /./);
    await putSurely(log, 4, "after", harness);
    test.same(shown(await readAll(log, 1, harness)), ["1 r0", "2 r1", "3 r2", "4 after"]);
    await closed(log, harness);
  },
];

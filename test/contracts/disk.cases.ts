/**
 * What every disk must do. The harness can cut the power: what was called done before must be
 * there afterwards, and what was not is the old or the new, whole.
 */
import type t from "tap";
import type { Disk, DiskList, DiskOutcome, DiskRead } from "#runtime";

export interface DiskHarness {
  /** Opens the disk; while it is open nobody else may. */
  open(): Promise<Disk>;
  until(condition: () => boolean, what: string): Promise<void>;
  /** The same, of a disk that `crash` can end: replaces and reads, no more is asked. */
  openMortal(): Promise<Disk>;
  /** Ends the process that has it open, in the middle; mortal disks are dead afterwards. */
  crash(): Promise<void>;
}

export interface DiskSubject {
  readonly name: string;
  /** A harness with an empty disk. */
  make(): Promise<DiskHarness>;
  teardown(harness: DiskHarness): Promise<void>;
}

type Test = Pick<typeof t, "same" | "equal" | "ok" | "rejects" | "throws">;
type Case = readonly [title: string, run: (test: Test, harness: DiskHarness) => Promise<void>];

export function diskContract(tap: typeof t, subject: DiskSubject): void {
  tap.test(`${subject.name}: the contract of the disk`, async (suite) => {
    for (const [title, run] of CASES) {
      await suite.test(title, async (test) => {
        const harness = await subject.make();
        test.teardown(() => subject.teardown(harness));
        await run(test, harness);
      });
    }
  });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const shown = (outcome: DiskRead): string =>
  outcome.kind === "read" ? new TextDecoder().decode(outcome.bytes) : outcome.kind;

/** Waits for the one outcome of an operation. */
async function outcomeOf<Outcome>(
  { until }: DiskHarness,
  start: (done: (outcome: Outcome) => void) => void,
): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  start((outcome) => void outcomes.push(outcome));
  await until(() => outcomes.length > 0, "an operation is over");
  const [outcome] = outcomes;
  if (outcome === undefined) throw new Error("no outcome");
  return outcome;
}

const contentOf = async (disk: Disk, path: string, harness: DiskHarness): Promise<string> =>
  shown(await outcomeOf<DiskRead>(harness, (done) => disk.read(path, done)));

const namesIn = (disk: Disk, path: string, harness: DiskHarness): Promise<DiskList> =>
  outcomeOf<DiskList>(harness, (done) => disk.list(path, done));

const DONE: DiskOutcome = { kind: "done" };

const whole: Case = [
  "a file that is replaced reads back whole, in folders that are made on the way",
  async (test, harness) => {
    const disk = await harness.open();
    test.equal(await contentOf(disk, "agent/info", harness), "absent");
    const replace = (text: string) =>
      outcomeOf<DiskOutcome>(harness, (done) => disk.replace("agent/info", bytes(text), done));
    test.same(await replace("one"), DONE);
    test.equal(await contentOf(disk, "agent/info", harness), "one");
    test.same(await replace(""), DONE);
    test.equal(await contentOf(disk, "agent/info", harness), "");
    await closed(disk, harness);
  },
];

const ordered: Case = [
  "operations on one path happen in the order of the calls, without waiting between them",
  async (test, harness) => {
    const disk = await harness.open();
    const story: string[] = [];
    const note =
      (what: string) =>
      (outcome: DiskOutcome | DiskRead): void =>
        void story.push(`${what} ${outcome.kind === "read" ? shown(outcome) : outcome.kind}`);
    disk.replace("f", bytes("a"), note("replace"));
    disk.append("f", bytes("b"), note("append"));
    disk.append("f", bytes("c"), note("append"));
    disk.read("f", note("read"));
    disk.replace("f", bytes("z"), note("replace"));
    disk.read("f", note("read"));
    disk.remove("f", note("remove"));
    disk.read("f", note("read"));
    disk.append("f", bytes("new"), note("append"));
    disk.read("f", note("read"));
    await harness.until(() => story.length === 10, "all are over");
    test.same(story, [
      "replace done",
      "append done",
      "append done",
      "read abc",
      "replace done",
      "read z",
      "remove done",
      "read absent",
      "append done",
      "read new",
    ]);
    await closed(disk, harness);
  },
];

const folders: Case = [
  "a folder lists its files and folders sorted, and is removed with all that is in it",
  async (test, harness) => {
    const disk = await harness.open();
    const outcomes: string[] = [];
    const lists: DiskList[] = [];
    const note = ({ kind }: DiskOutcome): void => void outcomes.push(kind);
    for (const path of ["tasks/t2/info", "tasks/t1/info", "tasks/latest", "other"]) {
      disk.replace(path, bytes(path), note);
    }
    for (const path of ["tasks", "", "nowhere"]) disk.list(path, (list) => void lists.push(list));
    disk.append("tasks/t1/updates", bytes("x"), note);
    disk.remove("tasks", note);
    disk.remove("tasks", note);
    disk.list("tasks", (list) => void lists.push(list));
    disk.replace("tasks/t1/info", bytes("again"), note);
    disk.list("tasks/t1", (list) => void lists.push(list));
    await harness.until(() => lists.length === 5 && outcomes.length === 8, "all are over");
    test.same(new Set(outcomes), new Set(["done"]));
    test.same(
      lists.map((list) => (list.kind === "list" ? list.names : list)),
      [["latest", "t1/", "t2/"], ["other", "tasks/"], [], [], ["info"]],
    );
    test.equal(await contentOf(disk, "tasks/t1/info", harness), "again");
    test.equal(await contentOf(disk, "tasks/t1/updates", harness), "absent");
    await closed(disk, harness);
  },
];

const neverWithin: Case = [
  "nothing is called back within the call",
  async (test, harness) => {
    const disk = await harness.open();
    let within = true;
    let calls = 0;
    const early: string[] = [];
    const note = (what: string) => (): void => {
      calls += 1;
      if (within) early.push(what);
    };
    disk.replace("a", bytes("a"), note("replace"));
    disk.append("b", bytes("b"), note("append"));
    disk.read("c", note("read"));
    disk.list("", note("list"));
    disk.remove("d", note("remove"));
    disk.close(note("close"));
    within = false;
    await harness.until(() => calls === 6, "all are called back");
    test.same(early, []);
  },
];

const many: Case = [
  "many files at once are each done, and each there",
  async (test, harness) => {
    const disk = await harness.open();
    const paths = Array.from({ length: 300 }, (_, index) => `c/${index % 30}/f${index}`);
    const kinds: string[] = [];
    for (const path of paths) {
      disk.append(path, bytes(`${path} `), ({ kind }) => void kinds.push(kind));
      disk.append(path, bytes("twice"), ({ kind }) => void kinds.push(kind));
    }
    await harness.until(() => kinds.length === 600, "all are over");
    test.same(new Set(kinds), new Set(["done"]));
    const texts: string[] = [];
    for (const path of paths) disk.read(path, (outcome) => void texts.push(shown(outcome)));
    await harness.until(() => texts.length === 300, "all are read");
    test.same(
      texts,
      paths.map((path) => `${path} twice`),
    );
    await closed(disk, harness);
  },
];

const strange: Case = [
  "a path that leaves the disk or hides in it is refused",
  async (test, harness) => {
    const disk = await harness.open();
    for (const path of ["", "/etc/x", "../x", "a/../b", "a//b", ".hidden", "a/.b", "a b", "a\0"]) {
      test.throws(() => disk.replace(path, bytes("x"), () => undefined), JSON.stringify(path));
      test.throws(() => disk.remove(path, () => undefined), JSON.stringify(path));
    }
    await closed(disk, harness);
  },
];

const crashed: Case = [
  "after a crash every file is the old or the new, whole, and at least what was called done",
  async (test, harness) => {
    const disk = await harness.openMortal();
    const done = new Map<string, number>();
    let ended = 0;
    for (let version = 1; version <= 20; version++) {
      for (let file = 0; file < 20; file++) {
        const path = `d/f${file}`;
        const content = bytes(`${version}:${"x".repeat(version * 100)}`);
        disk.replace(path, content, ({ kind }) => {
          if (kind === "done") done.set(path, version);
          ended += 1;
        });
        // A read between them makes each version a write of its own.
        disk.read(path, () => undefined);
      }
    }
    await harness.until(() => ended >= 50, "some are done");
    await harness.crash();
    const again = await harness.open();
    for (let file = 0; file < 20; file++) {
      const path = `d/f${file}`;
      const content = await contentOf(again, path, harness);
      const [version = "0", rest = ""] = content === "absent" ? [] : content.split(":");
      test.ok(Number(version) >= (done.get(path) ?? 0), `${path} at least ${done.get(path)}`);
      test.equal(rest.length, Number(version) * 100, `${path} is whole`);
    }
    const names = await namesIn(again, "", harness);
    test.same(names, { kind: "list", names: ["d/"] }, "nothing else is left behind");
    await closed(again, harness);
  },
];

const CASES: readonly Case[] = [whole, ordered, folders, neverWithin, many, strange, crashed];

async function closed(disk: Disk, { until }: DiskHarness): Promise<void> {
  let over = false;
  disk.close(() => {
    over = true;
  });
  await until(() => over, "the disk is closed");
}

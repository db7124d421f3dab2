/** The two real logs under the contract of the port, and what is particular to each. */
import { readFileSync } from "node:fs";
import { appendFile, mkdtemp, open, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import {
  claimLog,
  openSegmentLog,
  type SegmentLogOptions,
  streamFaults,
  systemClock,
} from "#adapters";
import type { AppendOutcome, Log, LogEntry } from "#runtime";
import { type LogHarness, logContract } from "../contracts/log.cases.ts";
import { type Mortal, mortalLog } from "../support/mortal.ts";
import { StreamLogs } from "../support/stream-logs.ts";
import { until } from "../support/until.ts";

const clock = systemClock();

function segmentOptions(dir: string, warnings: string[] = []): SegmentLogOptions {
  const owner = { logId: "test", generation: 0 };
  return { dir, owner, clock, warn: (sentence) => void warnings.push(sentence) };
}

const dirs = new Map<LogHarness, string>();

logContract(t, {
  name: "the log in segments",
  exclusive: true,
  async make() {
    const dir = await mkdtemp(join(tmpdir(), "meseta-test-log-"));
    const mortals: Mortal<Log>[] = [];
    // Small segments: only whole ones can be truncated.
    const options = { ...segmentOptions(dir), segmentBytesMax: 400 };
    const harness: LogHarness = {
      open: () => openSegmentLog(options),
      async openMortal() {
        const mortal = await mortalLog(dir);
        mortals.push(mortal);
        return mortal.port;
      },
      until,
      settle: async () => {
        for (let turn = 0; turn < 10; turn++) await new Promise((done) => setImmediate(done));
      },
      async crash() {
        for (const mortal of mortals) await mortal.kill();
      },
      /** Files may not grow: the write fails. There is no way on which an answer could be lost. */
      async openLossy() {
        const mortal = await mortalLog(dir);
        mortals.push(mortal);
        const lose = (): void => mortal.refuseNextWrite();
        return { log: mortal.port, suffers: ["append"], lose };
      },
    };
    dirs.set(harness, dir);
    return harness;
  },
  async teardown(harness) {
    await harness.crash();
    await rm(dirs.get(harness) ?? "", { recursive: true, force: true });
  },
});

const streamLogs: StreamLogs[] = [];
t.teardown(async () => {
  for (const one of streamLogs) await one.stop();
});

for (const replicas of [1, 3]) {
  const logs = new StreamLogs(replicas);
  streamLogs.push(logs);
  logContract(t, {
    name: `the log on a stream of ${replicas === 1 ? "one broker" : `${replicas} brokers`}`,
    exclusive: false,
    make: () => logs.harness(),
    // Two streams cannot have one subject: the next log needs this one gone.
    teardown: () => logs.remove(),
  });
}

t.test("an append that got no answer in time is unknown, and may be there", async (test) => {
  const logs = new StreamLogs(1);
  test.teardown(() => logs.stop());
  const log = await logs.open({ appendTimeoutMs: 200 });
  const broker = await logs.broker();
  const append = async (expected: number, record: string): Promise<AppendOutcome | undefined> => {
    const outcomes: AppendOutcome[] = [];
    log.append(expected, new TextEncoder().encode(record), (one) => void outcomes.push(one));
    await until(() => outcomes.length > 0, `append of ${record}`);
    return outcomes[0];
  };
  const entries = async (): Promise<string[]> => {
    const found: string[] = [];
    let over = false;
    log.read(1, 10, (outcome) => {
      over = true;
      if (outcome.kind !== "read") return;
      for (const { record } of outcome.entries) found.push(new TextDecoder().decode(record));
    });
    await until(() => over, "a read");
    return found;
  };
  test.same(await append(0, "a"), { kind: "committed", position: 1 });
  process.kill(broker.pid ?? 0, "SIGSTOP");
  const standing = (): boolean => /\) T /.test(readFileSync(`/proc/${broker.pid}/stat`, "utf8"));
  await until(standing, "the broker stands still");
  const outcome = await append(1, "b");
  process.kill(broker.pid ?? 0, "SIGCONT");
  test.equal(outcome?.kind, "unknown");
  // It did commit, late; the same bytes again meet it and reading tells whose it is (P-7.1).
  test.same(await append(1, "b"), { kind: "conflict" });
  test.same(await entries(), ["a", "b"]);
  test.same(await append(2, "c"), { kind: "committed", position: 3 });
  let over = false;
  log.close(() => {
    over = true;
  });
  await until(() => over, "closed");
});

t.test("a log in segments", async (suite) => {
  const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), "meseta-test-log-"));
  const text = ({ record }: LogEntry): string => new TextDecoder().decode(record);

  async function put(log: Log, from: number, records: readonly string[]): Promise<string[]> {
    const kinds: string[] = [];
    for (const [index, record] of records.entries()) {
      const done = ({ kind }: AppendOutcome): void => void kinds.push(kind);
      log.append(from + index, new TextEncoder().encode(record), done);
    }
    await until(() => kinds.length === records.length, "all are answered");
    return kinds;
  }

  async function all(log: Log): Promise<string[]> {
    let entries: readonly LogEntry[] | undefined;
    log.read(1, 10_000, (outcome) => {
      entries = outcome.kind === "read" ? outcome.entries : [];
    });
    await until(() => entries !== undefined, "a read");
    return (entries ?? []).map(text);
  }

  async function shut(log: Log): Promise<void> {
    let over = false;
    log.close(() => {
      over = true;
    });
    await until(() => over, "closed");
  }

  async function lastSegment(dir: string): Promise<string> {
    const names = (await readdir(dir)).filter((name) => name.endsWith(".segment")).sort();
    return join(dir, names.at(-1) ?? "");
  }

  await suite.test(
    "cuts a torn tail wherever it is torn, with a warning, and goes on",
    async (test) => {
      const dir = await scratch();
      test.teardown(() => rm(dir, { recursive: true, force: true }));
      const log = await openSegmentLog(segmentOptions(dir));
      await put(log, 0, ["one", "two", "three"]);
      await shut(log);
      const path = await lastSegment(dir);
      const whole = await readFile(path);
      const lastLength = 28 + "three".length;
      for (let torn = 1; torn < lastLength; torn++) {
        const file = await open(path, "w");
        await file.write(whole.subarray(0, whole.length - torn));
        await file.close();
        const warnings: string[] = [];
        const again = await openSegmentLog(segmentOptions(dir, warnings));
        test.same(await all(again), ["one", "two"], `torn by ${torn}`);
        test.equal(warnings.length, 1, warnings[0] ?? "a warning");
        test.same(await put(again, 2, ["three"]), ["committed"]);
        await shut(again);
        test.equal((await stat(path)).size, whole.length, "nothing of the torn one is left");
      }
    },
  );

  await suite.test("cuts what is no entry behind its end", async (test) => {
    const dir = await scratch();
    test.teardown(() => rm(dir, { recursive: true, force: true }));
    const log = await openSegmentLog(segmentOptions(dir));
    await put(log, 0, ["one"]);
    await shut(log);
    const path = await lastSegment(dir);
    const { size } = await stat(path);
    await appendFile(path, Buffer.alloc(4_096));
    const again = await openSegmentLog(segmentOptions(dir));
    test.same(await all(again), ["one"]);
    await shut(again);
    test.equal((await stat(path)).size, size);
  });

  await suite.test(
    "refuses to open when a durable record is damaged, and cuts nothing",
    async (test) => {
      const dir = await scratch();
      test.teardown(() => rm(dir, { recursive: true, force: true }));
      const log = await openSegmentLog(segmentOptions(dir));
      for (const [index, record] of ["one", "two", "three"].entries())
        await put(log, index, [record]);
      await shut(log);
      const path = await lastSegment(dir);
      const damaged = await readFile(path);
      damaged[30] = (damaged[30] ?? 0) ^ 1;
      const file = await open(path, "w");
      await file.write(damaged);
      await file.close();
      await test.rejects(openSegmentLog(segmentOptions(dir)), /position 1 was durable/);
      test.same(await readFile(path), damaged);
    },
  );

  await suite.test("goes over from one segment to the next and misses none", async (test) => {
    const dir = await scratch();
    test.teardown(() => rm(dir, { recursive: true, force: true }));
    const options = { ...segmentOptions(dir), segmentBytesMax: 200 };
    const records = Array.from({ length: 40 }, (_, index) => `record ${index}`);
    const log = await openSegmentLog(options);
    for (const [index, record] of records.entries()) await put(log, index, [record]);
    await shut(log);
    test.ok((await readdir(dir)).filter((name) => name.endsWith(".segment")).length > 5);
    const again = await openSegmentLog(options);
    const heard: string[] = [];
    again.follow(1, (entries) => void heard.push(...entries.map(text)));
    await until(() => heard.length === 40, "all are followed");
    test.same(heard, records);
    await shut(again);
    const [, second = ""] = (await readdir(dir)).filter((name) => name.endsWith(".segment")).sort();
    await truncate(join(dir, second), 10);
    await test.rejects(openSegmentLog(options), /damaged/, "not in the last segment");
  });

  await suite.test("belongs to one log and one adapter", async (test) => {
    const dir = await scratch();
    test.teardown(() => rm(dir, { recursive: true, force: true }));
    await shut(await openSegmentLog(segmentOptions(dir)));
    await test.rejects(
      claimLog(dir, { adapter: "jetstream", logId: "test", generation: 0 }),
      /--bus memory/,
    );
    const other = { ...segmentOptions(dir), owner: { logId: "other", generation: 0 } };
    await test.rejects(openSegmentLog(other), /belongs to log test/);
    const next = { ...segmentOptions(dir), owner: { logId: "test", generation: 1 } };
    await shut(await openSegmentLog(next));
    await test.rejects(openSegmentLog(segmentOptions(dir)), /generation 1/);
  });
});

t.test("a stream that somebody made otherwise is not opened", async (test) => {
  const logs = new StreamLogs(1);
  test.teardown(() => logs.stop());
  await logs.open();
  const stream = { ...(await logs.stream()), replicas: 3 };
  await test.rejects(logs.open({ stream }), /replicas: fewer than 3/);
});

t.test("a stream that could lose records is refused, with each fault named", async (test) => {
  const wanted = { name: "log", subject: "meseta.test.log", replicas: 3 };
  const good = {
    name: "log",
    subjects: ["meseta.test.log"],
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: 3,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
  };
  type Config = Parameters<typeof streamFaults>[0];
  const faultsOf = (change: object) => streamFaults({ ...good, ...change } as Config, wanted);
  test.same(faultsOf({}), []);
  const changes: readonly object[] = [
    { subjects: ["meseta.test.>"] },
    { storage: "memory" },
    { retention: "workqueue" },
    { discard: "old" },
    { num_replicas: 1 },
    { max_msgs: 5 },
    { max_bytes: 5 },
    { max_age: 5 },
    { max_msgs_per_subject: 1 },
    { max_msg_size: 1_000 },
    { mirror: { name: "x" } },
    { sources: [{ name: "x" }] },
    { subject_transform: { src: "a", dest: "b" } },
    { allow_rollup_hdrs: true },
    { no_ack: true },
    { sealed: true },
    { allow_msg_ttl: true },
    { persist_mode: "async" },
  ];
  for (const change of changes) test.equal(faultsOf(change).length, 1, JSON.stringify(change));
});

/** Files of recordings: torn, damaged, foreign, too large, on a disk without room. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openRecordingPlace, RECORDING_QUEUE_BYTES_MAX, RecordingFile } from "#adapters";
import type { RecordingEnd, RecordingHead } from "#recording";
import { isRecording, RecordingFileError, RecordingReader, replay } from "#sim";
import { skipWithoutRoot } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { recordedCluster } from "./simulated.ts";

const MIB = 1024 * 1024;

function folder(test: Test): string {
  const dir = mkdtempSync(join(tmpdir(), "meseta-test-recording-"));
  test.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const HEAD = { version: 1, name: "a", life: 1, startedAtMs: 1, build: "b" } as RecordingHead;

/** A short life of a simulated master, in a file. */
async function written(dir: string): Promise<{ path: string; head: RecordingHead }> {
  const { lives } = recordedCluster({
    seed: "files",
    masters: 1,
    agents: 1,
    frameworks: 1,
    brokers: 1,
    items: 5,
    profile: "nats",
    untilMs: 20_000,
    faultEveryMs: 0,
  });
  const [life] = lives;
  if (life === undefined) throw new Error("nobody was recorded");
  const place = { dir, lifeBytes: 64 * MIB, totalBytes: 64 * MIB };
  const file = new RecordingFile(place, life.head);
  for (const { before, entries } of life.sink.blocks) file.block(before, entries);
  file.end(life.tape.turns, { kind: "stopped", why: "the test is over" });
  await file.drained();
  return { path: file.path, head: life.head };
}

function allOf(path: string) {
  const reader = new RecordingReader(path);
  try {
    const result = replay({ head: reader.head, blocks: reader.blocks() });
    return { ...result, end: reader.end };
  } finally {
    reader.close();
  }
}

t.test("what was written is read, and replays", async (t) => {
  const { path, head } = await written(folder(t));
  t.ok(isRecording(path));
  const { divergence, end, events } = allOf(path);
  t.equal(divergence, undefined);
  t.same(end, { kind: "stopped", why: "the test is over" });
  t.ok(events > 100);
  const reader = new RecordingReader(path);
  t.same(reader.head, head);
  reader.close();
});

t.test("a torn tail costs what it held and nothing more", async (t) => {
  const dir = folder(t);
  const { path } = await written(dir);
  const whole = readFileSync(path);
  const torn = join(dir, "torn.rec");
  const first = new RecordingReader(path);
  first.close();
  for (let cut = 1; cut < whole.length; cut = Math.ceil(cut * 1.7)) {
    copyFileSync(path, torn);
    truncateSync(torn, whole.length - cut);
    try {
      const { divergence, end } = allOf(torn);
      t.equal(divergence, undefined);
      t.equal(end?.kind, "torn");
    } catch (error) {
      t.ok(error instanceof RecordingFileError, String(error));
      t.match(String(error), /cut off before its head|does not begin as one/);
    }
  }
});

t.test("damage within is told with file and place, what is before it replays", async (t) => {
  const dir = folder(t);
  const { path } = await written(dir);
  const bytes = readFileSync(path);
  const reader = new RecordingReader(path);
  reader.close();
  const damaged = join(dir, "damaged.rec");
  const at = Math.floor(bytes.length / 4);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  writeFileSync(damaged, bytes);
  t.throws(() => allOf(damaged), {
    name: "RecordingFileError",
    message: /damaged\.rec: the block at byte \d+ is damaged: .*take the file anew/,
  });
});

t.test("foreign files and versions are refused with a sentence", async (t) => {
  const dir = folder(t);
  const text = join(dir, "text");
  writeFileSync(text, "this is no recording at all");
  t.notOk(isRecording(text));
  t.throws(() => new RecordingReader(text), /text: no recording: it does not begin as one/);
  t.notOk(isRecording(join(dir, "absent")));
  t.throws(() => new RecordingReader(join(dir, "absent")), /cannot be read: ENOENT/);
  const place = { dir, lifeBytes: MIB, totalBytes: MIB };
  const version: number = 99;
  const other = new RecordingFile(place, { ...HEAD, version } as RecordingHead);
  other.end(0, { kind: "stopped", why: "" });
  await other.drained();
  t.throws(() => new RecordingReader(other.path), /version 99 of recordings, this build replays 1/);
});

t.test("a life ends at its bound, and the newest lives stay", async (t) => {
  const dir = folder(t);
  const place = { dir, lifeBytes: MIB, totalBytes: 3 * MIB };
  for (let life = 1; life <= 6; life++) {
    const file = new RecordingFile(place, { ...HEAD, life, startedAtMs: 1_000 + life });
    let end: RecordingEnd | undefined;
    for (let block = 0; block < 200 && end === undefined; block++) {
      end = file.block(block, Buffer.from(randomText(100_000)));
      await file.drained();
    }
    t.equal(end?.kind, "full");
    t.match(end?.why, /at most 1048576/);
    if (end !== undefined) file.end(200, end);
    await file.drained();
  }
  const lives = readdirSync(dir)
    .map((name) => name.slice(0, 4))
    .sort();
  t.same(lives, ["1005", "1006"], "older ones made room for a whole life");
});

/** Text that packs badly. */
function randomText(length: number): string {
  let text = "";
  while (text.length < length) text += Math.random().toString(36).slice(2);
  return text.slice(0, length);
}

t.test("more than the disk takes is a gap, and memory stays bounded", async (t) => {
  const dir = folder(t);
  const file = new RecordingFile({ dir, lifeBytes: 1024 * MIB, totalBytes: 1024 * MIB }, HEAD);
  let end: RecordingEnd | undefined;
  let given = 0;
  while (end === undefined && given < 4 * RECORDING_QUEUE_BYTES_MAX) {
    end = file.block(0, new Uint8Array(MIB));
    given += MIB;
  }
  t.equal(end?.kind, "gap");
  t.match(end?.why, /the disk is slower than the actor: \d+ bytes wait/);
  t.ok(given <= RECORDING_QUEUE_BYTES_MAX + MIB);
  file.end(0, end ?? { kind: "gap", why: "" });
  await file.drained();
  const reader = new RecordingReader(file.path);
  for (const _block of reader.blocks());
  t.equal(reader.end?.kind, "gap", "the file says so itself");
  reader.close();
});

t.test("a directory that cannot be written is refused with a mend", async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, "file"), "");
  const place = { dir: join(dir, "file", "below"), lifeBytes: MIB, totalBytes: MIB };
  await t.rejects(openRecordingPlace(place), /--record: .* cannot be written .*--record-dir/);
  const nowhere = { ...place, dir: "/proc/nobody/below" };
  await t.rejects(openRecordingPlace(nowhere), /cannot be written \(ENOENT/);
  await openRecordingPlace({ ...place, dir: join(dir, "a", "b", "c") });
  t.same(readdirSync(join(dir, "a", "b")), ["c"]);
});

t.test("a directory that goes away ends the recording and nothing else", async (t) => {
  const dir = join(folder(t), "gone");
  mkdirSync(dir);
  const file = new RecordingFile({ dir, lifeBytes: MIB, totalBytes: MIB }, HEAD);
  rmSync(dir, { recursive: true });
  await file.drained();
  t.match(file.block(0, Uint8Array.of(1)), { kind: "gap", why: /ENOENT/ });
});

t.test(
  "a full disk ends the recording; what was written replays",
  { skip: skipWithoutRoot },
  async (t) => {
    const dir = folder(t);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "meseta-test", dir]);
    t.teardown(() => execFileSync("umount", [dir]));
    const file = new RecordingFile({ dir, lifeBytes: 64 * MIB, totalBytes: 64 * MIB }, HEAD);
    let end: RecordingEnd | undefined;
    await until(() => {
      end ??= file.block(0, Buffer.from(randomText(50_000)));
      return end !== undefined;
    }, "the disk is full");
    t.match(end, { kind: "gap", why: /ENOSPC/ });
    file.end(0, end ?? { kind: "gap", why: "" });
    await file.drained();
    const reader = new RecordingReader(file.path);
    t.ok([...reader.blocks()].length > 0);
    t.equal(reader.end?.kind, "torn");
    reader.close();
  },
);

/**
 * A broker's files are emptied, cut short or changed under it, or a master's are: what comes of it
 * is a log that is whole, or a sentence that names what is wrong, never a log that goes on in
 * silence as if nothing had been (P-7.4, P-7.5).
 */
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Follower, witnessFault, witnessOf } from "#replication";
import type { Log, ReadOutcome } from "#runtime";
import { DrivenWriter } from "../support/driven-writer.ts";
import { StreamLogs } from "../support/stream-logs.ts";
import { until } from "../support/until.ts";

const RECORDS = 60;
const WAIT_MS_MAX = 40_000;

type Damage = (dir: string) => void;

/** Files of the stream's messages below a broker's folder. */
function blocksIn(dir: string): string[] {
  const found = readdirSync(dir, { recursive: true, encoding: "utf8" });
  const blocks = found.filter((name) => /meseta-test-log.*\/msgs\/\d+\.blk$/.test(name));
  if (blocks.length === 0) throw new Error(`no blocks in ${found.join(" ")}`);
  return blocks.map((name) => join(dir, name));
}

const emptied: Damage = (dir) => rmSync(dir, { recursive: true });
const blocksGone: Damage = (dir) => {
  for (const path of blocksIn(dir)) rmSync(path);
};
const cutShort: Damage = (dir) => {
  for (const path of blocksIn(dir)) truncateSync(path, Math.floor(statSync(path).size / 2));
};
/** Bits in the middle, and the indexes that would hide it are gone. */
const changed: Damage = (dir) => {
  for (const path of blocksIn(dir)) {
    const bytes = readFileSync(path);
    const middle = Math.floor(bytes.length / 2);
    for (let at = middle; at < middle + 40; at++) bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
    writeFileSync(path, bytes);
  }
  for (const name of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
    if (/\/msgs\/index\.db$/.test(name)) rmSync(join(dir, name));
  }
};

const DAMAGES: readonly (readonly [what: string, damage: Damage])[] = [
  ["all files of the broker are gone", emptied],
  ["the files of the messages are gone", blocksGone],
  ["the files of the messages are cut short", cutShort],
  ["bits in the files of the messages are changed", changed],
];

/** Reads all there is as a master does, and judges it by what one has seen. */
async function verdict(log: Log, witness: ReturnType<typeof witnessOf>): Promise<string> {
  const follower = new Follower(witness?.position);
  const endMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const outcome = await new Promise<ReadOutcome>((done) => log.read(follower.next, 256, done));
    if (outcome.kind === "failed") {
      if (performance.now() > endMs) return `refused: ${outcome.why}`;
      continue;
    }
    if (outcome.first > follower.next) return `refused: it begins at ${outcome.first}`;
    if (outcome.entries.length === 0) break;
    const fed = follower.feed(outcome.entries);
    if (fed.kind === "stop") return `refused: ${fed.why}`;
  }
  if (witness === undefined) throw new Error("there is a witness");
  const fault = witnessFault(witness, follower.head, follower.witnessed);
  return fault === undefined ? "whole" : `refused: ${fault.why}`;
}

async function damaged(replicas: number, damage: Damage): Promise<string> {
  const logs = new StreamLogs(replicas);
  try {
    const log = await logs.open();
    const writer = new DrivenWriter(log, until, "w1");
    for (let n = 0; n < RECORDS; n++) await writer.write(`role-${n}`);
    const witness = witnessOf(writer.head);
    const { brokers } = await logs.all();
    const victim = brokers.at(-1);
    if (victim === undefined) throw new Error("there is no broker");
    await victim.kill();
    damage(join(victim.dir, `broker-${brokers.length}`, "streams"));
    await victim.back();
    // As a master does that starts now: the stream is made where there is none.
    return await verdict(await logs.open(), witness);
  } finally {
    await logs.stop();
  }
}

t.test("the only broker of a log is damaged", async (suite) => {
  for (const [what, damage] of DAMAGES) {
    await suite.test(`${what}: it is refused, and why is said`, async (test) => {
      const said = await damaged(1, damage);
      test.match(said, /^refused: /, said);
      test.comment(said);
    });
  }
});

t.test("one of three brokers of a log is damaged", async (suite) => {
  for (const [what, damage] of DAMAGES) {
    await suite.test(`${what}: it has them from the others again`, async (test) => {
      test.equal(await damaged(3, damage), "whole");
    });
  }
});

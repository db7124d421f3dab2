/**
 * The flight recorder of real daemons: recordings of a cluster that is killed, loses its broker
 * and has a conflict in its log are replayed in this process, to the digests that were recorded.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type ReplayedEvent, RecordingReader, replay } from "#sim";
import { untilAnswer } from "../support/answers.ts";
import { Cluster, skipWithoutRoot } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { Ledger, type LedgerTask } from "../support/ledger.ts";
import { isWhole, killAndReturn, loseBroker } from "../support/parts.ts";
import { usurp } from "./rival.ts";

const TASKS = 5;
const BROKER_AWAY_MS = 2_000;
const SECRET = "correct-horse-battery-staple";

function gated(gate: string): LedgerTask[] {
  return Array.from({ length: TASKS }, (_, index) => ({
    id: `recorded-${index}`,
    resources: "cpus:0.02;mem:32",
    command: `while [ ! -e ${gate} ]; do sleep 0.2; done; exit ${index}`,
  }));
}

interface Replayed {
  readonly path: string;
  readonly life: number;
  readonly end: string;
  /** Statuses of the bus that came while it ran. */
  readonly statuses: readonly string[];
}

/** Replays one file and expects what was recorded, and no secret in it. */
function replayed(test: Test, path: string): Replayed {
  const reader = new RecordingReader(path);
  const statuses: string[] = [];
  let recorded = "";
  let secrets = 0;
  function* blocks() {
    for (const block of reader.blocks()) {
      recorded = block.digest;
      if (Buffer.from(block.entries).includes(SECRET)) secrets += 1;
      yield block;
    }
  }
  const onEvent = ({ turn }: ReplayedEvent): void => {
    if (turn.what !== "call" || turn.name !== "bus.status") return;
    statuses.push((turn.value as { readonly kind: string }).kind);
  };
  const { divergence, digest, events, marks } = replay({
    head: reader.head,
    blocks: blocks(),
    onEvent,
  });
  reader.close();
  test.equal(divergence, undefined, path);
  test.ok(digest !== "" && marks > 0, "something was recorded");
  test.equal(digest, recorded, "the digest is the recorded one");
  test.equal(secrets, 0, "no value of an environment is in it");
  const { end, head } = reader;
  test.comment(`${head.name} ${head.life}: ${events} events, ${marks} marks, ${end?.kind}`);
  return { path, life: head.life, end: `${end?.kind}: ${end?.why}`, statuses };
}

/** Files of one actor, the oldest first. */
function recordingsOf(cluster: Cluster, name: string): string[] {
  const dir = join(cluster.bench.data, "recordings", name);
  return readdirSync(dir)
    .sort()
    .map((file) => join(dir, file));
}

function replayAll(test: Test, cluster: Cluster, name: string): Replayed[] {
  return recordingsOf(cluster, name).map((path) => replayed(test, path));
}

void t.test("recordings of a live cluster replay", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start([
    "--record",
    ...["--agents", "1", "--resources", "cpus:4;mem:4096"],
  ]);
  t.teardown(() => cluster.stop());
  const ledger = new Ledger(cluster);
  const gate = `${cluster.bench.gates}/gate`;
  const tasks = gated(gate);
  await ledger.launch(tasks);
  const script = `test "$TOKEN" = "${[...SECRET].join('""')}" && echo unchanged`;
  const run = await cluster.bench.meseta([
    "run",
    "--env",
    `TOKEN=${SECRET}`,
    "--",
    "sh",
    "-c",
    script,
  ]);
  t.same([run.exit, run.stdout], [0, "unchanged\n"], "a task gets what it was given");

  await killAndReturn(cluster, "agent-1");
  await loseBroker(cluster, BROKER_AWAY_MS);
  const position = await usurp(cluster);
  t.comment(`the rival wrote position ${position}`);
  await untilAnswer(
    () => cluster.call("status"),
    ({ leader }) => (leader?.epoch ?? 0) > position,
    "the leader finds out, ends, and its successor leads",
  );
  await isWhole(cluster, 1);
  await killAndReturn(cluster, "master");
  await cluster.bench.touch(gate);
  await until(() => tasks.every(({ id }) => ledger.hasEnded(id)), "all ends are told");
  await ledger.end();
  const down = await cluster.bench.meseta(["down", "--data", cluster.bench.data]);
  t.equal(down.exit, 0);

  await t.test("of the agent: two processes, the first one killed", async (test) => {
    const [first, second, ...more] = replayAll(test, cluster, "agent-1");
    test.same(more, []);
    test.match(first?.end, /^torn/);
    test.match(second?.end, /^over: the actor ended: stopped/);
    test.ok(second?.statuses.includes("disconnected"), "it lost its broker meanwhile");
    test.ok((second?.statuses.lastIndexOf("connected") ?? -1) > 0, "and found it again");
  });

  await t.test("of the master: replaced by the log, then killed", async (test) => {
    const lives = replayAll(test, cluster, "master");
    test.ok(lives.length >= 3, `${lives.length} lives`);
    const replaced = lives.find(({ end }) => /rival wrote position/.test(end));
    test.ok(replaced?.statuses.includes("disconnected"), "the first one lost its broker");
    test.ok(
      lives.some(({ end }) => end.startsWith("torn")),
      "one was killed",
    );
    test.match(lives.at(-1)?.end, /^over: the actor ended: stopped/);
  });

  await t.test("by the command line", async (test) => {
    const [file = ""] = recordingsOf(cluster, "agent-1");
    const told = await cluster.bench.meseta(["sim", "replay", file]);
    test.equal(told.exit, 0);
    test.match(told.stdout, /digest {4}[0-9a-f]{64}, as recorded/);
    const some = await cluster.bench.meseta([
      ...["sim", "replay", file],
      ...["--from-event", "5", "--to-event", "9"],
    ]);
    test.match(some.stdout, /^5 .* ms \w+/m);
    test.notMatch(some.stdout, /^(4|10) .* ms/m);
  });
});

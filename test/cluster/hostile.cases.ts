/**
 * What somebody with a framework's credential can say to the leader of a real cluster: every
 * refusal is counted under its reason and logged once, and nothing else happens.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { encodePlain } from "#protocol";
import { untilAnswer } from "../support/answers.ts";
import { Cluster, isAlive, residentBytes, skipWithoutRoot } from "../support/cluster.ts";
import { bodyBytes, frameBytes, Rogue } from "./rogue.ts";

const MUTANTS = 100_000;
const MUTANTS_A_BURST = 2_000;
const RESIDENT_BYTES_MAX = 400 * 1024 ** 2;

/** Refusals by reason, as /metrics tells them. */
async function dropped(cluster: Cluster): Promise<Map<string, number>> {
  const pattern = /^meseta_count_total\{name="dropped",label="([^"]+)"\} (\d+)$/gm;
  const text = await cluster.metrics();
  return new Map([...text.matchAll(pattern)].map(([, label = "", n]) => [label, Number(n)]));
}

const sum = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((all, one) => all + one, 0);

/** A byte string of `length` as the magnitude of a tagged integer. */
function bignum(length: number): Uint8Array {
  const bytes = new Uint8Array(length + 6).fill(0xff);
  bytes.set([0xc2, 0x5a, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]);
  return bytes;
}

/** Arrays in arrays; the innermost is empty. */
function nested(depth: number): Uint8Array {
  const bytes = new Uint8Array(depth + 1).fill(0x81);
  bytes[depth] = 0x80;
  return bytes;
}

const kill = (taskId: string): Uint8Array => encodePlain({ taskId });
const KILLS = ["a.b", "*", "../../etc/passwd", ">", "", "x".repeat(300), "a/b", "a\0b"];

interface Attack {
  readonly title: string;
  readonly reason: string;
  bytes(rogue: Rogue): Uint8Array;
}

const ATTACKS: readonly Attack[] = [
  { title: "a bignum of 1 MB as a frame", reason: "too-large", bytes: () => bignum(1_000_000) },
  {
    title: "a bignum of 200 KB as a body",
    reason: "scan-failed",
    bytes: (rogue) => rogue.next([["KILL", 7, 0, bignum(200_000)]]),
  },
  { title: "100,000 levels as a frame", reason: "decode-failed", bytes: () => nested(100_000) },
  {
    title: "100,000 levels as a body",
    reason: "scan-failed",
    bytes: (rogue) => rogue.next([["KILL", 7, 0, nested(100_000)]]),
  },
  {
    title: "an unknown kind",
    reason: "unknown-kind",
    bytes: (rogue) => rogue.next([["REBOOT", 7, 0, encodePlain({})]]),
  },
  {
    title: "a kind that only agents say",
    reason: "not-said-by-this-peer",
    bytes: (rogue) => rogue.next([["StatusUpdate", 7, 0, encodePlain({})]]),
  },
  {
    title: "a kind that only masters say",
    reason: "not-said-by-this-peer",
    bytes: (rogue) => rogue.next([["RunTask", 7, 0, encodePlain({})]]),
  },
  {
    title: "a lower epoch",
    reason: "lower-epoch",
    bytes: (rogue) => rogue.next([["KILL", 7, 0, kill("a")]], { epoch: rogue.epoch - 1 }),
  },
  {
    title: "an epoch to come",
    reason: "wrong-epoch",
    bytes: (rogue) => rogue.next([["KILL", 7, 0, kill("a")]], { epoch: rogue.epoch + 1 }),
  },
  {
    title: "somebody else's session",
    reason: "foreign-session",
    bytes: (rogue) => rogue.next([["KILL", 7, 0, kill("a")]], { session: "somebody-elses" }),
  },
  {
    title: "a frame out of order",
    reason: "gap",
    bytes: (rogue) => rogue.next([["KILL", 7, 0, kill("a")]], { number: 99 }),
  },
  {
    title: "another version",
    reason: "unknown-version",
    bytes: (rogue) => rogue.next([["KILL", 7, 0, kill("a")]], { version: 9 }),
  },
  ...KILLS.map((id) => ({
    title: `a task named ${JSON.stringify(id.slice(0, 20))}`,
    reason: "schema-failed",
    bytes: (rogue: Rogue) => rogue.next([["KILL", 7, 0, kill(id)]]),
  })),
];

/** What must not change, whatever is said: who leads, what runs, who is registered. */
async function vitals(cluster: Cluster) {
  const { leader, agents, tasks } = await cluster.call("status");
  return { leader, agents, tasks, master: await cluster.pidOf("master") };
}

/** Reproducible noise (xorshift). */
function noise(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Valid frames of every sort, to be damaged. */
function originals(rogue: Rogue): Uint8Array[] {
  const bodies = [
    ["KILL", bodyBytes("KILL", { taskId: "nobody" as never })],
    ["RECONCILE", bodyBytes("RECONCILE", { tasks: [] })],
    ["REVIVE", bodyBytes("REVIVE", { roles: ["*"] })],
  ] as const;
  return [
    frameBytes(rogue.hello()),
    ...bodies.map(([kind, body]) => rogue.next([[kind, 1, 0, body]])),
    rogue.next(bodies.map(([kind, body], index) => [kind, index, 0, body] as const)),
    frameBytes({ epoch: rogue.epoch, session: "", number: 0, messages: [] }),
  ];
}

function mutant(original: Uint8Array, any: (below: number) => number): Uint8Array {
  const length = any(8) === 0 ? any(original.length) + 1 : original.length;
  const bytes = Uint8Array.from(original.subarray(0, length));
  for (let changes = any(4) + 1; changes > 0; changes -= 1) bytes[any(bytes.length)] = any(256);
  return bytes;
}

async function mutants(test: Test, cluster: Cluster, rogue: Rogue): Promise<void> {
  const before = await dropped(cluster);
  const any = noise(20_251_122);
  const base = originals(rogue);
  const beganMs = performance.now();
  for (let sent = 0; sent < MUTANTS; sent += MUTANTS_A_BURST) {
    for (let i = 0; i < MUTANTS_A_BURST; i += 1) {
      rogue.say(mutant(base[any(base.length)] ?? new Uint8Array(1), any));
    }
    await rogue.flush();
  }
  // Some damage leaves a frame that is good, such as another window or another wish for a session.
  const least = sum(before) + MUTANTS * 0.7;
  const after = await untilAnswer(
    () => dropped(cluster),
    (now) => sum(now) >= least,
    "all judged",
  );
  const ms = Math.round(performance.now() - beganMs);
  const rows = [...after].map(([reason, n]) => `${reason} ${n - (before.get(reason) ?? 0)}`);
  test.comment(`${MUTANTS} mutants in ${ms} ms: ${rows.join(", ")}`);
  test.equal(rogue.bus.dropped.size, 0, "all were sent");
}

void t.test("hostile input has no effect", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start(["--agents", "1"]);
  t.teardown(() => cluster.stop());
  await cluster.bench.meseta(["run", "--detach", "--name", "witness", "--", "sleep", "1000"]);
  const { items } = await untilAnswer(
    () => cluster.call("listTasks"),
    (list) => list.items[0]?.state === "TASK_RUNNING",
    "the witness runs",
  );
  const rogue = await Rogue.enter(cluster, "framework.creds");
  const before = await vitals(cluster);
  const master = await cluster.pidOf("master");

  for (const { title, reason, bytes } of ATTACKS) {
    await t.test(`${title} is counted as ${reason}`, async (test) => {
      await rogue.open();
      const counted = (await dropped(cluster)).get(reason) ?? 0;
      rogue.say(bytes(rogue));
      const now = await untilAnswer(
        () => dropped(cluster),
        (counts) => (counts.get(reason) ?? 0) > counted,
        `${title} is counted as ${reason}`,
      );
      test.equal(now.get(reason), counted + 1, "once");
    });
  }

  await t.test("what goes wrong for a witness's id changes nothing for it", async (test) => {
    await rogue.open();
    rogue.say(rogue.next([["KILL", 7, 0, kill(items[0]?.id ?? "")]]));
    await rogue.flush();
    test.equal((await cluster.call("status")).tasks["TASK_RUNNING"], 1);
  });

  await t.test(`${MUTANTS} mutants are refused`, (test) => mutants(test, cluster, rogue));

  await t.test("everything is as it was", async (test) => {
    test.same(await vitals(cluster), before);
    const bytes = residentBytes(master);
    test.comment(`the master holds ${Math.round(bytes / 1024 ** 2)} MiB`);
    test.ok(isAlive(master) && bytes < RESIDENT_BYTES_MAX, `${bytes} bytes`);
    const ran = await cluster.bench.meseta(["run", "--", "echo", "still here"]);
    test.same([ran.exit, ran.stdout], [0, "still here\n"]);
    const task = await cluster.call("showTask", { path: { task: items[0]?.id ?? "" } });
    test.equal(task.state, "TASK_RUNNING");
  });

  await t.test("each kind of refusal is logged once", async (test) => {
    const log = await readFile(join(cluster.bench.data, "logs", "master.log"), "utf8");
    const said = log.split("\n").filter((line) => line.includes("later ones are only counted"));
    const keys = said.map((line) => {
      const { actor, reason, kind } = JSON.parse(line) as Record<string, string>;
      return `${actor} ${reason} ${kind}`;
    });
    test.same(keys, [...new Set(keys)]);
    for (const reason of new Set(ATTACKS.map((attack) => attack.reason))) {
      test.ok(
        keys.some((key) => key.includes(` ${reason} `)),
        `${reason} is logged`,
      );
    }
  });
  await rogue.leave();
});

/**
 * What judges a run of chaos finds what is wrong in what was recorded, and reads messages off a wire
 * however their bytes are cut.
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { encodeFrame, encodePlain, type Epoch, type Kind } from "#protocol";
import { deathsIn } from "../../tools/chaos/deaths.ts";
import { gapsOf } from "../../tools/chaos/gaps.ts";
import { Journal, type JournalRow, readJournal } from "../../tools/chaos/journal.ts";
import { readInOrder } from "../../tools/chaos/order.ts";
import { outcomesOf } from "../../tools/chaos/outcomes.ts";
import { COLLECTED, type Row, TraceFile } from "../../tools/chaos/trace.ts";
import { judge } from "../../tools/chaos/verdict.ts";
import { openWire, type Passed } from "../../tools/chaos/wire.ts";
import { until } from "../support/until.ts";

const LEADER = "meseta.chaos.leader";
const FROM_AGENT = "meseta.chaos.master.agent.agent-1";

function scratch(test: Test): string {
  const dir = mkdtempSync(join(tmpdir(), "meseta-test-chaos-"));
  test.teardown(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** A frame with one message, as it passes on a wire. */
function said(atMs: number, node: string, subject: string, epoch: number, word: Word): Row {
  const message = encodePlain([word.kind, 0, 0, encodePlain(word.body)]);
  const header = {
    epoch: epoch as Epoch,
    session: word.session ?? "",
    number: 0,
    ack: 0,
    window: 0,
  };
  const data = Buffer.from(encodeFrame(header, [message])).toString("base64");
  return { what: "said", atMs, node, subject, data };
}

interface Word {
  readonly kind: Kind;
  readonly body: object;
  readonly session?: string;
}

const BEACON: Word = { kind: "Beacon", body: {} };

const update = (uuid: string, state = "TASK_FINISHED"): Word => ({
  kind: "StatusUpdate",
  session: "s1",
  body: {
    frameworkId: "f1",
    status: { taskId: "one", state, uuid, timestampMs: 1, agentId: "a1" },
  },
});

const launched: JournalRow = {
  what: "launch",
  atMs: 10,
  taskId: "one",
  agentId: "a1",
  lastsS: 1,
};

const told = (state: string, uuid?: string): JournalRow => ({
  what: "told",
  atMs: 50,
  taskId: "one",
  state,
  ...(uuid === undefined ? {} : { uuid }),
});

async function written(dir: string, rows: readonly Row[]): Promise<string> {
  const trace = new TraceFile(join(dir, "trace"));
  for (const row of rows) trace.write(row);
  await trace.close();
  return trace.path;
}

/** What is found in a run of these rows and this journal. */
async function found(test: Test, rows: Row[], journal: JournalRow[] = []): Promise<string[]> {
  const trace = await written(scratch(test), rows);
  const journals = new Map([["framework-1", journal]]);
  const findings = await judge({ trace, journals, log: [], agents: [], running: new Map() });
  return findings.map(({ id }) => id);
}

t.test("two masters that speak in one epoch are found", async (test) => {
  const one = said(1, "master-1", LEADER, 7, BEACON);
  test.same(await found(test, [one, said(2, "master-1", LEADER, 7, BEACON)]), []);
  test.same(await found(test, [one, said(2, "master-2", LEADER, 8, BEACON)]), []);
  test.same(await found(test, [one, said(2, "master-2", LEADER, 7, BEACON)]), ["E1"]);
  const life: Row = { what: "start", atMs: 2, node: "master-1", life: 2 };
  test.same(await found(test, [one, life, said(3, "master-1", LEADER, 7, BEACON)]), ["E1"]);
});

t.test("an agent that goes back to an older leader is found", async (test) => {
  const rows = [
    said(1, "master-1", LEADER, 7, BEACON),
    said(2, "agent-1", FROM_AGENT, 7, { kind: "Ping" as Kind, body: {}, session: "s" }),
    said(3, "agent-1", FROM_AGENT, 5, { kind: "Ping" as Kind, body: {}, session: "t" }),
  ];
  test.same(await found(test, rows), ["E1"]);
});

t.test("what passes late, on a connection that was given up, was said before", async (test) => {
  const on = (link: number, row: Row): Row => ({ ...(row as Row & { what: "said" }), link });
  const dial = (atMs: number, node: string, link: number): Row => ({
    what: "dial",
    atMs,
    node,
    link,
  });
  const start = (atMs: number, node: string, life: number): Row => ({
    what: "start",
    atMs,
    node,
    life,
  });
  const word = (session: string): Word => ({ kind: "Ping" as Kind, body: {}, session });
  const beacon = said(1, "master-1", LEADER, 7, BEACON);
  const older = (atMs: number) => said(atMs, "agent-1", FROM_AGENT, 5, word("s"));
  const newer = (atMs: number) => said(atMs, "agent-1", FROM_AGENT, 7, word("t"));
  const dialled = [beacon, dial(1, "agent-1", 1), on(1, older(2)), dial(3, "agent-1", 2)];
  test.same(await found(test, [...dialled, on(2, newer(4)), on(1, older(5))]), []);
  test.same(await found(test, [...dialled, on(2, newer(4)), on(2, older(5))]), ["E1"]);
  const told: string[] = [];
  const rows = [...dialled, on(2, newer(4)), on(1, older(5)), on(2, newer(6))];
  for await (const row of readInOrder(await written(scratch(test), rows))) {
    if (row.what === "said") told.push(`${row.link ?? "-"} at ${row.atMs}`);
  }
  test.same(told, ["- at 1", "1 at 2", "1 at 4", "2 at 4", "2 at 6"]);

  const leads = (link: number, atMs: number) => on(link, said(atMs, "master-1", LEADER, 7, BEACON));
  const replaced = [start(1, "master-1", 1), dial(1, "master-1", 1), leads(1, 2)];
  replaced.push(start(3, "master-1", 2));
  test.same(await found(test, [...replaced, leads(1, 4)]), [], "the last word of the one before");
  replaced.push(dial(3, "master-1", 2));
  test.same(await found(test, [...replaced, leads(2, 4)]), ["E1"]);
});

t.test("an update that nobody was told of, or that nobody made, is found", async (test) => {
  const beacon = said(1, "master-1", LEADER, 7, BEACON);
  const acknowledged: Row = {
    ...(said(60, "agent-1", "meseta.chaos.agent.agent-1", 7, {
      kind: "StatusUpdateAcknowledgement",
      session: "s1",
      body: { frameworkId: "f1", taskId: "one", uuid: "u1" },
    }) as Row & { what: "said" }),
    what: "heard",
  };
  const made = said(40, "agent-1", FROM_AGENT, 7, update("u1"));
  const rows = [beacon, made, acknowledged];
  test.same(await found(test, rows, [launched, told("TASK_FINISHED", "u1")]), []);
  test.same(await found(test, [beacon, made], [launched, told("TASK_FINISHED", "u1")]), ["U1"]);
  test.same(await found(test, rows, [launched, told("TASK_FINISHED")]), ["U1"]);
  test.same(await found(test, [beacon], [launched, told("TASK_FINISHED", "u1")]), ["U1"]);
  const twice = [beacon, made, acknowledged, said(70, "agent-1", FROM_AGENT, 7, update("u2"))];
  const ids = await found(test, twice, [launched, told("TASK_FINISHED", "u1")]);
  test.ok(ids.includes("U1"), "the same content under two uuids");
});

t.test("a task that is never told of again is found, and no leader at the end", async (test) => {
  const beacon = said(1, "master-1", LEADER, 7, BEACON);
  test.same(await found(test, [beacon], [launched]), ["LV"]);
  test.same(await found(test, [beacon], [launched, told("TASK_RUNNING")]), ["LV"]);
  const late: Row = { what: "start", atMs: 60_000, node: "agent-1", life: 2 };
  test.same(await found(test, [beacon, late]), ["LV"]);
});

t.test("an acknowledged record that is not in the log is found", async (test) => {
  const appended: Row = {
    what: "said",
    atMs: 1,
    node: "master-1",
    subject: "meseta.chaos.log",
    reply: "_INBOX.m.append.1",
    data: "AAAA",
  };
  const answer = (text: string): Row => ({
    what: "heard",
    atMs: 2,
    node: "master-1",
    subject: "_INBOX.m.append.1",
    data: Buffer.from(text).toString("base64"),
  });
  const beacon = said(3, "master-1", LEADER, 7, BEACON);
  const refused = answer('{"error":{"err_code":10071},"seq":0}');
  test.same(await found(test, [appended, refused, beacon]), []);
  test.same(await found(test, [appended, answer('{"stream":"s","seq":1}'), beacon]), ["L1"]);
  const ended: Row = { what: "turn", atMs: 2, to: COLLECTED };
  const after = [beacon, appended, ended, answer('{"stream":"s","seq":1}')];
  test.same(await found(test, after), [], "what came after the log was read is not judged");
});

t.test("what tasks did is compared with what was said of them", async (test) => {
  const wrong = (rows: JournalRow[], runs: string[]): number =>
    outcomesOf(new Map([["framework-1", rows]]), new Map([["one", runs]])).findings.length;
  test.equal(wrong([launched, told("TASK_FINISHED")], ["agent-1"]), 0);
  test.equal(wrong([launched, told("TASK_FINISHED")], ["agent-1", "agent-2"]), 1);
  test.equal(wrong([launched, told("TASK_GONE")], []), 0);
  test.equal(wrong([launched, told("TASK_GONE")], ["agent-1"]), 1);
  test.equal(wrong([{ ...launched, lastsS: null }, told("TASK_FINISHED")], ["agent-1"]), 1);
});

t.test("an actor that died of its own code is found in the log of its process", async (test) => {
  const dir = scratch(test);
  const line = (msg: string): string => `${JSON.stringify({ level: 50, time: 7, msg })}\n`;
  const full = line("agent fails: Error: ENOSPC: no space left on device");
  const torn = '{"level":50,"msg":"agent fa';
  writeFileSync(join(dir, "agent-1.log"), `listens\n${full}${line("the disk is full")}${torn}`);
  test.same(deathsIn(dir), []);
  appendFileSync(join(dir, "master-1.log"), line("master fails: Error: it holds not"));
  test.same(deathsIn(dir), [
    { id: "X1", message: "master-1: master fails: Error: it holds not", atMs: 7 },
  ]);
});

t.test("gaps are counted between beacons of leaders that follow one another", async (test) => {
  const at = (ms: number, epoch: number): Row => said(ms, `m${epoch}`, LEADER, epoch, BEACON);
  const rows = [at(0, 7), at(1_000, 7), at(9_000, 8), at(9_500, 7), at(10_000, 8)];
  const { leader, epochs } = await gapsOf(await written(scratch(test), rows), 0, 10_500);
  test.same(leader, [8_000]);
  test.equal(epochs, 2);
});

t.test("a journal has no torn end", async (test) => {
  const path = join(scratch(test), "journal");
  const journal = new Journal(path);
  journal.write([launched]);
  journal.close();
  appendFileSync(path, '{"what":"told","atM');
  test.same(readJournal(path), [launched]);
  const again = new Journal(path);
  again.write([told("TASK_RUNNING")]);
  again.close();
  test.same(readJournal(path), [launched, told("TASK_RUNNING")]);
});

t.test("a wire tells each message however its bytes are cut", async (test) => {
  const words =
    "INFO {}\r\nPUB a.b reply.1 5\r\nPUB x\r\nHPUB c.d r 4 6\r\nhhhhAB\r\nPING\r\nPUB e 0\r\n\r\n";
  const heard: Passed[] = [];
  let far: Socket | undefined;
  const broker = createServer((socket) => {
    far = socket;
    socket.on("data", () => undefined);
  });
  await new Promise<void>((done) => broker.listen(0, "127.0.0.1", done));
  const free = createServer();
  await new Promise<void>((done) => free.listen(0, "127.0.0.1", done));
  const { port } = free.address() as AddressInfo;
  await new Promise((done) => free.close(done));
  const links: number[] = [];
  const wire = await openWire({
    host: "127.0.0.1",
    port,
    broker: { host: "127.0.0.1", port: (broker.address() as AddressInfo).port },
    dialled: (link) => void links.push(link),
    passed: (message) => void heard.push(message),
  });
  const near = connect(port, "127.0.0.1");
  near.setNoDelay(true);
  near.on("data", () => undefined);
  for (const byte of Buffer.from(words)) {
    await new Promise((done) => near.write(Buffer.from([byte]), done));
  }
  await until(() => heard.length === 3 && far !== undefined, "three messages");
  far?.write("MSG a.b 9 reply.2 2\r\nhi\r\nHMSG a.c 9 4 6\r\nhhhhYZ\r\n");
  await until(() => heard.length === 5, "two more");
  near.destroy();
  await wire.close();
  await new Promise((done) => broker.close(done));
  test.same(
    heard.map(({ way, subject, reply, payload }) => [way, subject, reply, payload.toString()]),
    [
      ["said", "a.b", "reply.1", "PUB x"],
      ["said", "c.d", "r", "AB"],
      ["said", "e", undefined, ""],
      ["heard", "a.b", "reply.2", "hi"],
      ["heard", "a.c", undefined, "YZ"],
    ],
  );
});

/**
 * What recording costs: the actor of the mailbox benchmark, as it is and recorded to files, in
 * turns in one process. Says the processor time of each, the share of the main thread, and how
 * many bytes an event takes.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { processSecrecy, RecordingFile } from "#adapters";
import { asId, type ClusterId, encodeFrame, type MasterId } from "#protocol";
import { headOf, recordLife, type RecordTape } from "#recording";
import { type ActorPorts, startActor } from "#runtime";
import { print } from "./harness.ts";
import {
  clock,
  logger,
  masterAddress,
  openSessions,
  random,
  type Sender,
  type Tally,
  tallying,
  turn,
  Wire,
} from "./mailbox.ts";
import { EPOCH, MESSAGES_PER_FRAME, preparedUpdates } from "./mailbox-load.ts";

const FRAMES_PER_TURN = 8;
const ROUNDS = 4;
const ROUND_MS = 1_000;
const FLUSH_MS = 250;
const MIB = 1024 * 1024;
const PLACE_BYTES = 8 * 1024 * MIB;

interface Rig {
  readonly wire: Wire;
  readonly tally: Tally;
  readonly senders: Sender[];
  readonly tape: RecordTape | undefined;
  readonly file: RecordingFile | undefined;
  cpuUs: number;
  mainMs: number;
  updates: number;
  next: number;
}

async function rigOf(dir: string | undefined): Promise<Rig> {
  const wire = new Wire();
  const tally: Tally = { updates: 0, running: 0, latestByTask: new Map() };
  const ports: ActorPorts = { bus: wire, clock, random, logger };
  const begin = (given: ActorPorts) =>
    startActor(tallying(tally), given, masterAddress, { windows: { agent: 16_384 } });
  let tape: RecordTape | undefined;
  let file: RecordingFile | undefined;
  if (dir === undefined) begin(ports);
  else {
    const masterId = asId<MasterId>("bench");
    const cluster = asId<ClusterId>("bench");
    const recipe = { kind: "master", cluster, config: { masterId, clusterId: cluster } } as const;
    const surroundings = { ports };
    const facts = { name: "bench", life: 1, startedAtMs: Date.now(), build: "bench", recipe };
    file = new RecordingFile(
      { dir, lifeBytes: PLACE_BYTES, totalBytes: PLACE_BYTES },
      headOf(facts, surroundings),
    );
    ({ tape } = recordLife({
      surroundings,
      secrecy: processSecrecy(),
      sink: file,
      begin: (taped) => {
        const main = begin(taped.ports);
        return { main, all: [main] };
      },
      onEnd: ({ kind, why }) => process.stderr.write(`the recording ends: ${kind}: ${why}\n`),
    }));
  }
  await turn();
  const senders = await openSessions(wire);
  return { wire, tally, senders, tape, file, cpuUs: 0, mainMs: 0, updates: 0, next: 0 };
}

/** As many updates as the actor takes, for one round. */
async function pump(rig: Rig, messages: readonly Uint8Array[], counts: boolean): Promise<void> {
  const { wire, tally, senders, tape, file } = rig;
  const startMs = performance.now();
  const before = tally.updates;
  const cpuBefore = process.cpuUsage();
  let sent = tally.updates;
  let cutMs = startMs;
  while (performance.now() - startMs < ROUND_MS) {
    for (let i = 0; i < FRAMES_PER_TURN; i++) {
      const sender = senders[rig.next % senders.length] as Sender;
      const from = (rig.next * MESSAGES_PER_FRAME) % messages.length;
      rig.next++;
      const nowMs = performance.now();
      const header = sender.session.stamp(EPOCH, MESSAGES_PER_FRAME, nowMs);
      const data = encodeFrame(header, messages, { from, count: MESSAGES_PER_FRAME });
      wire.onMessage({ subject: sender.subject, data, arrivedAtMs: nowMs });
      sent += MESSAGES_PER_FRAME;
    }
    await turn();
    while (sent - tally.updates > 8_192) await turn();
    wire.sent.length = 0;
    if (performance.now() - cutMs < FLUSH_MS) continue;
    cutMs = performance.now();
    tape?.cut();
  }
  while (tally.updates < sent) await turn();
  const mainMs = performance.now() - startMs;
  tape?.cut();
  await file?.drained();
  const cpu = process.cpuUsage(cpuBefore);
  if (!counts) return;
  rig.cpuUs += cpu.user + cpu.system;
  rig.mainMs += mainMs;
  rig.updates += tally.updates - before;
}

export async function run(): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), "meseta-bench-recorder-"));
  try {
    const { messages, bytesEach } = preparedUpdates();
    const plain = await rigOf(undefined);
    const recorded = await rigOf(dir);
    for (let round = 0; round <= ROUNDS; round++) {
      // The first round warms up.
      await pump(plain, messages, round > 0);
      await pump(recorded, messages, round > 0);
    }
    const bytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    const usOf = ({ cpuUs, updates }: Rig): number => cpuUs / updates;
    const rateOf = ({ updates, mainMs }: Rig): number => (updates / mainMs) * 1_000;
    return print({
      benchmark: "recorder",
      workload:
        `StatusUpdate of ${bytesEach} bytes on average, frames of ${MESSAGES_PER_FRAME}, ` +
        `${ROUNDS} rounds of ${ROUND_MS} ms each way in turns, as fast as the actor takes them`,
      rows: [
        { name: "updates, not recorded", value: rateOf(plain), unit: "/s" },
        { name: "updates, recorded", value: rateOf(recorded), unit: "/s" },
        {
          name: "throughput recorded / not",
          value: rateOf(recorded) / rateOf(plain),
          unit: "",
          atLeast: 0.5,
        },
        { name: "processor time, not recorded", value: usOf(plain), unit: "µs an update" },
        { name: "processor time, recorded", value: usOf(recorded), unit: "µs an update" },
        { name: "bytes on disk", value: bytes / recorded.tally.updates, unit: "an update" },
        { name: "turns missed", value: recorded.tape?.missed ?? 0, unit: "", below: 1 },
      ],
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

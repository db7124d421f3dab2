/**
 * How fast an actor receives: scan, decode, check, gate and step of status updates that arrive in
 * frames, all in one process. What the sender does is prepared before and not counted, except
 * that frames are put together from encoded messages.
 */
import { fork } from "node:child_process";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { inboxOf } from "#access";
import { setup } from "xstate";
import {
  agentPeer,
  asId,
  type ClusterId,
  decodeSingle,
  encodeFrame,
  encodeMessage,
  type Hello,
  MASTER_PEER,
  type Peer,
  type Principal,
  Session,
  type SessionId,
  subjectsOf,
} from "#protocol";
import {
  type Behaviour,
  type Bus,
  type BusMessage,
  type Clock,
  type Logger,
  type Random,
  startActor,
} from "#runtime";
import { startTestBroker } from "../test/support/broker.ts";
import { print, quantile } from "./harness.ts";
import {
  type AgentOrder,
  EPOCH,
  hex,
  MESSAGES_PER_FRAME,
  preparedUpdates,
  uuid,
} from "./mailbox-load.ts";

const AGENTS = 16;
const FRAMES_PER_TURN = 8;
const TARGET_MS = 4_000;
const WARM_UP_MS = 1_500;

const subjects = subjectsOf(asId<ClusterId>("bench"));

/** The master's side of a connection whose other end is this file. */
export class Wire implements Bus {
  readonly connected = true;
  readonly dropped = new Map<string, number>();
  readonly sent: { readonly subject: string; readonly data: Uint8Array }[] = [];
  onMessage: (message: BusMessage) => void = () => undefined;

  publish(subject: string, data: Uint8Array): "sent" {
    this.sent.push({ subject, data });
    return "sent";
  }

  subscribe(_subject: string, onMessage: (message: BusMessage) => void) {
    this.onMessage = onMessage;
    return { stop: () => undefined };
  }

  request: Bus["request"] = (_subject, _data, _timeoutMs, done) => {
    setImmediate(() => done({ kind: "no-responders" }));
  };
  flush: Bus["flush"] = (done) => void setImmediate(() => done(true));
  onStatus: Bus["onStatus"] = () => ({ stop: () => undefined });
  close: Bus["close"] = (done) => void setImmediate(done);
}

export const drains: number[] = [];

export const clock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  timer(inMs, fire) {
    const timer = setTimeout(fire, inMs);
    return { cancel: () => clearTimeout(timer) };
  },
  soon(run) {
    setImmediate(() => {
      const startMs = performance.now();
      run();
      drains.push(performance.now() - startMs);
    });
  },
};

let drawn = 0;
export const random: Random = {
  below: (bound) => drawn++ % bound,
  uuid: () => uuid(drawn++),
  token: (length) => hex(drawn++, length),
};

export const logger: Logger = {
  level: "warn",
  log: (level, sentence) => void process.stderr.write(`${level} ${sentence}\n`),
  child: () => logger,
  setLevel: () => undefined,
};

const machine = setup({
  types: { events: {} as { type: "Inputs" | "Stop" } },
  actions: { handleBatch: () => undefined },
}).createMachine({
  initial: "leading",
  states: { leading: { tags: "handle", on: { Inputs: { actions: "handleBatch" } } } },
});

export interface Tally {
  updates: number;
  running: number;
  latestByTask: Map<string, string>;
}

/** The trivial actor: lets everybody come, keeps the latest state of each task. */
export function tallying(tally: Tally): Behaviour<Tally> {
  return {
    name: "tally",
    machine,
    state: tally,
    step(state, input, _env, out) {
      if (input.family === "done" && input.what === "link" && input.link.change === "hello") {
        out.push({ kind: "come", peer: input.peer, session: input.link.session });
      }
      if (input.family !== "mail" || input.kind !== "StatusUpdate") return;
      state.updates++;
      if (input.body.latestState === "TASK_RUNNING") state.running++;
      state.latestByTask.set(input.body.status.taskId, input.body.latestState);
    },
    entered(_state, _lifecycle, _event, _env, out) {
      out.push({ kind: "listen", to: "from-agents", listen: true });
    },
    batchEnded: () => undefined,
  };
}

export const masterAddress = {
  subjects,
  self: MASTER_PEER,
  serves: ["agent"],
  kinds: [],
  epoch: () => EPOCH,
} as const;

export interface Sender {
  readonly peer: Peer;
  readonly subject: string;
  readonly session: Session;
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

export async function openSessions(wire: Wire): Promise<Sender[]> {
  const senders: Sender[] = [];
  for (let i = 0; i < AGENTS; i++) {
    const peer = agentPeer(asId<Principal>(`agent-${i}`));
    const id = random.uuid() as string as SessionId;
    const session = new Session({ id, side: "client", window: 1_024, nowMs: clock.monotonicMs() });
    const hello: Hello = { session: id, incarnation: 1, epoch: EPOCH, version: 1, kinds: [] };
    const message = encodeMessage("Hello", { id: 0, re: 0 }, hello);
    if (message.fault !== undefined) throw new Error(message.fault);
    const subject = subjects.toMaster(peer);
    const data = encodeFrame(session.stamp(EPOCH, 0, clock.monotonicMs()), [message.bytes]);
    wire.onMessage({ subject, data, arrivedAtMs: clock.monotonicMs() });
    session.open(Number.MAX_SAFE_INTEGER, EPOCH);
    senders.push({ peer, subject, session });
  }
  await turn();
  if (wire.sent.length < AGENTS) {
    const first = wire.sent[0];
    throw new Error(`not all came: ${JSON.stringify(first && decodeSingle(first.data))}`);
  }
  return senders;
}

async function inProcess(): Promise<boolean> {
  const { messages, bytesEach } = preparedUpdates();
  const wire = new Wire();
  const tally: Tally = { updates: 0, running: 0, latestByTask: new Map() };
  const ports = { bus: wire, clock, random, logger };
  const actor = startActor(tallying(tally), ports, masterAddress, { windows: { agent: 16_384 } });
  await turn();
  const senders = await openSessions(wire);
  const receives: number[] = [];
  let next = 0;
  let sentMessages = 0;

  const pump = async (forMs: number): Promise<{ updates: number; elapsedMs: number }> => {
    const startMs = performance.now();
    const before = tally.updates;
    while (performance.now() - startMs < forMs) {
      const receiveMs = performance.now();
      for (let i = 0; i < FRAMES_PER_TURN; i++) {
        const sender = senders[next % AGENTS] as Sender;
        const from = (next * MESSAGES_PER_FRAME) % messages.length;
        next++;
        const nowMs = performance.now();
        const header = sender.session.stamp(EPOCH, MESSAGES_PER_FRAME, nowMs);
        const data = encodeFrame(header, messages, { from, count: MESSAGES_PER_FRAME });
        wire.onMessage({ subject: sender.subject, data, arrivedAtMs: nowMs });
        sentMessages += MESSAGES_PER_FRAME;
      }
      receives.push(performance.now() - receiveMs);
      await turn();
      while (sentMessages - tally.updates > 8_192) await turn();
    }
    while (tally.updates < sentMessages) await turn();
    return { updates: tally.updates - before, elapsedMs: performance.now() - startMs };
  };

  await pump(WARM_UP_MS);
  drains.length = 0;
  receives.length = 0;
  const cpuBefore = process.cpuUsage();
  const { updates, elapsedMs } = await pump(TARGET_MS);
  const cpu = process.cpuUsage(cpuBefore);
  const refused = [...actor.counters].map((count) => count.join(" "));
  actor.kill();
  if (refused.length > 0) throw new Error(`something was refused: ${refused.join(", ")}`);
  return print({
    benchmark: "mailbox, in process",
    workload:
      `StatusUpdate of ${bytesEach} bytes on average, ${messages.length} different, ` +
      `${AGENTS} agents, frames of ${MESSAGES_PER_FRAME}, ${FRAMES_PER_TURN} frames a turn; ` +
      "scan, decode, check, session, gate, one machine event a batch, step into a Map; " +
      "cbor-x without its native addon",
    rows: [
      { name: "updates", value: (updates / elapsedMs) * 1_000, unit: "/s", atLeast: 100_000 },
      { name: "drain p50", value: quantile(drains, 0.5), unit: "ms" },
      { name: "drain p99", value: quantile(drains, 0.99), unit: "ms", below: 20 },
      { name: "drain max", value: Math.max(...drains), unit: "ms" },
      { name: "processor time an update", value: (cpu.user + cpu.system) / updates, unit: "µs" },
      { name: "receive turn p99", value: quantile(receives, 0.99), unit: "ms" },
    ],
  });
}

const SENDING_AGENTS = 4;

/** The same actor behind a real broker; the senders are another process. */
async function overBroker(): Promise<boolean> {
  const broker = await startTestBroker();
  const bus = await broker.connect({ role: "master", masterId: asId("bench") });
  const tally: Tally = { updates: 0, running: 0, latestByTask: new Map() };
  const address = { ...masterAddress, subjects: broker.subjects };
  const windows = { agent: 2_048 };
  const actor = startActor(tallying(tally), { bus, clock, random, logger }, address, { windows });
  const reached = await new Promise<boolean>((resolve) => setImmediate(() => bus.flush(resolve)));
  if (!reached) throw new Error("the broker was lost");
  const orders: AgentOrder[] = Array.from({ length: SENDING_AGENTS }, (_, i) => {
    const principal = asId<Principal>(`agent-${i}`);
    const identity = { role: "agent", principal } as const;
    const peer = agentPeer(principal);
    return {
      url: broker.broker.url,
      credential: broker.trust.issue(identity),
      inbox: inboxOf(identity),
      session: random.uuid() as string as SessionId,
      listenTo: broker.subjects.toPeer(peer),
      speakTo: broker.subjects.toMaster(peer),
    };
  });
  const senders = fork(fileURLToPath(new URL("./mailbox-process.js", import.meta.url)));
  senders.send(orders);
  await wait(WARM_UP_MS + 500);
  drains.length = 0;
  const before = tally.updates;
  const startMs = performance.now();
  const cpuBefore = process.cpuUsage();
  await wait(TARGET_MS);
  const elapsedMs = performance.now() - startMs;
  const cpu = process.cpuUsage(cpuBefore);
  const updates = tally.updates - before;
  const refused = [...actor.counters].map((count) => count.join(" "));
  senders.disconnect();
  actor.kill();
  await new Promise<void>((resolve) => bus.close(resolve));
  await broker.stop();
  if (refused.length > 0) throw new Error(`something was refused: ${refused.join(", ")}`);
  return print({
    benchmark: "mailbox, over a broker",
    workload:
      `the same updates and actor, ${SENDING_AGENTS} agents in another process with credentials, ` +
      `sessions and windows of 2,048, frames of ${MESSAGES_PER_FRAME}`,
    rows: [
      { name: "updates", value: (updates / elapsedMs) * 1_000, unit: "/s", atLeast: 40_000 },
      { name: "drain p50", value: quantile(drains, 0.5), unit: "ms" },
      { name: "drain p99", value: quantile(drains, 0.99), unit: "ms", below: 20 },
      { name: "processor time an update", value: (cpu.user + cpu.system) / updates, unit: "µs" },
    ],
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `--only process` or `--only broker` for one of the two. */
export async function run(args: readonly string[]): Promise<boolean> {
  const only = args[0] === "--only" ? args[1] : undefined;
  const inside = only === "broker" || (await inProcess());
  const across = only === "process" || (await overBroker());
  return inside && across;
}

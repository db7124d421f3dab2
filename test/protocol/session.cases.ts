/**
 * Sessions against the worst bus we promise to survive: FIFO, and it loses what it likes. Two
 * ends exchange numbered frames; a model knows what each was told. What must hold: what arrives
 * is a prefix of what was sent, in order, once; and when something was lost, both ends find out
 * within the time of a few probes.
 */
import fc from "fast-check";
import t from "tap";
import {
  asId,
  CLOSED_ANSWER_INTERVAL_MS,
  ClosedAnswers,
  type FrameHeader,
  HELLO_AGAIN_MS_MAX,
  PROBE_AFTER_MS,
  type Probe,
  Session,
  type SessionId,
} from "#protocol";

const ID = asId<SessionId>("0b8d5a4e");
const EPOCH = 3;

type Packet =
  | { readonly kind: "frame"; readonly header: FrameHeader; readonly messages: readonly number[] }
  | { readonly kind: "probe"; readonly header: FrameHeader; readonly probe: Probe };

class End {
  readonly session: Session;
  readonly sent: number[] = [];
  readonly got: number[] = [];
  readonly way: Packet[] = [];
  /** Something of what this end sent was lost. */
  lostFrames = 0;
  verdict: string | undefined;
  #handled = 0;

  constructor(side: "client" | "server", window: number) {
    this.session = new Session({ id: ID, side, window, nowMs: 0 });
  }

  send(count: number, nowMs: number, lose: boolean): void {
    if (this.session.phase === "closed") return;
    const taken = Math.min(count, this.session.room);
    const messages = Array.from({ length: taken }, (_, i) => this.sent.length + i);
    const header = this.session.stamp(EPOCH, taken, nowMs);
    if (taken > 0) this.sent.push(...messages);
    if (!lose) this.way.push({ kind: "frame", header, messages });
    else if (taken > 0) this.lostFrames++;
  }

  tick(nowMs: number, lose: boolean): void {
    if (this.session.phase !== "open") return;
    this.session.tick(nowMs);
    if (!this.session.owesProbe) return;
    const header = this.session.stamp(EPOCH, 0, nowMs);
    const probe = this.session.probe();
    if (!lose) this.way.push({ kind: "probe", header, probe });
  }

  /** Takes what the other end's way delivers next. */
  receive(from: End, nowMs: number): void {
    const packet = from.way.shift();
    if (packet === undefined || this.session.phase === "closed") return;
    const count = packet.kind === "frame" ? packet.messages.length : 0;
    let verdict = this.session.receive(packet.header, count, nowMs);
    if (verdict === "take" && packet.kind === "probe") {
      verdict = this.session.probed(packet.probe, nowMs);
    }
    if (verdict !== "take") {
      this.verdict = verdict;
      this.session.close();
      from.session.close();
      return;
    }
    if (packet.kind === "frame") this.got.push(...packet.messages);
  }

  handle(): void {
    const count = this.got.length - this.#handled;
    this.#handled = this.got.length;
    this.session.handled(count);
  }
}

interface Step {
  readonly who: boolean;
  readonly what: "send" | "deliver" | "handle" | "time";
  readonly count: number;
  readonly lose: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.boolean(),
  what: fc.constantFrom("send", "send", "deliver", "deliver", "handle", "time"),
  count: fc.integer({ min: 0, max: 6 }),
  lose: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});

function play(steps: readonly Step[], window: number): { client: End; server: End } {
  const client = new End("client", window);
  const server = new End("server", window);
  server.session.granted(window);
  client.session.open(window, EPOCH);
  let nowMs = 0;
  for (const { who, what, count, lose } of steps) {
    const [one, other] = who ? [client, server] : [server, client];
    if (what === "send") one.send(count, nowMs, lose);
    else if (what === "deliver") one.receive(other, nowMs);
    else if (what === "handle") one.handle();
    else {
      nowMs += 400;
      client.tick(nowMs, lose);
      server.tick(nowMs, false);
    }
    prefix(one.got, other.sent);
    prefix(other.got, one.sent);
    if (one.sent.length > other.got.length + 10 * window + 100) throw new Error("no window");
  }
  // The rest arrives, time passes, nothing more is lost.
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 2_000 && (client.way.length > 0 || server.way.length > 0); i++) {
      client.receive(server, nowMs);
      server.receive(client, nowMs);
      client.handle();
      server.handle();
    }
    nowMs += PROBE_AFTER_MS;
    for (const end of [client, server]) {
      end.tick(nowMs, false);
      if (end.session.phase === "open" && end.session.owesAtOnce) end.send(0, nowMs, false);
      if (end.session.phase === "open" && end.session.owesAck) end.send(0, nowMs, false);
    }
  }
  return { client, server };
}

function prefix(got: readonly number[], sent: readonly number[]): void {
  got.forEach((message, i) => {
    if (message !== sent[i]) throw new Error(`${got.join()} is no prefix of ${sent.join()}`);
  });
}

t.test("what arrives is a prefix in order, and every loss is noticed by both", async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 12 }), (steps, w) => {
      const { client, server } = play(steps, w);
      const lost = client.lostFrames + server.lostFrames > 0;
      const closed = client.session.phase === "closed";
      if (closed !== (server.session.phase === "closed")) throw new Error("one end knows");
      if (lost && !closed) throw new Error("a loss went unnoticed");
      if (!lost && closed) {
        throw new Error(`closed without a loss: ${client.verdict} ${server.verdict}`);
      }
      if (closed) return;
      if (client.got.length !== server.sent.length) throw new Error("something is missing");
      if (server.got.length !== client.sent.length) throw new Error("something is missing");
      if (client.session.unacknowledged || server.session.unacknowledged) {
        throw new Error("unacknowledged at rest");
      }
    }),
    { numRuns: 3_000 },
  );
  t.pass();
});

t.test("without losses both ends stay open and all arrives, whatever the window", async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, w) => {
      const { client, server } = play(
        steps.map((each) => ({ ...each, lose: false })),
        w,
      );
      if (client.session.phase !== "open") throw new Error("closed");
      prefix(server.got, client.sent);
      if (server.got.length !== client.sent.length) throw new Error("something is missing");
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

function open(side: "client" | "server", window = 4): Session {
  const session = new Session({ id: ID, side, window, nowMs: 0 });
  if (side === "client") session.open(4, EPOCH);
  return session;
}

const frame = (fields: Partial<FrameHeader>): FrameHeader => ({
  epoch: EPOCH,
  session: ID,
  number: 1,
  ack: 0,
  window: 4,
  ...fields,
});

t.test("the judgement of single frames", async (t) => {
  const session = open("client");
  t.equal(session.receive(frame({ number: 2 }), 1, 0), "gap");
  t.equal(session.receive(frame({ number: 1, ack: 1 }), 1, 0), "gap", "acknowledges the unsent");
  t.equal(session.receive(frame({ number: 1 }), 5, 0), "window-exceeded");
  t.equal(session.receive(frame({ number: 1 }), 4, 0), "take", "none of them was counted");
  t.equal(session.receive(frame({ number: 1 }), 1, 0), "duplicate-frame");
  t.equal(session.receive(frame({ number: 2 }), 1, 0), "window-exceeded");
  session.handled(1);
  t.equal(session.receive(frame({ number: 2 }), 1, 0), "take");
  t.equal(session.probed({ session: ID, sent: 3, received: 0 }, 0), "gap", "a silent tail");
  t.equal(session.probed({ session: ID, sent: 2, received: 0 }, 0), "take");
  t.ok(session.owesAtOnce, "a probe is answered");
});

t.test("a client whose Come was lost notices by the first frame", async (t) => {
  const session = new Session({ id: ID, side: "client", window: 4, nowMs: 0 });
  t.equal(session.receive(frame({}), 1, 0), "gap");
});

t.test("a Hello that nobody answers is said again, ever more rarely", async (t) => {
  const session = new Session({ id: ID, side: "client", window: 4, nowMs: 0 });
  const saidAtMs: number[] = [];
  for (let nowMs = 0; nowMs <= 50_000; nowMs += 250) {
    if (session.tick(nowMs) === "hello") saidAtMs.push(nowMs);
  }
  t.same(saidAtMs, [1_000, 3_000, 7_000, 15_000, 25_000, 35_000, 45_000]);
  t.equal(HELLO_AGAIN_MS_MAX, 10_000);
});

t.test("unacknowledged frames are probed after a second, acknowledged ones never", async (t) => {
  const session = open("client");
  session.stamp(EPOCH, 2, 100);
  t.equal(session.tick(1_099), undefined);
  t.equal(session.tick(1_100), "probe");
  t.same(session.probe(), { session: ID, sent: 1, received: 0 });
  t.equal(session.tick(1_200), undefined, "not again at once");
  t.equal(session.tick(2_100), "probe", "but again");
  t.equal(session.receive(frame({ number: 0, ack: 1 }), 0, 2_200), "take");
  t.equal(session.tick(9_000), undefined);
});

t.test("Closed is said to a peer at most once a second, and to many peers at once", async (t) => {
  const answers = new ClosedAnswers();
  const saidAtMs: number[] = [];
  for (let nowMs = 0; nowMs < 5_000; nowMs += 10) {
    if (answers.take("agent.a", nowMs)) saidAtMs.push(nowMs);
  }
  for (let i = 1; i < saidAtMs.length; i++) {
    const gapMs = (saidAtMs[i] ?? 0) - (saidAtMs[i - 1] ?? 0);
    t.ok(gapMs >= CLOSED_ANSWER_INTERVAL_MS && gapMs <= 2 * CLOSED_ANSWER_INTERVAL_MS, `${gapMs}`);
  }
  let said = 0;
  for (let i = 0; i < 100_000; i++) if (answers.take(`framework.x.${i}`, 5_000)) said++;
  t.ok(said > 1_000 && said < 20_000, "memory for it stays bounded");
});

/**
 * The sending side of the mailbox benchmark over a real broker, in a process of its own: agents
 * with sessions and windows as always, whose updates were encoded before.
 */
import { natsBus, type NatsBusOptions, systemClock } from "#adapters";
import { encodeFrame, encodeMessage, FrameReader, Session } from "#protocol";
import type { Bus } from "#runtime";
import { type AgentOrder, EPOCH, MESSAGES_PER_FRAME, preparedUpdates } from "./mailbox-load.ts";

const clock = systemClock();
/** Bytes handed to the socket in one turn, so that the broker's answers are read in between. */
const FRAMES_PER_TURN = 8;

class SendingAgent {
  readonly #bus: Bus;
  readonly #order: AgentOrder;
  readonly #messages: readonly Uint8Array[];
  readonly #session: Session;
  readonly #reader = new FrameReader();
  #next = 0;

  constructor(order: AgentOrder, messages: readonly Uint8Array[]) {
    this.#order = order;
    this.#messages = messages;
    const options: NatsBusOptions = {
      servers: [order.url],
      credential: () => order.credential,
      inbox: order.inbox,
      name: "agent",
      clock,
      nonce: order.session,
    };
    this.#bus = natsBus(options);
    const start = { id: order.session, side: "client", window: 1_024, nowMs: 0 } as const;
    this.#session = new Session(start);
  }

  begin(): void {
    if (!this.#bus.connected) return void setTimeout(() => this.begin(), 5);
    this.#bus.subscribe(this.#order.listenTo, ({ data }) => this.#heard(data));
    this.#bus.flush(() => this.#hello());
  }

  #hello(): void {
    const hello = { session: this.#order.session, incarnation: 1, epoch: EPOCH, version: 1 };
    const message = encodeMessage("Hello", { id: 0, re: 0 }, { ...hello, kinds: [] });
    if (message.fault !== undefined) throw new Error(message.fault);
    const header = this.#session.stamp(EPOCH, 0, clock.monotonicMs());
    this.#bus.publish(this.#order.speakTo, encodeFrame(header, [message.bytes]));
  }

  #heard(data: Uint8Array): void {
    const reader = this.#reader;
    if ((reader.open(data) ?? reader.walk()) !== undefined) throw new Error("not a frame");
    if (this.#session.phase === "calling") {
      if (reader.kind(0) !== "Come") throw new Error(`told ${reader.kind(0)} instead of Come`);
      this.#session.open(reader.window, EPOCH);
      return this.#pump();
    }
    if (reader.kind(0) === "Closed") throw new Error("the session was closed");
    this.#session.receive(reader, reader.count, clock.monotonicMs());
  }

  #pump(): void {
    for (let i = 0; i < FRAMES_PER_TURN && this.#session.room >= MESSAGES_PER_FRAME; i++) {
      const from = (this.#next++ * MESSAGES_PER_FRAME) % this.#messages.length;
      const header = this.#session.stamp(EPOCH, MESSAGES_PER_FRAME, clock.monotonicMs());
      const frame = encodeFrame(header, this.#messages, { from, count: MESSAGES_PER_FRAME });
      this.#bus.publish(this.#order.speakTo, frame);
    }
    const full = this.#session.room < MESSAGES_PER_FRAME;
    if (full) setTimeout(() => this.#pump(), 1);
    else setImmediate(() => this.#pump());
  }
}

process.on("message", (orders: readonly AgentOrder[]) => {
  const { messages } = preparedUpdates();
  for (const order of orders) new SendingAgent(order, messages).begin();
});
process.on("disconnect", () => process.exit(0));

/** One master and two agents on a desk, and everything that was said between them as lines. */
import { type AnyMessage, asId, decodeValue, FrameReader, MASTER_PEER, type Peer } from "#protocol";
import type { Effect, HostOptions } from "#runtime";
import { DeskBroker, DeskClock, type DeskPorts, deskPorts } from "./desk.ts";
import { A1, A2, addressOf, type Scripted, startScripted } from "./scripted.ts";

/** A message of an agent that is told from others by a number. */
export const exited = (n: number): AnyMessage => ({
  kind: "ExitedExecutor",
  body: { frameworkId: asId(`f${n}`), executorId: asId("e"), status: n },
});
export const toMaster = (n: number): Effect => {
  return { kind: "send", to: MASTER_PEER, message: exited(n) };
};
export const mails = (desk: Desk): number =>
  desk.master.seen.filter((line) => line.startsWith("mail ")).length;

export class Desk {
  readonly clock = new DeskClock();
  readonly broker = new DeskBroker(this.clock);
  readonly masterPorts: DeskPorts = deskPorts(this.broker, 1);
  readonly a1Ports: DeskPorts = deskPorts(this.broker, 2);
  readonly a2Ports: DeskPorts = deskPorts(this.broker, 3);
  readonly master: Scripted;
  readonly a1: Scripted;
  readonly a2: Scripted;
  /** Everything published, as text. */
  readonly frames: string[] = [];
  epoch = 1;
  /** The highest epoch that the agents know. */
  agentEpoch = 1;
  readonly #sessions = new Map<string, string>();
  readonly #reader = new FrameReader();

  constructor(options: HostOptions = {}) {
    const epoch = (): number => this.epoch;
    this.master = startScripted(this.masterPorts, addressOf(MASTER_PEER, epoch), options);
    this.master.onHello = (peer, session, out) => out.push({ kind: "come", peer, session });
    const known = (): number => this.agentEpoch;
    this.a1 = startScripted(this.a1Ports, addressOf(A1, known), options);
    this.a2 = startScripted(this.a2Ports, addressOf(A2, known), options);
    this.broker.onPublish = (subject, data) => this.#note(subject, data);
    this.clock.settle();
  }

  /** Opens sessions between both agents and the master. */
  connect(): void {
    this.master.run(
      { kind: "listen", to: "from-agents", listen: true },
      { kind: "listen", to: "from-operators", listen: true },
    );
    this.clock.settle();
    for (const agent of [this.a1, this.a2]) {
      agent.run(
        { kind: "listen", to: "from-master", listen: true },
        { kind: "hello", peer: MASTER_PEER, incarnation: 1 },
      );
      this.clock.settle();
    }
  }

  /** Lines of messages of `kind`; all lines for the empty text. */
  said(kind: string): string[] {
    return this.frames.filter((line) => line.includes(kind));
  }

  /** The session that `agent` has with the master, as its last Hello named it. */
  sessionOf(agent: Peer): string {
    return this.#sessions.get(`${agent} → master`) ?? "";
  }

  /** All counts of all three. */
  refusals(): string[] {
    return [this.master, this.a1, this.a2].flatMap(({ actor }) =>
      [...actor.counters].map((count) => count.join(" ")),
    );
  }

  #note(subject: string, data: Uint8Array): void {
    const reader = this.#reader;
    if ((reader.open(data) ?? reader.walk()) !== undefined) return;
    const up = /\.master\.(.*)$/.exec(subject)?.[1];
    const way =
      up === undefined ? `master → ${subject.slice("meseta.desk.".length)}` : `${up} → master`;
    const kind = reader.count === 0 ? "acknowledgement" : reader.kind(0);
    const names: string[] = [];
    for (let i = 0; i < reader.count; i++) names.push(nameOf(reader.body(i)));
    if (kind === "Hello") this.#sessions.set(way, reader.session);
    this.frames.push(`${way} #${reader.number} ${kind} ${names.join(" ")}`.trim());
  }
}

/** What tells bodies in a story apart. */
function nameOf(body: Uint8Array): string {
  const { value } = { value: undefined, ...decodeValue(body) };
  if (typeof value !== "object" || value === null) return "";
  const text: unknown = Reflect.get(value, "taskId") ?? Reflect.get(value, "frameworkId");
  return typeof text === "string" ? text : "";
}

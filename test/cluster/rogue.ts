/**
 * Somebody with a credential of this cluster who says what no driver would: bytes of their own
 * making, on their own subject and on those of others, over the real broker.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { inboxOf } from "#access";
import { type CredentialFile, natsBus, readCredentialFile, systemClock } from "#adapters";
import {
  asId,
  type ClusterId,
  type BodyOf,
  decodeBody,
  encodePlain,
  FrameReader,
  KINDS,
  type Peer,
  PROTOCOL_VERSION,
  parsePeer,
  type SessionId,
  type Subjects,
  subjectsOf,
} from "#protocol";
import type { Bus } from "#runtime";
import type { Cluster } from "../support/cluster.ts";
import { until } from "../support/until.ts";

export type RawMessage = readonly [kind: string, id: number, re: number, body: Uint8Array];

/** Fields of a frame as they go over the wire. */
export interface RawFrame {
  readonly version?: number;
  readonly epoch: number;
  readonly session: string;
  readonly number: number;
  readonly messages: readonly RawMessage[];
}

const WINDOW = 1_024;

export function frameBytes(frame: RawFrame): Uint8Array {
  const { version = PROTOCOL_VERSION, epoch, session, number, messages } = frame;
  return encodePlain([version, epoch, session, number, 0, WINDOW, messages]);
}

export function bodyBytes<Kind extends keyof typeof KINDS>(
  _kind: Kind,
  body: BodyOf<Kind>,
): Uint8Array {
  return encodePlain(body);
}

let rogues = 0;

export class Rogue {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly peer: Peer;
  epoch = 0;
  /** Subjects that the broker refused to us. */
  readonly forbidden: string[] = [];
  readonly #reader = new FrameReader();
  #session = "";
  #number = 0;
  #isOpen = false;

  private constructor(file: CredentialFile) {
    const [entry] = file.entries;
    if (entry === undefined) throw new Error("the file holds no credential");
    const { identity, credential } = entry;
    rogues += 1;
    this.subjects = subjectsOf(asId<ClusterId>(file.cluster));
    this.peer = inboxOf(identity).slice("_INBOX.".length) as Peer;
    this.bus = natsBus({
      servers: file.servers,
      credential: () => credential,
      inbox: inboxOf(identity),
      name: "rogue",
      clock: systemClock(),
      nonce: `rogue${rogues}`,
    });
    this.bus.onStatus((status) => {
      if (status.kind === "forbidden") this.forbidden.push(status.subject);
    });
    this.bus.subscribe(this.subjects.leader, ({ data }) => this.#beacon(data));
    this.bus.subscribe(this.subjects.toPeer(this.peer), ({ data }) => this.#heard(data));
  }

  /** Connects with one of the credential files that `up` writes; waits for the leader's word. */
  static async enter(cluster: Cluster, file: string): Promise<Rogue> {
    const path = join(cluster.bench.data, "credentials", file);
    const rogue = new Rogue(readCredentialFile(path));
    await until(() => rogue.epoch > 0, "the rogue hears the leader");
    return rogue;
  }

  get role(): string {
    return parsePeer(this.peer)?.role ?? "nobody";
  }

  #beacon(bytes: Uint8Array): void {
    if (this.#reader.open(bytes) === undefined) this.epoch = this.#reader.epoch;
  }

  #heard(bytes: Uint8Array): void {
    const reader = this.#reader;
    if (reader.open(bytes) !== undefined || reader.walk() !== undefined) return;
    if (reader.kind(0) !== "Come") return;
    const come = decodeBody("Come", reader.body(0));
    if (come.body?.session === this.#session) this.#isOpen = true;
  }

  /** Says raw bytes where the leader listens to us. */
  say(bytes: Uint8Array): void {
    this.bus.publish(this.subjects.toMaster(this.peer), bytes);
  }

  hello(): RawFrame {
    this.#session = randomUUID();
    this.#number = 0;
    this.#isOpen = false;
    const body = bodyBytes("Hello", {
      session: asId<SessionId>(this.#session),
      incarnation: 1,
      epoch: this.epoch,
      version: PROTOCOL_VERSION,
      kinds: Object.keys(KINDS),
    });
    const messages = [["Hello", 0, 0, body]] as const;
    return { epoch: this.epoch, session: this.#session, number: 0, messages };
  }

  /** Opens a session as a driver would. */
  async open(): Promise<void> {
    this.say(frameBytes(this.hello()));
    await until(() => this.#isOpen, "the leader lets the rogue come");
  }

  /** The next frame of the session that is open. */
  next(messages: readonly RawMessage[], change: Partial<RawFrame> = {}): Uint8Array {
    this.#number += 1;
    const { epoch } = this;
    const frame = { epoch, session: this.#session, number: this.#number, messages, ...change };
    return frameBytes(frame);
  }

  /** Everything said so far is with the broker. */
  async flush(): Promise<void> {
    let reached: boolean | undefined;
    this.bus.flush((answer) => {
      reached = answer;
    });
    await until(() => reached !== undefined, "the broker answers");
    if (reached !== true) throw new Error("the connection to the broker is gone");
  }

  async leave(): Promise<void> {
    await new Promise<void>((resolve) => this.bus.close(resolve));
  }
}

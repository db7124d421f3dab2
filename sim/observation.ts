/**
 * What can be seen of a run from outside the actors: frames on the bus, containers on machines,
 * what schedulers are told, faults. Decodes each frame once; checkers, trace and summary read
 * it. Judges nothing.
 */
import {
  type AnyMessage,
  decodeValue,
  type Epoch,
  FrameReader,
  type Kind,
  type Peer,
  type Subjects,
} from "#protocol";
import type { LogEntry } from "#runtime";
import type { BusObserver } from "./ports/bus-client.ts";
import type { Packet } from "./ports/packet.ts";
import type { SimNode } from "./kernel/node.ts";
import type { SimContainer, SimMachine } from "./ports/machine.ts";

/** Subjects that are remembered; emptied when full, since inboxes and executors come and go. */
const SPEAKERS_MAX = 4_096;
/** Kinds whose bodies nobody outside reads; only the header of their frames counts. */
const UNREAD: ReadonlySet<Kind> = new Set(["Heartbeat", "Probe", "AgentUsage", "EVENT_BATCH"]);

export interface SeenFrame {
  /** Who says it, by the subject (P-4.1). */
  readonly speaker: Peer;
  readonly subject: string;
  readonly bytes: number;
  readonly epoch: Epoch;
  readonly session: string;
  readonly number: number;
  readonly count: number;
  readonly messages: readonly AnyMessage[];
}

/** A process in one of its lives; one object for each process. */
export interface SeenNode {
  readonly name: string;
  /** Another number after each start. */
  readonly life: number;
}

export type Observation =
  /** A node's adapter took a frame to send it. */
  | { readonly what: "said"; readonly node: SeenNode; readonly frame: SeenFrame }
  /** A node had it to say and reached no broker: its own books have changed all the same. */
  | { readonly what: "unsent"; readonly node: SeenNode; readonly frame: SeenFrame }
  /** A frame is handed to a node. */
  | { readonly what: "heard"; readonly node: SeenNode; readonly frame: SeenFrame }
  | {
      readonly what: "started" | "ended";
      readonly machine: SimMachine;
      readonly container: SimContainer;
    }
  /** A scheduler is told of an update. */
  | {
      readonly what: "told";
      readonly framework: string;
      readonly taskId: string;
      readonly state: string;
      readonly uuid: string | undefined;
    }
  /** A master is told what stands in the log. */
  | { readonly what: "read"; readonly node: SeenNode; readonly entries: readonly LogEntry[] }
  | {
      readonly what: "fault";
      readonly name: string;
      readonly target: string;
      /** Names of those it was done to. */
      readonly on: readonly string[];
    }
  /** An actor ended: `died` of a fault of its own, or of its environment. */
  | {
      readonly what: "actor-ended";
      readonly node: SeenNode;
      readonly kind: "ended" | "died";
      readonly why: string;
      /** Whose message was in hand when it died. */
      readonly by?: Peer;
    };

const LIVES = new WeakMap<SeenNode, { readonly life: number; readonly text: string }>();

/** Name and life of a process, as one word: what it was in an earlier life does not count. */
export function lifeOf(node: SeenNode): string {
  const known = LIVES.get(node);
  if (known?.life === node.life) return known.text;
  const text = `${node.name}#${node.life}`;
  LIVES.set(node, { life: node.life, text });
  return text;
}

export type Observe = (observation: Observation) => void;

/** Turns what crosses the bus into observations. */
/** Speaker of what agents say to executors, before the principal: they speak in no epoch there. */
export const TO_EXECUTOR = "agent-to-executor.";
const EXECUTOR_SUBJECT = /\.executor\.([^.]+)\.[^.]+\.in$/;

export class BusEyes implements BusObserver {
  readonly #eyes: FrameEyes;
  readonly #observe: Observe;

  constructor(subjects: Subjects, observe: Observe) {
    this.#eyes = new FrameEyes(subjects);
    this.#observe = observe;
  }

  published(node: SimNode, packet: Packet): void {
    const frame = this.#decode(packet);
    if (frame !== undefined) this.#observe({ what: "said", node, frame });
  }

  unsent(node: SimNode, packet: Packet): void {
    const frame = this.#decode(packet);
    if (frame !== undefined) this.#observe({ what: "unsent", node, frame });
  }

  delivered(node: SimNode, packet: Packet): void {
    const frame = packet.seen;
    if (frame instanceof Frame) this.#observe({ what: "heard", node, frame });
  }

  #decode(packet: Packet): SeenFrame | undefined {
    const frame = this.#eyes.frame(packet.subject, packet.data);
    packet.seen = frame;
    return frame;
  }
}

/** Reads frames as somebody does who stands beside the wire. */
export class FrameEyes {
  readonly #subjects: Subjects;
  readonly #reader = new FrameReader();
  /** Who speaks on a subject, once it was looked up. */
  readonly #speakers = new Map<string, Peer | undefined>();

  constructor(subjects: Subjects) {
    this.#subjects = subjects;
  }

  /** What was published; undefined where it is no frame of the cluster's actors. */
  frame(subject: string, data: Uint8Array): SeenFrame | undefined {
    const speaker = this.#speakerOf(subject);
    const reader = this.#reader;
    if (speaker === undefined || reader.open(data) !== undefined) return undefined;
    const { count } = reader;
    const messages: AnyMessage[] = [];
    if (reader.walk() === undefined) {
      for (let index = 0; index < count; index++) {
        const message = this.#message(index);
        if (message !== undefined) messages.push(message);
      }
    }
    return new Frame(speaker, subject, data.length, reader, messages);
  }

  #speakerOf(subject: string): Peer | undefined {
    if (this.#speakers.has(subject)) return this.#speakers.get(subject);
    const speaker = this.#subjects.speaker(subject) ?? toExecutor(subject);
    if (this.#speakers.size >= SPEAKERS_MAX) this.#speakers.clear();
    this.#speakers.set(subject, speaker);
    return speaker;
  }

  #message(index: number): AnyMessage | undefined {
    const kind = this.#reader.kind(index);
    if (kind === undefined || UNREAD.has(kind)) return undefined;
    const { id, re } = { id: this.#reader.id(index), re: this.#reader.re(index) };
    return new SeenMessage(kind, id, re, this.#reader.body(index)) as AnyMessage;
  }
}

/** A frame, read once however many hear it. */
class Frame implements SeenFrame {
  readonly speaker: Peer;
  readonly subject: string;
  readonly bytes: number;
  readonly epoch: Epoch;
  readonly session: string;
  readonly number: number;
  readonly count: number;
  readonly messages: readonly AnyMessage[];

  constructor(
    speaker: Peer,
    subject: string,
    bytes: number,
    { epoch, session, number, count }: FrameReader,
    messages: readonly AnyMessage[],
  ) {
    this.speaker = speaker;
    this.subject = subject;
    this.bytes = bytes;
    this.epoch = epoch;
    this.session = session;
    this.number = number;
    this.count = count;
    this.messages = messages;
  }
}

/** A message whose body is decoded when somebody looks at it: most are judged by their kind. */
class SeenMessage {
  readonly kind: Kind;
  readonly id: number | undefined;
  readonly re: number | undefined;
  readonly #bytes: Uint8Array;
  #body: unknown;

  constructor(kind: Kind, id: number | undefined, re: number | undefined, bytes: Uint8Array) {
    this.kind = kind;
    this.id = id;
    this.re = re;
    this.#bytes = bytes;
  }

  get body(): unknown {
    if (this.#body === undefined) {
      // Who it is for checks it against its schema; bytes that are none of ours fail here.
      const decoded = decodeValue(this.#bytes, this.kind);
      if (decoded.fault !== undefined)
        throw new Error(`a ${this.kind} on the bus: ${decoded.fault}`);
      this.#body = decoded.value;
    }
    return this.#body;
  }
}

function toExecutor(subject: string): Peer | undefined {
  const principal = EXECUTOR_SUBJECT.exec(subject)?.[1];
  return principal === undefined ? undefined : (`${TO_EXECUTOR}${principal}` as Peer);
}

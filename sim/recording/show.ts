/**
 * Events of a replay in words: what came, from whom, what the actor did. The same facts make a
 * line for people and a record of a trace, so that a viewer shows a production incident.
 */
import { FrameReader, type Subjects, subjectsOf } from "#protocol";
import type { RecordingHead } from "#recording";
import { TAG } from "#recording";
import type { TraceHeader, TraceRecord } from "#runtime";
import type { ReplayedEvent } from "./replay.ts";

/** Longest text of one effect or value. */
const TEXT_LENGTH_MAX = 300;
/** Asked of a port so often, and so much a matter of course, that nobody wants to read it. */
const SILENT: ReadonlySet<string> = new Set(["clock.soon", "clock.cancel"]);

const OUTSIDE: Readonly<Record<number, string>> = {
  [TAG.start]: "start",
  [TAG.told]: "told",
  [TAG.stop]: "stop",
  [TAG.kill]: "kill",
};

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** Kinds of the messages in a frame; undefined where the bytes are none. */
function frameOf(
  data: Uint8Array,
): { readonly kinds: string[]; readonly msgId?: string } | undefined {
  const reader = new FrameReader();
  if (reader.open(data) !== undefined || reader.walk() !== undefined) return undefined;
  const kinds: string[] = [];
  for (let i = 0; i < reader.count; i++) kinds.push(reader.kind(i) ?? "?");
  return reader.number === 0 ? { kinds } : { kinds, msgId: `${reader.session}/${reader.number}` };
}

/** `StatusUpdate ×12, Heartbeat`. */
function counted(kinds: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, n]) => (n === 1 ? kind : `${kind} ×${n}`)).join(", ");
}

function messageText(data: Uint8Array): string {
  const frame = frameOf(data);
  if (frame === undefined) return `${data.length} bytes`;
  return frame.kinds.length === 0 ? "acknowledgement" : counted(frame.kinds);
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  const text = JSON.stringify(value, (_key, one: unknown) =>
    isBytes(one) ? `${one.length} bytes` : one,
  );
  return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text;
}

/** One effect in words; undefined for what is a matter of course. */
export function effectText(what: string, args: readonly unknown[]): string | undefined {
  if (SILENT.has(what)) return undefined;
  const [first, second] = args;
  if (what === "bus.publish" && isBytes(second)) return `send ${first}: ${messageText(second)}`;
  if (what === "clock.timer") return `timer in ${Number(first).toFixed(0)} ms`;
  const texts = args.map((arg) => {
    if (typeof arg === "object" && arg !== null && "file" in arg && isBytes(arg.file)) {
      return `${arg.file.length} bytes`;
    }
    return isBytes(arg) ? `${arg.length} bytes` : textOf(arg);
  });
  return `${what} ${texts.join(" ")}`.trim();
}

export class EventTexts {
  readonly #head: RecordingHead;
  readonly #subjects: Subjects;
  #cause = 0;
  #beganMs: number | undefined;
  #lastMs = 0;

  constructor(head: RecordingHead) {
    this.#head = head;
    this.#subjects = subjectsOf(head.recipe.cluster);
  }

  header(): TraceHeader {
    const { name, recipe, build, life, startedAtMs } = this.#head;
    return {
      trace: 1,
      of: "recording",
      version: build,
      nodes: [{ name, role: recipe.kind }],
      about: { cluster: recipe.cluster, life, startedAtMs },
    };
  }

  /** The event as a record of a trace; the cause of a drain is what came before it. */
  record({ n, atMs, turn, effects }: ReplayedEvent): TraceRecord {
    this.#beganMs ??= atMs;
    this.#lastMs = Math.max(this.#lastMs, atMs - this.#beganMs);
    const isDrain = turn.what === "call" && turn.name === "clock.soon";
    const record = {
      n,
      t: this.#lastMs,
      node: this.#head.name,
      cause: isDrain ? this.#cause : 0,
      ...this.#told(turn),
      ...(effects.length === 0 ? {} : { effects }),
    };
    if (!isDrain) this.#cause = n;
    return record;
  }

  #told(
    turn: ReplayedEvent["turn"],
  ): Pick<TraceRecord, "kind" | "from" | "summary" | "msgId" | "messages"> {
    if (turn.what === "outside") {
      const kind = OUTSIDE[turn.tag] ?? "outside";
      return { kind, from: "", summary: `${kind} ${textOf(turn.value)}`.trim() };
    }
    const { name, value } = turn;
    if (name === "clock.soon") return { kind: "drain", from: "", summary: "drain of the mailbox" };
    if (name === "clock.timer") return { kind: "timer", from: "", summary: "timer" };
    if (name !== "bus.message") {
      return { kind: "answer", from: "", summary: `${name} ${textOf(value)}`.trim() };
    }
    const { subject, data } = value as { readonly subject: string; readonly data: Uint8Array };
    const from = this.#subjects.speaker(subject) ?? subject;
    const frame = frameOf(data);
    return {
      kind: "mail",
      from,
      summary: messageText(data),
      ...(frame?.msgId === undefined ? {} : { msgId: frame.msgId }),
      ...(frame === undefined ? {} : { messages: frame.kinds }),
    };
  }
}

/** An event as lines for people. */
export function eventLines(record: TraceRecord): string[] {
  const { n, t, kind, from, summary, effects = [] } = record;
  const where = from === "" ? "" : ` from ${from}`;
  return [`${n} ${t.toFixed(3)} ms ${kind}${where}: ${summary}`, ...effects.map((e) => `    ${e}`)];
}

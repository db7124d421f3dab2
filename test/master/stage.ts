/**
 * A stage for one master: its behaviour with virtual time, a log that answers as told, and peers
 * that say what the story wants. Everything that leaves is written down as text.
 */
import { createActor } from "xstate";
import { type MasterConfig, type MasterState, masterBehaviour } from "#actors/master";
import {
  type AnyMessage,
  asId,
  type BodyOf,
  type ClusterId,
  type Incarnation,
  type Kind,
  type MasterId,
  type MessageId,
  type OperatorEvent,
  type Peer,
  type SessionId,
  subjectsOf,
  type Uuid,
} from "#protocol";
import { type LogBytes, open } from "#replication";
import {
  type AppendOutcome,
  type Behaviour,
  Counters,
  type Done,
  type Effect,
  type Env,
  type Input,
  type Mail,
  type Random,
} from "#runtime";

const CLUSTER = asId<ClusterId>("test");
/** What a stage starts with; wall clock in ms since 1970. */
const WALL_MS = 1_700_000_000_000;

/** Chance without chance: the same on every run. */
export class Steady implements Random {
  #drawn = 0;
  below(bound: number): number {
    this.#drawn += 1;
    return (this.#drawn * 7919) % bound;
  }
  uuid(): Uuid {
    this.#drawn += 1;
    return `00000000-0000-4000-8000-${this.#drawn.toString(16).padStart(12, "0")}` as Uuid;
  }
  token(length: number): string {
    this.#drawn += 1;
    return `t${this.#drawn}`.padEnd(length, "x").slice(0, length);
  }
}

export interface StageOptions extends Partial<Omit<MasterConfig, "subjects" | "clusterId">> {
  /** What the log holds already. */
  readonly log?: readonly LogBytes[];
  readonly exclusive?: boolean;
  readonly name?: string;
  readonly moods?: readonly Mood[];
  /** Files of the master's own; absent: it has no disk. */
  readonly disk?: Map<string, Uint8Array>;
  /** false: what it subscribes to does not reach the broker yet. */
  readonly reachesBroker?: boolean;
}

/** How the log treats an append that it does not simply commit. */
export type Mood = "unknown" | "conflict" | "late";

interface Link {
  session: SessionId;
  open: boolean;
  heardMs: number;
  room: number;
}

interface Armed {
  readonly name: string;
  readonly atMs: number;
}

/** Batches that one input may cause before the story is at fault. */
const BATCHES_MAX = 200;

export class Stage {
  readonly behaviour: Behaviour<MasterState>;
  readonly state: MasterState;
  readonly counters = new Counters();
  readonly events: OperatorEvent[] = [];
  readonly links = new Map<Peer, Link>();
  /** Who heard a heartbeat, in order; a story tells of none. */
  readonly heartbeats: Peer[] = [];
  /** Every record, shared by the stages of one cluster. */
  readonly log: LogBytes[];
  readonly disk: Map<string, Uint8Array>;
  /** How the log treats the next appends; committed where it says nothing. */
  readonly moods: Mood[];
  ask: "reply" | "no-responders" | "timeout" = "no-responders";
  nowMs = 0;
  /** Between two looks at the clock within a batch passes as much. */
  workMs = 0;
  muted = false;
  ended: string | undefined;
  busConnected = true;
  /** Whether what it subscribes to reaches the broker. */
  reachesBroker: boolean;
  /** Whom it hears. */
  readonly hears = new Set<string>();
  readonly #actor;
  readonly #random = new Steady();
  #lines: string[] = [];
  #timers: Armed[] = [];
  #inputs: Input[] = [];
  #late: (() => void)[] = [];
  #sessions = 0;
  #readings = 0;

  constructor(options: StageOptions = {}) {
    const { log = [], exclusive = false, name = "m1", moods = [], disk, ...rest } = options;
    const { reachesBroker = true, ...config } = rest;
    this.reachesBroker = reachesBroker;
    this.disk = disk ?? new Map();
    this.moods = [...moods];
    this.log = log as LogBytes[];
    this.behaviour = masterBehaviour(
      {
        subjects: subjectsOf(CLUSTER),
        clusterId: CLUSTER,
        masterId: asId<MasterId>(name),
        ...config,
      },
      { exclusive, hasDisk: disk !== undefined },
      this.#random,
    );
    this.state = this.behaviour.state;
    this.#actor = createActor(
      this.behaviour.machine.provide({ actions: { handleBatch: () => undefined } }),
    );
    this.#actor.start();
    this.#enter("xstate.init");
    this.#drain();
  }

  get lifecycle(): string {
    return String(this.#actor.getSnapshot().value);
  }

  /** What left since it was asked last. */
  take(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** Lines that mention `word`. */
  taken(word: string): string[] {
    return this.take().filter((line) => line.includes(word));
  }

  /** Time passes; timers fire in order. */
  elapse(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers
        .filter(({ atMs }) => atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.#inputs.push({ family: "due", timer: next.name, lateMs: 0 });
      this.#drain();
    }
    this.nowMs = untilMs;
  }

  /** This process stands still: timers fire late, all at once. */
  standStill(ms: number): void {
    this.nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { name, atMs } of due) {
      this.#inputs.push({ family: "due", timer: name, lateMs: this.nowMs - atMs });
    }
    this.#drain();
  }

  /** Waits until it leads. */
  lead(): this {
    for (let waitedMs = 0; this.lifecycle !== "leading" && waitedMs < 60_000; waitedMs += 100) {
      this.elapse(100);
    }
    this.elapse(20);
    this.take();
    return this;
  }

  hello(peer: Peer, identity?: string, incarnation: Incarnation = 1): void {
    this.#sessions += 1;
    const session = `s${this.#sessions}` as SessionId;
    const link = this.links.get(peer);
    if (link?.open === true) this.closed(peer, "old-session");
    this.links.set(peer, { session, open: false, heardMs: this.nowMs, room: 1000 });
    const hello = { change: "hello", session, incarnation, version: 1, kinds: [] } as const;
    this.done({ what: "link", peer, link: { ...hello, identity, epoch: this.state.epoch } });
  }

  closed(peer: Peer, reason: "gap" | "old-session" = "gap"): void {
    const link = this.links.get(peer);
    if (link === undefined) return;
    link.open = false;
    this.done({ what: "link", peer, link: { change: "closed", session: link.session, reason } });
  }

  mail<K extends Kind>(
    from: Peer,
    kind: K,
    body: BodyOf<K>,
    more: { readonly id?: MessageId; readonly reply?: string; readonly epoch?: number } = {},
  ): void {
    const link = this.links.get(from);
    // Without a session nobody hears it: the host drops it and says so.
    if (link?.open === false) return;
    if (link !== undefined) link.heardMs = this.nowMs;
    const { id = 0, epoch = this.state.epoch, reply } = more;
    const mail = { family: "mail", kind, body, id, re: 0, from, epoch, arrivedAtMs: this.nowMs };
    this.#inputs.push({ ...mail, ...(reply === undefined ? {} : { reply }) } as Mail);
    this.#drain();
  }

  /** The peer is heard without saying anything. */
  heard(peer: Peer): void {
    const link = this.links.get(peer);
    if (link !== undefined) link.heardMs = this.nowMs;
  }

  done(done: Done): void {
    this.#inputs.push({ family: "done", ...done });
    this.#drain();
  }

  /** What the log was slow about comes now. */
  settleLog(): void {
    for (const late of this.#late.splice(0)) late();
    this.#drain();
  }

  #env(): Env {
    return {
      nowMs: this.nowMs,
      clockMs: () => {
        this.#readings += 1;
        return this.nowMs + this.#readings * this.workMs;
      },
      wallMs: WALL_MS + this.nowMs,
      random: this.#random,
      counters: this.counters,
      bus: { connected: this.busConnected, sinceMs: -1e9 },
      lifecycle: this.lifecycle,
      lastHeardMs: (peer) => this.links.get(peer)?.heardMs,
      isOpen: (peer) => this.links.get(peer)?.open === true,
      room: (peer) => this.links.get(peer)?.room ?? 0,
      oldestWaitingMs: () => this.nowMs,
    };
  }

  #enter(type: string): void {
    const out: Effect[] = [];
    this.behaviour.entered(this.state, this.lifecycle, { type }, this.#env(), out);
    for (const effect of out) this.#perform(effect);
  }

  #drain(): void {
    for (let batches = 0; ; batches += 1) {
      if (batches > BATCHES_MAX) throw new Error("the story does not come to rest");
      const batch = this.#inputs.splice(0);
      if (batch.length === 0 || this.ended !== undefined) return;
      const out: Effect[] = [];
      for (const input of batch) this.behaviour.step(this.state, input, this.#env(), out);
      this.behaviour.batchEnded(this.state, this.#env(), out);
      for (const effect of out) if (this.ended === undefined) this.#perform(effect);
    }
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "send":
        if (effect.message.kind === "Heartbeat") return void this.heartbeats.push(effect.to);
        if (this.links.get(effect.to)?.open !== true) return this.#write(`no session ${effect.to}`);
        return this.#write(`${effect.to} ← ${show(effect.message)}`);
      case "reply":
        return this.#write(`${effect.reply} ← ${show(effect.message)}`);
      case "publish":
        if (effect.message.kind === "EVENT_BATCH") this.events.push(...effect.message.body.events);
        if (effect.to !== undefined && effect.message.kind === "Beacon") {
          const { epoch, windowMs } = effect.message.body;
          this.#write(`${effect.to} ← Beacon of ${epoch}, window ${windowMs}`);
        }
        return;
      case "append":
        return this.#append(effect);
      case "log-read":
        return this.#read(effect);
      case "log-follow":
      case "log-unfollow":
      case "lease":
        return;
      case "log-truncate":
        return this.#truncate(effect);
      case "log-step-down":
        return this.#stepDown(effect);
      case "disk-read": {
        const bytes = this.disk.get(effect.path);
        const outcome = bytes === undefined ? { kind: "absent" } : { kind: "read", bytes };
        return this.#later({ what: "disk-read", token: effect.token, outcome } as Done);
      }
      case "write":
        this.disk.set(effect.path, effect.bytes);
        return this.#later({ what: "write", token: effect.token, outcome: { kind: "done" } });
      case "ask-leader":
        return this.#later({ what: "ask", token: effect.token, outcome: this.ask });
      case "flush":
        return this.#later({
          what: "flushed",
          token: effect.token,
          reached: this.reachesBroker,
        });
      case "timer":
        this.#timers = this.#timers.filter(({ name }) => name !== effect.name);
        this.#timers.push({ name: effect.name, atMs: this.nowMs + effect.inMs });
        return;
      case "cancel-timer":
        this.#timers = this.#timers.filter(({ name }) => name !== effect.name);
        return;
      case "come": {
        const link = this.links.get(effect.peer);
        if (link?.session === effect.session) link.open = true;
        return this.#write(`${effect.peer} ← Come`);
      }
      case "close": {
        const link = this.links.get(effect.peer);
        if (link !== undefined) link.open = false;
        return this.#write(`${effect.peer} closed: ${effect.reason}`);
      }
      case "count":
        return this.counters.add(effect.name, effect.reason);
      case "mute":
        this.muted = effect.mute;
        return this.#write(effect.mute ? "mute" : "speaks");
      case "fence":
        this.ended = effect.why;
        return this.#write("fence");
      case "lifecycle":
        this.#actor.send(effect.event);
        this.#write(`is ${this.lifecycle}`);
        return this.#enter(effect.event.type);
      case "listen":
        return void this.hears.add(effect.to);
      case "log":
        return;
      default:
        return this.#write(effect.kind);
    }
  }

  #read({ token, from, max }: Extract<Effect, { kind: "log-read" }>): void {
    const first = this.log[0]?.position ?? 1;
    const entries = this.log
      .filter(({ position }) => position >= from && from >= first)
      .slice(0, max);
    this.#later({ what: "log-read", token, outcome: { kind: "read", entries, first } });
  }

  #stepDown({ token, end }: Extract<Effect, { kind: "log-step-down" }>): void {
    this.#write(`another copy of the log is asked for: it ends at ${end}`);
    this.#later({ what: "log-step-down", token, outcome: { kind: "done" } });
  }

  #truncate({ token, before }: Extract<Effect, { kind: "log-truncate" }>): void {
    const index = this.log.findIndex(({ position }) => position >= before);
    this.log.splice(0, index);
    this.#write(`log forgets before ${before}`);
    this.#later({ what: "log-truncate", token, outcome: { kind: "done" } });
  }

  #append({ token, expected, record }: Extract<Effect, { kind: "append" }>): void {
    const opened = open(record);
    const kinds = opened.kind === "record" ? opened.record.operations.map(describe) : ["?"];
    if (kinds.join() !== "Proof") this.#write(`log ← ${kinds.join(", ")}`);
    const mood = this.moods.shift();
    const put = (): AppendOutcome => {
      if (expected !== (this.log.at(-1)?.position ?? 0)) return { kind: "conflict" };
      this.log.push({ position: expected + 1, record });
      return { kind: "committed", position: expected + 1 };
    };
    const answer = (outcome: AppendOutcome): void => {
      this.#later({ what: "append", token, outcome });
    };
    if (mood === undefined) return answer(put());
    if (mood === "late") return void this.#late.push(() => answer(put()));
    answer(mood === "unknown" ? { kind: "unknown", why: "timeout" } : { kind: "conflict" });
  }

  #later(done: Done): void {
    this.#inputs.push({ family: "done", ...done });
  }

  #write(line: string): void {
    this.#lines.push(line);
  }
}

function describe(operation: { readonly kind: string }): string {
  const fields = operation as { agentId?: string; frameworkId?: string };
  const id = fields.agentId ?? fields.frameworkId;
  return id === undefined ? operation.kind : `${operation.kind} ${id}`;
}

/** A message as one line: its kind and what stories are about. */
export function show(message: AnyMessage): string {
  const id = message.re === undefined || message.re === 0 ? "" : ` to ${message.re}`;
  return `${message.kind}${id}${fieldsOf(message)}`;
}

function fieldsOf(message: AnyMessage): string {
  switch (message.kind) {
    case "OFFERS":
      return ` ${message.body.offers
        .map(({ offerId, agentId, allocationRole, resources }) => {
          const amounts = resources.map(({ name, scalar }) => `${name} ${scalar?.milli ?? "?"}`);
          return `${offerId} ${agentId} ${allocationRole} ${amounts.join(" ")}`;
        })
        .join("; ")}`;
    case "UPDATE": {
      const { taskId, state, reason, uuid, message: text, exitCode } = message.body.status;
      const exit = exitCode === undefined ? "" : `exit ${exitCode}`;
      const parts = [taskId, state, reason, uuid === undefined ? "" : "uuid", text, exit];
      return ` ${parts.filter((part) => part !== undefined && part !== "").join(" ")}`;
    }
    case "RunTask": {
      const { task, launchExecutor: begins } = message.body;
      return ` ${task.taskId}${begins === undefined ? "" : ` launchExecutor ${begins}`}`;
    }
    case "RunTaskGroup":
      return ` ${message.body.taskGroup.tasks.map(({ taskId }) => taskId).join(" ")}`;
    case "SUBSCRIBED":
      return ` ${message.body.frameworkId} count ${message.body.token.count}`;
    default:
      return ` ${JSON.stringify(message.body)}`;
  }
}

/**
 * Carries out effects on the ports, one after another. Owns what is open at the ports
 * (subscriptions, the followed log); decides nothing and keeps no state of the actor. What a port
 * throws becomes the answer that the port would have given for a failure, and is counted.
 */
import {
  type AnyMessage,
  agentPeer,
  type ContainerId,
  decodeCredit,
  encodeNobody,
  encodeSingle,
  MASTER_PEER,
  parsePeer,
  type Peer,
  type Principal,
} from "#protocol";
import type { ActorPorts, Address } from "./actor.ts";
import type { Door } from "./door.ts";
import type { Effect, LauncherRequest, ListenTopic } from "./effects.ts";
import type { Holds, Tokens } from "./holds.ts";
import type { Done, LocalMessage } from "./inputs.ts";
import { invariant } from "./invariant.ts";
import type { Links } from "./links.ts";
import { callLauncher, laneOf, launcherFailure } from "./launching.ts";
import type { BusMessage, Subscription } from "./ports/bus.ts";
import type { DiskList, DiskOutcome, DiskRead } from "./ports/disk.ts";
import type { HintOutcome, ReadOutcome, StepDownOutcome, TruncateOutcome } from "./ports/log.ts";
import type { StreamRead } from "./ports/streams.ts";
import type { Timers } from "./timers.ts";

/** Most subjects that one actor listens to, credits of streams included. */
export const SUBSCRIPTIONS_MAX = 4_096;
/** Answers and publications that wait while the actor is mute; older ones are dropped first. */
export const MUTE_HELD_MAX = 10_000;

export interface PerformHost {
  readonly ports: ActorPorts;
  readonly address: Address;
  readonly links: Links;
  readonly door: Door;
  readonly tokens: Tokens;
  readonly holds: Holds;
  readonly timers: Timers;
  /** An answer of a port, for the system lane. Void when the actor is fenced or over. */
  done(done: Done): void;
  publish(subject: string, bytes: Uint8Array): void;
  /** Runs a call of a port; what it throws is counted, logged and returned as a sentence. */
  guarded(port: string, call: () => void): string | undefined;
  count(name: string, label: string): void;
  /** A message of ours that breaks its own schema: counted, logged, not said. */
  unsaid(kind: string, why: string): void;
  /** The disk's state is unknown: the actor dies (P-1.5). */
  die(why: string): void;
  tellNeighbour(to: string, message: LocalMessage): void;
  setMute(mute: boolean): void;
}

/** Effects on the world; the others concern the host alone. */
export type WorldEffect = Exclude<
  Effect,
  { readonly kind: "fence" | "lifecycle" | "count" | "log" | "set-log-level" }
>;

type LogEffect = Extract<WorldEffect, { kind: "append" | `log-${string}` }>;
type DiskEffect = Extract<WorldEffect, { kind: "write" | `disk-${string}` }>;
type Failed = { readonly kind: "failed"; readonly why: string };
type After = Extract<Effect, { kind: "reply" }>["after"];

export class Performer {
  readonly #host: PerformHost;
  readonly #subscriptions = new Map<string, Subscription>();
  #follow: { stop(): void } | undefined;
  #muted = false;
  #held: { readonly subject: string; readonly bytes: Uint8Array }[] = [];

  constructor(host: PerformHost) {
    this.#host = host;
  }

  /** One effect. Order is the caller's; a fenced actor's effects never come here. */
  perform(effect: WorldEffect): void {
    const host = this.#host;
    switch (effect.kind) {
      case "send":
        return host.links.send(effect.to, effect.message, effect.after);
      case "reply":
        return this.#single(effect.reply, effect.message, effect.after);
      case "publish":
        return this.#publish(effect);
      case "chunk":
        return host.publish(this.#stream(effect.streamId, "out"), effect.data);
      case "listen-credits":
        return this.#credits(effect.streamId, effect.listen);
      case "tell":
        return this.#tell(effect.to, effect.message, effect.after);
      case "timer":
        return host.timers.arm(effect.name, effect.inMs);
      case "cancel-timer":
        return host.timers.cancel(effect.name);
      case "append":
      case "log-read":
      case "log-hint":
      case "log-truncate":
      case "log-step-down":
      case "log-follow":
      case "log-unfollow":
        return this.#log(effect);
      case "settle":
        return host.tokens.settle(effect.token, effect.durable);
      case "lease":
        host.links.leaseMs = effect.untilMs;
        return this.setMute(this.#muted);
      case "mute":
        return host.setMute(effect.mute);
      case "write":
      case "disk-read":
      case "disk-list":
        return this.#disk(effect);
      case "stream-read":
        return this.#readStream(effect);
      case "launcher":
        return this.#launcher(effect.request, effect.after);
      case "ask-leader":
        return this.#ask(effect.token, effect.timeoutMs);
      case "flush":
        return this.#flush(effect.token);
      case "listen":
        return this.#listen(effect.to, effect.listen);
      case "hello":
        return host.links.hello(effect.peer, effect.incarnation, effect.identity);
      case "come":
        return host.links.come(effect.peer, effect.session);
      case "close":
        return host.links.closeByActor(effect.peer, effect.reason);
      default:
        return unknownEffect(effect);
    }
  }

  /** Held is what is said outside sessions; frames wait in their links. */
  setMute(mute: boolean): void {
    this.#muted = mute;
    if (mute) return;
    for (const { subject, bytes } of this.#held.splice(0)) this.#host.publish(subject, bytes);
  }

  /** Says something outside sessions, now or when the actor is no longer mute. */
  say(subject: string, bytes: Uint8Array): void {
    if (!this.#muted && this.#host.links.maySpeak) return this.#host.publish(subject, bytes);
    this.#held.push({ subject, bytes });
    if (this.#held.length <= MUTE_HELD_MAX) return;
    this.#held.shift();
    this.#host.count("dropped", "mute");
  }

  /** Stops everything that calls back. */
  end(): void {
    for (const subscription of this.#subscriptions.values()) {
      this.#host.guarded("bus", () => subscription.stop());
    }
    this.#subscriptions.clear();
    this.#unfollow();
    this.#held = [];
  }

  #single(reply: string, message: AnyMessage, after: After): void {
    const bytes = this.#encode(message);
    if (bytes === undefined) return;
    this.#host.holds.perform(`reply.${reply}`, after, () => this.say(reply, bytes));
  }

  #publish({ topic, to, message, after }: Extract<Effect, { kind: "publish" }>): void {
    const { subjects } = this.#host.address;
    const all = topic === "leader" ? subjects.leader : subjects.event(topic);
    const subject = to === undefined ? all : subjects.toPeer(to);
    const bytes = this.#encode(message);
    if (bytes === undefined) return;
    this.#host.holds.perform(`publish.${topic}`, after, () => this.say(subject, bytes));
  }

  #encode(message: AnyMessage): Uint8Array | undefined {
    const { bytes, fault } = encodeSingle(message, this.#host.address.epoch(MASTER_PEER));
    if (fault !== undefined) this.#host.unsaid(message.kind, fault);
    return bytes;
  }

  #tell(to: string, message: LocalMessage, after: After): void {
    this.#host.holds.perform(`tell.${to}`, after, () => this.#host.tellNeighbour(to, message));
  }

  #log(effect: LogEffect): void {
    const host = this.#host;
    const { log } = host.ports;
    invariant(log !== undefined, "an actor that uses the log has one", { effect: effect.kind });
    switch (effect.kind) {
      case "append": {
        const { token } = effect;
        host.tokens.opened(token);
        const why = host.guarded("log", () =>
          log.append(effect.expected, effect.record, (outcome) => {
            host.done({ what: "append", token, outcome });
            if (outcome.kind === "committed") host.tokens.settle(token, true);
          }),
        );
        if (why !== undefined) {
          host.done({ what: "append", token, outcome: { kind: "unknown", why } });
        }
        return;
      }
      case "log-read":
        return this.#query<ReadOutcome>(
          "log",
          (done) => log.read(effect.from, effect.max, done),
          (outcome) => host.done({ what: "log-read", token: effect.token, outcome }),
        );
      case "log-hint":
        return this.#query<HintOutcome>(
          "log",
          (done) => log.hint(done),
          (outcome) => host.done({ what: "log-hint", token: effect.token, outcome }),
        );
      case "log-truncate":
        return this.#query<TruncateOutcome>(
          "log",
          (done) => log.truncate(effect.before, done),
          (outcome) => host.done({ what: "log-truncate", token: effect.token, outcome }),
        );
      case "log-step-down":
        return this.#query<StepDownOutcome>(
          "log",
          (done) => log.stepDown(effect.end, done),
          (outcome) => host.done({ what: "log-step-down", token: effect.token, outcome }),
        );
      case "log-follow":
        this.#unfollow();
        host.guarded("log", () => {
          this.#follow = log.follow(effect.from, (entries) =>
            host.done({ what: "log-entries", entries }),
          );
        });
        return;
      case "log-unfollow":
        return this.#unfollow();
      default:
        return unknownEffect(effect);
    }
  }

  /** Asks a port something; what it throws is the answer that it failed. */
  #query<Outcome>(
    port: string,
    call: (done: (outcome: Outcome | Failed) => void) => void,
    done: (outcome: Outcome | Failed) => void,
  ): void {
    const why = this.#host.guarded(port, () => call(done));
    if (why !== undefined) done({ kind: "failed", why });
  }

  #unfollow(): void {
    const follow = this.#follow;
    this.#follow = undefined;
    if (follow !== undefined) this.#host.guarded("log", () => follow.stop());
  }

  #disk(effect: DiskEffect): void {
    const host = this.#host;
    const { disk } = host.ports;
    invariant(disk !== undefined, "an actor that uses the disk has one", { effect: effect.kind });
    const { token, path } = effect;
    switch (effect.kind) {
      case "write": {
        host.tokens.opened(token);
        const done = (outcome: DiskOutcome): void => {
          if (outcome.kind === "failed")
            return host.die(`the disk failed at ${path}: ${outcome.why}`);
          host.done({ what: "write", token, outcome });
          if (outcome.kind === "done") host.tokens.settle(token, true);
        };
        const why = host.guarded("disk", () => {
          if (effect.mode === "replace") disk.replace(path, effect.bytes, done);
          else if (effect.mode === "append") disk.append(path, effect.bytes, done);
          else disk.remove(path, done);
        });
        if (why !== undefined) done({ kind: "failed", why });
        return;
      }
      case "disk-read":
        return this.#query<DiskRead>(
          "disk",
          (done) => disk.read(path, done),
          (outcome) => host.done({ what: "disk-read", token, outcome }),
        );
      case "disk-list":
        return this.#query<DiskList>(
          "disk",
          (done) => disk.list(path, done),
          (outcome) => host.done({ what: "disk-list", token, outcome }),
        );
      default:
        return unknownEffect(effect);
    }
  }

  #readStream(effect: Extract<WorldEffect, { kind: "stream-read" }>): void {
    const host = this.#host;
    const { streams } = host.ports;
    invariant(streams !== undefined, "an actor that reads logs of containers has the port");
    const { token, containerId, file, offset, max } = effect;
    this.#query<StreamRead>(
      "streams",
      (done) => streams.read(asContainer(containerId), file, offset, max, done),
      (outcome) => host.done({ what: "stream-read", token, outcome }),
    );
  }

  /** Requests for one container take effect in the order asked; others do not wait for them. */
  #launcher(request: LauncherRequest, after: After): void {
    const { launcher } = this.#host.ports;
    invariant(launcher !== undefined, "an actor that launches has a launcher");
    const lane = laneOf(request);
    this.#host.holds.perform(lane, after, () => {
      const why = this.#host.guarded("launcher", () =>
        callLauncher(launcher, request, (done) => this.#host.done(done)),
      );
      if (why !== undefined) this.#host.done(launcherFailure(request, why));
    });
  }

  #ask(token: string, timeoutMs: number): void {
    const { ports, address } = this.#host;
    const subject = address.subjects.toMaster(address.self);
    const why = this.#host.guarded("bus", () =>
      ports.bus.request(subject, encodeNobody(0), timeoutMs, ({ kind }) =>
        this.#host.done({ what: "ask", token, outcome: kind }),
      ),
    );
    if (why !== undefined) this.#host.done({ what: "ask", token, outcome: "disconnected" });
  }

  #flush(token: string): void {
    this.#host.links.flush();
    const why = this.#host.guarded("bus", () =>
      this.#host.ports.bus.flush((reached) => this.#host.done({ what: "flushed", token, reached })),
    );
    if (why !== undefined) this.#host.done({ what: "flushed", token, reached: false });
  }

  #listen(topic: ListenTopic, listen: boolean): void {
    const { address } = this.#host;
    if (topic === "from-operators") this.#beThere(address.subjects.toMaster(MASTER_PEER), listen);
    const { subject, speaker } = whereTo(topic, address);
    if (!listen) return this.#unsubscribe(subject);
    this.#subscribe(subject, (message) => this.#host.door.receive(message, speaker));
  }

  /** Standbys ask there whether anybody leads; that somebody listens is the whole answer. */
  #beThere(subject: string, listen: boolean): void {
    if (listen) this.#subscribe(subject, () => undefined);
    else this.#unsubscribe(subject);
  }

  #credits(streamId: string, listen: boolean): void {
    const subject = this.#stream(streamId, "in");
    if (!listen) return this.#unsubscribe(subject);
    this.#subscribe(subject, ({ data }) => {
      const credits = decodeCredit(data);
      if (credits === undefined) return this.#host.count("dropped", "decode-failed");
      this.#host.done({ what: "credit", streamId, credits });
    });
  }

  #subscribe(subject: string, onMessage: (message: BusMessage) => void): void {
    if (this.#subscriptions.has(subject)) return;
    invariant(this.#subscriptions.size < SUBSCRIPTIONS_MAX, "subjects listened to stay bounded", {
      limit: SUBSCRIPTIONS_MAX,
    });
    this.#host.guarded("bus", () => {
      this.#subscriptions.set(subject, this.#host.ports.bus.subscribe(subject, onMessage));
    });
  }

  #unsubscribe(subject: string): void {
    const subscription = this.#subscriptions.get(subject);
    if (subscription === undefined) return;
    this.#subscriptions.delete(subject);
    this.#host.guarded("bus", () => subscription.stop());
  }

  #stream(streamId: string, way: "in" | "out"): string {
    const { subjects, self } = this.#host.address;
    return subjects.stream(principalOf(self), streamId, way);
  }
}

function principalOf(self: Peer): Principal {
  const parts = parsePeer(self);
  invariant(parts !== undefined && parts.role !== "master", "this actor has a principal", { self });
  return parts.principal;
}

/** Subject of a topic, and who speaks there where the subject names but one. */
function whereTo(
  topic: ListenTopic,
  { subjects, self }: Address,
): { readonly subject: string; readonly speaker: Peer | undefined } {
  switch (topic) {
    case "leader":
      return { subject: subjects.leader, speaker: MASTER_PEER };
    case "from-agents":
      return { subject: subjects.fromAgents, speaker: undefined };
    case "from-frameworks":
      return { subject: subjects.fromFrameworks, speaker: undefined };
    case "from-operators":
      return { subject: subjects.fromOperators, speaker: undefined };
    case "from-master":
      return { subject: subjects.toPeer(self), speaker: MASTER_PEER };
    case "from-executors":
      return { subject: subjects.fromExecutors(principalOf(self)), speaker: undefined };
    case "from-agent": {
      const parts = parsePeer(self);
      invariant(parts?.role === "executor", "only executors listen to their agent", { self });
      const { principal, containerId } = parts;
      const subject = subjects.executor(principal, containerId, "in");
      return { subject, speaker: agentPeer(principal) };
    }
    default:
      return unknownEffect(topic);
  }
}

/** What the schemas let pass as a container's id, by the type the port wants. */
function asContainer(containerId: string): ContainerId {
  return containerId as ContainerId;
}

function unknownEffect(effect: never): never {
  throw new Error(`unknown effect ${JSON.stringify(effect)}`);
}

/**
 * Runs one actor on its ports: drains the mailbox through the machine, one event a batch, and
 * performs what the handlers asked for, in order, when the transition is over (P-1). Owns the
 * fence, the batch and the end of the actor; knows nothing of any role.
 */
import { type AnyActor, createActor } from "xstate";
import type { Peer, SessionId, WireReason } from "#protocol";
import type { ActorEnd, ActorPorts, Address, Behaviour, RunningActor } from "./actor.ts";
import { BusWatch } from "./bus-watch.ts";
import { Counters } from "./counters.ts";
import { Door, type DoorHost, type Gate } from "./door.ts";
import { BATCH_EFFECTS_MAX, type Effect } from "./effects.ts";
import { HostEnv } from "./env.ts";
import { Holds, Tokens } from "./holds.ts";
import type { Done, Input, LocalMessage } from "./inputs.ts";
import { Links, type LinksOptions } from "./links.ts";
import {
  gateOf,
  handlesInPlace,
  INIT,
  INPUTS,
  type MachineSnapshotView,
  nameOf,
  senderOf,
  sentenceOf,
  stackOf,
  textOf,
} from "./lifecycle.ts";
import { Mailbox, type Waiting, waitingOf } from "./mailbox.ts";
import { Performer, type PerformHost } from "./perform.ts";
import type { BusStatus, Subscription } from "./ports/bus.ts";
import { Refusals } from "./refused.ts";
import { hosted, onBatch } from "./shared-machine.ts";
import { type ArmedTimer, Timers } from "./timers.ts";

/** A batch ends at so many inputs or so much work (P-1.6). */
export const BATCH_INPUTS_MAX = 512;
export const BATCH_WORK_MS_MAX = 10;
/** How many inputs are handled between two looks at the clock. */
const CLOCK_EVERY = 16;
/** Deepest chain of lifecycle events that each cause the next one. */
const LIFECYCLE_CHAIN_MAX = 32;

export interface HostOptions extends LinksOptions {
  /** How many inputs the next batch may have at most; the simulator draws it (P-9). */
  readonly batchMax?: () => number;
  /** Whose messages killed earlier lives of this actor twice (P-1.4). */
  readonly poisonous?: ReadonlySet<Peer>;
}

/** Starts an actor. Nothing of it runs within the call: its first drain comes with `soon`. */
export function startActor<State>(
  behaviour: Behaviour<State>,
  ports: ActorPorts,
  address: Address,
  options: HostOptions = {},
): RunningActor<State> {
  return new Host(behaviour, ports, address, options);
}

class Host<State> implements RunningActor<State>, DoorHost, PerformHost {
  readonly name: string;
  readonly state: State;
  readonly counters = new Counters();
  readonly ports: ActorPorts;
  readonly address: Address;
  readonly clock: ActorPorts["clock"];
  readonly tokens = new Tokens();
  readonly holds: Holds;
  readonly timers: Timers;
  readonly links: Links;
  readonly door: Door;
  readonly #behaviour: Behaviour<State>;
  readonly #performer: Performer;
  readonly #options: HostOptions;
  readonly #mailbox = new Mailbox();
  readonly #actor: AnyActor;
  readonly #env: HostEnv;
  readonly #status: Subscription;
  readonly #neighbours = new Map<string, { tell(by: string, message: LocalMessage): void }>();
  readonly #refusals: Refusals;
  readonly #endListeners: ((end: ActorEnd) => void)[] = [];
  #batch: readonly Waiting[] = [];
  /** How far the batch has come; what is in hand, for who is to blame. */
  #handled = 0;
  #inHand: Waiting | undefined;
  #out: Effect[] = [];
  #gate: Gate = "refuse";
  /** The state answers a batch with its action alone, so the action can be called directly. */
  #inPlace = false;
  #snapshot: MachineSnapshotView | undefined;
  #chain = 0;
  #begun = false;
  #scheduled = false;
  /** A drain goes on: what is touched in it leaves at its end and needs no other drain. */
  #draining = false;
  #stopAsked = false;
  #final = false;
  #fencedWhy: string | undefined;
  #fault: string | undefined;
  #over = false;
  #end: ActorEnd | undefined;
  readonly #busWatch: BusWatch;

  constructor(
    behaviour: Behaviour<State>,
    ports: ActorPorts,
    address: Address,
    options: HostOptions,
  ) {
    this.name = behaviour.name;
    this.state = behaviour.state;
    this.ports = ports;
    this.address = address;
    this.clock = ports.clock;
    this.#behaviour = behaviour;
    this.#options = options;
    this.#busWatch = new BusWatch(ports, behaviour.name, this.counters);
    this.#refusals = new Refusals(behaviour.name, this.counters, ports.logger);
    this.holds = new Holds(this.tokens, () => this.count("dropped", "fenced"));
    this.timers = new Timers(ports.clock, (timer, lateMs) => this.#due(timer, lateMs));
    this.links = new Links(this, options);
    this.door = new Door(this, this.links);
    this.#performer = new Performer(this);
    this.#env = new HostEnv({
      ports,
      counters: this.counters,
      links: this.links,
      busWatch: this.#busWatch,
      oldestWaitingMs: () => this.#mailbox.oldestBehindMs(this.#handled),
    });
    this.#actor = createActor(hosted(behaviour.machine));
    onBatch(this.#actor, () => this.#handleBatch());
    this.#actor.subscribe({ error: (error) => this.#blame(error) });
    this.#actor.start();
    this.#readMachine();
    this.#status = ports.bus.onStatus((status) => this.#busStatus(status));
    const { launcher } = ports;
    launcher?.onExit((exit) => this.done({ what: "launcher", launcher: { event: "exit", exit } }));
    launcher?.onLoss((loss) => this.done({ what: "launcher", launcher: { event: "loss", loss } }));
    this.wake();
  }

  lifecycle(): string {
    return this.#env.lifecycle;
  }

  served(): boolean {
    return this.#behaviour.served?.(this.state) === true;
  }

  get alive(): boolean {
    return !this.#over && this.#fencedWhy === undefined;
  }

  tell(by: string, message: LocalMessage): void {
    const waiting = waitingOf({ family: "done", what: "told", by, message }, this.clock, true);
    if (!this.mail(waiting)) this.count("dropped", "mailbox-full");
  }

  connect(name: string, actor: { tell(by: string, message: LocalMessage): void }): void {
    this.#neighbours.set(name, actor);
  }

  stop(done: () => void): void {
    if (this.#over) return this.clock.soon(done);
    this.#endListeners.push(done);
    this.#stopAsked = true;
    this.wake();
  }

  kill(): void {
    this.#close();
  }

  onEnd(listener: (end: ActorEnd) => void): void {
    const end = this.#end;
    if (end !== undefined) this.clock.soon(() => listener(end));
    else this.#endListeners.push(listener);
  }

  gate(): Gate {
    return this.#fencedWhy === undefined && !this.#over ? this.#gate : "refuse";
  }

  uuid = (): SessionId => this.ports.random.uuid() as string as SessionId;

  publish(subject: string, bytes: Uint8Array): void {
    if (!this.alive) return this.count("dropped", "fenced");
    try {
      if (this.ports.bus.publish(subject, bytes) === "sent") return;
    } catch (error) {
      this.#threw("bus", error);
    }
    this.count("dropped", "bus-down");
  }

  reply(subject: string, bytes: Uint8Array): void {
    this.#performer.say(subject, bytes);
  }

  input(waiting: Waiting): void {
    if (this.#over) return;
    this.#mailbox.pushMail(waiting);
    this.wake();
  }

  mail(waiting: Waiting): boolean {
    if (!this.alive) {
      this.count("dropped", this.#over ? "earlier-life" : "fenced");
      return true;
    }
    this.wake();
    return this.#mailbox.pushMail(waiting);
  }

  done(done: Done): void {
    if (!this.alive) return this.count("dropped", this.#over ? "earlier-life" : "fenced");
    this.#mailbox.pushSystem(waitingOf({ family: "done", ...done }, this.clock));
    this.wake();
  }

  wake(): void {
    if (this.#scheduled || this.#draining || this.#over) return;
    this.#scheduled = true;
    this.clock.soon(this.#drain);
  }

  refuse(reason: WireReason, kind: string, peer: Peer, by = 1, explain?: () => string): void {
    this.#refusals.add(reason, kind, peer, by, explain);
  }

  refuseByState(kind: string, peer: Peer): void {
    const reason = this.alive ? "not-handled-in-this-state" : "fenced";
    this.refuse(reason, kind, peer);
    this.counters.add("refused", `${this.#env.lifecycle}:${kind}`);
  }

  isPoisonous(peer: Peer): boolean {
    return this.#options.poisonous?.has(peer) === true;
  }

  guarded(port: string, call: () => void): string | undefined {
    try {
      call();
      return undefined;
    } catch (error) {
      return this.#threw(port, error);
    }
  }

  #threw(port: string, error: unknown): string {
    this.count("port-threw", port);
    const why = sentenceOf(error);
    this.ports.logger.log("error", `the port ${port} threw: ${why}`, { actor: this.name });
    return why;
  }

  count(name: string, label: string): void {
    this.counters.add(name, label);
  }

  unsaid(kind: string, why: string): void {
    this.refuse("schema-failed", kind, this.address.self, 1, () => `our own message: ${why}`);
  }

  die(why: string): void {
    if (this.#over) return;
    this.#fault = why;
    this.#finish({ kind: "died", why });
  }

  tellNeighbour(to: string, message: LocalMessage): void {
    const neighbour = this.#neighbours.get(to);
    if (neighbour === undefined) return this.count("dropped", "no-session");
    neighbour.tell(this.name, message);
  }

  setMute(mute: boolean): void {
    this.links.muted = mute;
    this.#performer.setMute(mute);
    if (!mute) this.wake();
  }

  #due(timer: ArmedTimer, lateMs: number): void {
    const input: Input = { family: "due", timer: timer.name, lateMs };
    this.input(waitingOf(input, this.clock, false, timer));
  }

  #busStatus(status: BusStatus): void {
    if (!this.alive) return;
    const change = this.#busWatch.heard(status);
    if (change === undefined) return;
    if (change.again) this.links.reconnected();
    this.done({ what: "bus", connected: change.connected, why: change.why });
  }

  /** One batch: inputs through the machine, effects in order, then the frames. */
  readonly #drain = (): void => {
    this.#scheduled = false;
    if (this.#over) return;
    this.#draining = true;
    this.#drainOnce();
    this.#draining = false;
    if (this.#over) return;
    const left = this.#gate === "defer" ? this.#mailbox.systemLength : this.#mailbox.length;
    if (left > 0 || this.#stopAsked || this.links.mayFlush) this.wake();
  };

  #drainOnce(): void {
    this.#env.nowMs = this.clock.monotonicMs();
    if (!this.#begun) {
      this.#begun = true;
      this.#enter(INIT);
    }
    if (this.#stopAsked && !this.#over) {
      this.#stopAsked = false;
      this.#transition({ type: "Stop" });
    }
    if (!this.#over && this.#fencedWhy === undefined) this.#takeBatch();
    if (this.#over) return;
    if (this.#fencedWhy !== undefined) {
      return this.#finish({ kind: "ended", why: this.#fencedWhy });
    }
    this.links.flush();
    if (this.#final) this.#finish({ kind: "ended", why: this.#env.lifecycle });
  }

  #takeBatch(): void {
    const max = Math.max(1, this.#options.batchMax?.() ?? BATCH_INPUTS_MAX);
    this.#batch = this.#mailbox.peek(max, this.#gate === "defer");
    if (this.#batch.length === 0) return;
    if (this.#gate === "refuse") {
      for (const { input } of this.#batch) {
        this.counters.add("refused", `${this.#env.lifecycle}:${nameOf(input)}`);
      }
      this.#mailbox.consume(this.#batch.length);
      return;
    }
    this.#handled = 0;
    this.#transition(INPUTS);
    if (this.#over || this.#handled > 0) return;
    this.die(`state ${this.#env.lifecycle} has the tag ${this.#gate} but no action handleBatch`);
  }

  /** The action of the machine: every input of the batch, until the time is up. */
  #handleBatch(): void {
    const batch = this.#batch;
    const env = this.#env;
    const out = this.#out;
    const endMs = env.nowMs + BATCH_WORK_MS_MAX;
    let index = 0;
    try {
      for (; index < batch.length; index++) {
        if (index % CLOCK_EVERY === CLOCK_EVERY - 1 && this.clock.monotonicMs() >= endMs) break;
        if (out.length >= BATCH_EFFECTS_MAX) break;
        const waiting = batch[index] as Waiting;
        this.#handled = index + 1;
        this.#inHand = waiting;
        waiting.taken = true;
        if (waiting.timer !== undefined && !this.timers.take(waiting.timer)) continue;
        if (waiting.session?.superseded === true) {
          this.counters.add("dropped", "old-session");
          continue;
        }
        this.#behaviour.step(this.state, waiting.input, env, out);
      }
      this.#inHand = undefined;
      this.#behaviour.batchEnded(this.state, env, out);
    } catch (error) {
      this.#blame(error);
    }
  }

  /** Gives the machine one event, then performs what the handlers collected. */
  #transition(event: { readonly type: string }): void {
    const before = this.#env.lifecycle;
    const inPlace = event === INPUTS && this.#inPlace;
    this.#out = [];
    if (inPlace) this.#handleBatch();
    else this.#actor.send(event);
    if (event === INPUTS) this.#consume();
    if (this.#fault !== undefined) return this.#finishFault();
    if (!inPlace) this.#readMachine();
    if (this.#env.lifecycle !== before) return this.#enter(event);
    this.#perform(this.#out);
  }

  #consume(): void {
    for (let i = 0; i < this.#handled; i++) this.links.taken(this.#batch[i]);
    this.#mailbox.consume(this.#handled);
  }

  /** The lifecycle has changed: what the state does on entering comes after the batch's effects. */
  #enter(event: { readonly type: string }): void {
    const out = this.#out;
    try {
      this.#behaviour.entered(this.state, this.#env.lifecycle, event, this.#env, out);
    } catch (error) {
      this.#blame(error);
    }
    if (this.#fault !== undefined) return this.#finishFault();
    this.#perform(out);
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#over) return;
      try {
        this.#performOne(effect);
      } catch (error) {
        this.#blame(error);
        return this.#finishFault();
      }
    }
  }

  #performOne(effect: Effect): void {
    switch (effect.kind) {
      case "count":
        return this.counters.add(effect.name, effect.reason);
      case "log":
        return this.ports.logger.log(effect.level, effect.sentence, effect.fields);
      case "set-log-level":
        return this.ports.logger.setLevel(effect.level);
      case "fence":
        return this.#fence(effect.why);
      case "lifecycle":
        return this.#lifecycleEvent(effect.event);
      default:
        if (this.#fencedWhy !== undefined) return this.count("dropped", "fenced");
        return this.#performer.perform(effect);
    }
  }

  #lifecycleEvent(event: { readonly type: string }): void {
    this.#chain++;
    if (this.#chain > LIFECYCLE_CHAIN_MAX) {
      throw new Error(`lifecycle events cause each other without end, at ${event.type}`);
    }
    this.#transition(event);
    this.#chain--;
  }

  /** From here on nothing leaves (P-1.2). Lifecycle and log still go on, to the actor's end. */
  #fence(why: string): void {
    if (this.#fencedWhy !== undefined) return;
    this.#fencedWhy = why;
    this.ports.logger.log("warn", `fenced: ${why}`, { actor: this.name });
  }

  #readMachine(): void {
    const snapshot: MachineSnapshotView = this.#actor.getSnapshot();
    if (snapshot === this.#snapshot) return;
    this.#snapshot = snapshot;
    this.#inPlace = handlesInPlace(this.#behaviour.machine, snapshot);
    this.#env.lifecycle = textOf(snapshot.value);
    this.#gate = gateOf(snapshot);
    if (snapshot.status === "done") this.#final = true;
  }

  #blame(error: unknown): void {
    this.#fault ??= sentenceOf(error);
    this.ports.logger.log("error", `${this.name} fails: ${stackOf(error)}`, {
      lifecycle: this.#env.lifecycle,
      inHand: this.#inHand === undefined ? undefined : nameOf(this.#inHand.input),
    });
  }

  #finishFault(): void {
    const by = this.#inHand === undefined ? undefined : senderOf(this.#inHand.input);
    const why = this.#fault ?? "unknown";
    this.#finish(by === undefined ? { kind: "died", why } : { kind: "died", why, by });
  }

  #finish(end: ActorEnd): void {
    if (this.#over) return;
    this.#end = end;
    this.#close();
    for (const listener of this.#endListeners.splice(0)) listener(end);
  }

  /** Everything that could leave or call back is void. */
  #silence(): void {
    this.timers.clear();
    this.holds.clear();
    this.tokens.clear();
    this.links.end();
    this.#performer.end();
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#silence();
    this.#mailbox.clear();
    this.guarded("bus", () => this.#status.stop());
    this.#actor.stop();
  }
}

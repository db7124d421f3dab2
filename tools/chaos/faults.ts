/**
 * The faults of a run, as a table: what is done to a process, and what mends it. Each kind of
 * process has all of them. Which one comes when, to whom and for how long is drawn from the seed.
 */
import type { Chance } from "#sim";
import { type ChaosNode, type Kind, KINDS } from "./node.ts";

export interface Fault {
  readonly name: string;
  /** How long it lasts, in ms, from and to. */
  readonly lastsMs: readonly [number, number];
  begin(node: ChaosNode): Promise<void> | void;
  end(node: ChaosNode): Promise<void> | void;
}

export const FAULTS: readonly Fault[] = [
  {
    name: "kill",
    lastsMs: [200, 6_000],
    begin: ({ process }) => process.kill(),
    end: ({ process }) => process.start(),
  },
  {
    name: "restart",
    lastsMs: [200, 3_000],
    begin: async ({ process }) => void (await process.end("SIGTERM")),
    end: ({ process }) => process.start(),
  },
  {
    name: "stop",
    lastsMs: [500, 20_000],
    begin: ({ process }) => process.signal("SIGSTOP"),
    end: ({ process }) => process.signal("SIGCONT"),
  },
  {
    name: "cut off",
    lastsMs: [500, 20_000],
    begin: ({ place }) => place.cut(),
    end: ({ place }) => place.mend(),
  },
  {
    name: "mute",
    lastsMs: [500, 20_000],
    begin: ({ place }) => place.mute(),
    end: ({ place }) => place.mend(),
  },
  {
    name: "full disk",
    lastsMs: [500, 15_000],
    begin: ({ disk }) => disk.fill(),
    end: async ({ disk, process, kind }) => {
      disk.empty();
      // A nats-server that once had no room keeps no streams until it is started anew.
      if (kind !== "broker") return;
      await process.end("SIGTERM");
      process.start();
    },
  },
];

/**
 * How many processes of a kind have a fault at the same time. Brokers: a minority, for with two of
 * three away the log waits, and nothing is tried but patience.
 */
const AT_ONCE: Readonly<Record<Kind, number>> = { broker: 1, master: 2, agent: 5, framework: 2 };
/** Between the beginnings of two faults, on average. */
const EVERY_MS = 3_500;
const EVERY_MS_MIN = 500;
const LOOK_MS = 50;
/** So often of a hundred a fault of masters finds the leader. */
const LEADER_PERCENT = 60;

export interface Struck {
  readonly kind: Kind;
  readonly fault: string;
  readonly node: string;
}

interface Card {
  readonly kind: Kind;
  readonly fault: Fault;
}

interface Under {
  readonly node: ChaosNode;
  readonly fault: Fault;
  readonly begun: Promise<void>;
  untilMs: number;
}

export interface DriverOptions {
  readonly nodes: readonly ChaosNode[];
  readonly chance: Chance;
  /** Name of the master that leads, where one does. */
  leader(): string | undefined;
  tell(what: "fault" | "healed", node: ChaosNode, fault: Fault): void;
  pause(ms: number): Promise<void>;
}

/** Does faults until a time is over, then mends what is left of them. */
export class FaultDriver {
  readonly #options: DriverOptions;
  #deck: Card[] = [];
  #under: Under[] = [];
  readonly #mended = new WeakSet<Under>();
  readonly #mending = new Set<Promise<void>>();
  /** A fault that could not be done or mended ends the run. */
  #failure: Error | undefined;
  readonly struck: Struck[] = [];

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** @param isOver asked often: the run may be called off. */
  async run(forMs: number, isOver: () => boolean): Promise<void> {
    const { chance, pause } = this.#options;
    const endMs = performance.now() + forMs;
    let nextMs = performance.now() + chance.exponential(EVERY_MS);
    while (performance.now() < endMs && !isOver()) {
      const nowMs = performance.now();
      if (this.#failure !== undefined) break;
      this.#mend((one) => one.untilMs <= nowMs);
      if (nowMs >= nextMs) {
        this.#strike();
        nextMs = nowMs + EVERY_MS_MIN + chance.exponential(EVERY_MS - EVERY_MS_MIN);
      }
      await pause(LOOK_MS);
    }
    this.#mend(() => true);
    await Promise.all(this.#mending);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #mend(isDue: (one: Under) => boolean): void {
    for (const one of this.#under) {
      if (!isDue(one)) continue;
      // It is under its fault until it is mended: no other comes in between.
      one.untilMs = Number.POSITIVE_INFINITY;
      if (this.#mended.has(one)) continue;
      this.#mended.add(one);
      this.#mending.add(this.#end(one));
    }
  }

  async #end(one: Under): Promise<void> {
    const { node, fault } = one;
    try {
      await one.begun;
      await fault.end(node);
      this.#options.tell("healed", node, fault);
    } catch (error) {
      this.#failure ??= error as Error;
    }
    this.#under = this.#under.filter((other) => other !== one);
  }

  #strike(): void {
    const { chance, tell } = this.#options;
    const card = this.#draw();
    const node = card === undefined ? undefined : this.#victim(card.kind);
    if (card === undefined || node === undefined) return;
    const { fault, kind } = card;
    const [from, to] = fault.lastsMs;
    const untilMs = performance.now() + chance.between(from, to);
    tell("fault", node, fault);
    this.struck.push({ kind, fault: fault.name, node: node.name });
    this.#under.push({ node, fault, begun: begin(fault, node), untilMs });
  }

  /** From a deck of every fault of every kind, dealt to its end: none is left out for long. */
  #draw(): Card | undefined {
    if (this.#deck.length === 0) {
      const cards = KINDS.flatMap((kind) => FAULTS.map((fault) => ({ kind, fault })));
      this.#deck = this.#options.chance.shuffled(cards);
    }
    const at = this.#deck.findIndex(({ kind }) => this.#hasRoom(kind));
    return at < 0 ? undefined : this.#deck.splice(at, 1)[0];
  }

  #hasRoom(kind: Kind): boolean {
    return this.#under.filter(({ node }) => node.kind === kind).length < AT_ONCE[kind];
  }

  #victim(kind: Kind): ChaosNode | undefined {
    const { nodes, chance, leader } = this.#options;
    const whole = nodes.filter(
      (node) => node.kind === kind && !this.#under.some((one) => one.node === node),
    );
    const leading = whole.find(({ name }) => name === leader());
    const wanted = chance.below(100) < LEADER_PERCENT ? leading : undefined;
    return wanted ?? chance.pick(whole);
  }
}

async function begin(fault: Fault, node: ChaosNode): Promise<void> {
  await fault.begin(node);
}

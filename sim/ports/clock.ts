/** The simulated clock, chance and log of one node in one life, as the runtime's ports. */
import type { LogLevel, Uuid } from "#protocol";
import type { Clock, LogFields, Logger, Random, Timer } from "#runtime";
import { PRICE_MS, type SimNode } from "../kernel/node.ts";
import type { World } from "../kernel/world.ts";

/** Reading it costs a little time: what stands between two readings is work. */
export function clockOf(node: SimNode): Clock {
  return {
    monotonicMs: () => {
      node.charge(PRICE_MS.clock);
      return node.monotonicMs();
    },
    wallMs: () => node.wallMs(),
    timer: (inMs: number, fire: () => void): Timer => node.timer(inMs, fire),
    soon: (run: () => void) => node.soon(run),
  };
}

/** The stream of chance of this node; each life goes on where the last one ended. */
export function randomOf(world: World, node: SimNode): Random {
  const chance = world.seed.stream(`node:${node.name}`);
  return {
    below: (bound) => chance.below(bound),
    uuid: () => chance.uuid() as Uuid,
    token: (length) => chance.token(length),
  };
}

const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

/** What is logged at `info` and above becomes a record of the trace. */
export function loggerOf(world: World, node: SimNode, level: LogLevel = "info"): Logger {
  return new SimLogger(world, node, { level }, {});
}

class SimLogger implements Logger {
  readonly #world: World;
  readonly #node: SimNode;
  readonly #shared: { level: LogLevel };
  readonly #fields: LogFields;

  constructor(world: World, node: SimNode, shared: { level: LogLevel }, fields: LogFields) {
    this.#world = world;
    this.#node = node;
    this.#shared = shared;
    this.#fields = fields;
  }

  get level(): LogLevel {
    return this.#shared.level;
  }

  log(level: LogLevel, sentence: string, fields?: LogFields): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.#shared.level)) return;
    const all = Object.entries({ ...{}, ...this.#fields, ...fields });
    const text = all.map(([key, value]) => ` ${key}=${String(value)}`).join("");
    const summary = `${level} ${sentence}${text}`;
    this.#world.record({ node: this.#node.name, kind: "log", summary });
  }

  child(fields: LogFields): Logger {
    const all = { ...{}, ...this.#fields, ...fields };
    return new SimLogger(this.#world, this.#node, this.#shared, all);
  }

  setLevel(level: LogLevel): void {
    this.#shared.level = level;
  }
}

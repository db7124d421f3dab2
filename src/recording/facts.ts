/**
 * What an actor is at a mark: its lifecycle, its counters, and a bounded look at its state. The
 * look takes the first values of each part, in order, as far as they are plain data; secrets and
 * bytes count by length. Reads only.
 */
import type { RunningActor } from "#runtime";
import { hash32 } from "./hash.ts";
import { EntryWriter } from "./writer.ts";

/** Values that one look takes, and how many of one list, map or set. */
export const STATE_VALUES_MAX = 1_024;
const ITEMS_MAX = 16;
const DEPTH_MAX = 8;
const SECRET_KEYS: ReadonlySet<string> = new Set(["environment", "env", "data"]);

class Look {
  readonly writer = new EntryWriter(8 * 1024);
  #left = STATE_VALUES_MAX;

  take(value: unknown, depth: number): void {
    if (this.#left-- <= 0 || depth > DEPTH_MAX) return;
    if (typeof value === "function" || typeof value === "symbol") return;
    if (typeof value !== "object" || value === null) return this.writer.value(value);
    if (value instanceof Uint8Array) return this.writer.count(value.length);
    if (Array.isArray(value)) return this.#items(value.length, value, depth);
    if (value instanceof Map) return this.#items(value.size, value, depth);
    if (value instanceof Set) return this.#items(value.size, value, depth);
    const shape: unknown = Object.getPrototypeOf(value);
    // Other classes keep to themselves what they hold; the state itself is one and is looked at.
    if (depth > 0 && shape !== Object.prototype && shape !== null) return;
    for (const [key, one] of Object.entries(value)) {
      if (this.#left <= 0) return;
      this.writer.name(key);
      if (!SECRET_KEYS.has(key)) this.take(one, depth + 1);
    }
  }

  #items(size: number, items: Iterable<unknown>, depth: number): void {
    this.writer.count(size);
    let taken = 0;
    for (const item of items) {
      if (taken++ >= ITEMS_MAX) return;
      this.take(item, depth + 1);
    }
  }
}

/** One actor's facts: `[name, lifecycle, hash of the counters, hash of the state]`. */
export function factsOf(actor: Omit<RunningActor<unknown>, "onEnd">): readonly unknown[] {
  const counts = new EntryWriter(1_024);
  for (const one of actor.counters) counts.value(one);
  const look = new Look();
  look.take(actor.state, 0);
  const { name } = actor;
  return [name, actor.lifecycle(), hash32(counts.take()), hash32(look.writer.take())];
}

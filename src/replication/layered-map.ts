/**
 * A map of which each version is a value that readers may keep, and the next one costs what has
 * changed and not what there is: a large layer that versions share, and a small one of their own.
 * The order is that of a Map.
 */

/** Changes over the large layer before both become the next large layer. */
export const LAYER_CHANGES_MAX = 256;

/** What the small layer says of a key of the large one that is no more. */
const GONE = Symbol("gone");

export class LayeredMap<Key, Value extends object> implements ReadonlyMap<Key, Value> {
  readonly #base: ReadonlyMap<Key, Value>;
  /** Of keys of the large layer: they keep their places. */
  readonly #changed: ReadonlyMap<Key, Value | typeof GONE>;
  /** Of other keys, and of those that were taken out and put in again: they stand at the end. */
  readonly #added: ReadonlyMap<Key, Value>;
  readonly size: number;

  private constructor(
    base: ReadonlyMap<Key, Value>,
    changed: ReadonlyMap<Key, Value | typeof GONE>,
    added: ReadonlyMap<Key, Value>,
    size: number,
  ) {
    this.#base = base;
    this.#changed = changed;
    this.#added = added;
    this.size = size;
  }

  static of<Key, Value extends object>(
    entries: Iterable<readonly [Key, Value]>,
  ): LayeredMap<Key, Value> {
    const base = new Map(entries);
    return new LayeredMap(base, new Map(), new Map(), base.size);
  }

  get(key: Key): Value | undefined {
    const added = this.#added.get(key);
    if (added !== undefined) return added;
    const changed = this.#changed.get(key);
    if (changed === undefined) return this.#base.get(key);
    return changed === GONE ? undefined : changed;
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined;
  }

  /** The version with this value; where the key is there, in its place. */
  with(key: Key, value: Value): LayeredMap<Key, Value> {
    const size = this.has(key) ? this.size : this.size + 1;
    if (this.#inBase(key))
      return this.#next(new Map(this.#changed).set(key, value), this.#added, size);
    return this.#next(this.#changed, new Map(this.#added).set(key, value), size);
  }

  /** The version without this key. */
  without(key: Key): LayeredMap<Key, Value> {
    if (!this.has(key)) return this;
    const size = this.size - 1;
    if (this.#inBase(key))
      return this.#next(new Map(this.#changed).set(key, GONE), this.#added, size);
    const added = new Map(this.#added);
    added.delete(key);
    return this.#next(this.#changed, added, size);
  }

  *entries(): Generator<[Key, Value], undefined, unknown> {
    for (const [key, value] of this.#base) {
      const changed = this.#changed.get(key);
      if (changed === undefined) yield [key, value];
      else if (changed !== GONE) yield [key, changed];
    }
    yield* this.#added;
    return undefined;
  }

  *keys(): Generator<Key, undefined, unknown> {
    for (const [key] of this.entries()) yield key;
    return undefined;
  }

  *values(): Generator<Value, undefined, unknown> {
    for (const [, value] of this.entries()) yield value;
    return undefined;
  }

  [Symbol.iterator](): Generator<[Key, Value], undefined, unknown> {
    return this.entries();
  }

  forEach(each: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this.entries()) each(value, key, this);
  }

  /** Whether the key stands in the large layer, and was not taken out since. */
  #inBase(key: Key): boolean {
    return this.#base.has(key) && this.#changed.get(key) !== GONE;
  }

  #next(
    changed: ReadonlyMap<Key, Value | typeof GONE>,
    added: ReadonlyMap<Key, Value>,
    size: number,
  ): LayeredMap<Key, Value> {
    const next = new LayeredMap(this.#base, changed, added, size);
    return changed.size + added.size > LAYER_CHANGES_MAX ? LayeredMap.of(next) : next;
  }
}

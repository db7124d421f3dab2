/**
 * Reads the inputs of an experiment, field by field: each with its type and its bounds, and none
 * that nobody reads. A message names the field, the value, the bound and the mend.
 */
import { UsageError } from "../commands/command.ts";

type Values = Readonly<Record<string, unknown>>;

function isValues(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export class Fields {
  readonly #path: string;
  readonly #values: Values;
  readonly #read = new Set<string>();
  readonly #children: Fields[] = [];

  /** @throws UsageError when it is no map. */
  constructor(value: unknown, path: string) {
    if (!isValues(value)) throw new UsageError(`${path}: ${show(value)} is no map of fields`);
    this.#path = path;
    this.#values = value;
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  text(name: string): string {
    const value = this.#take(name);
    if (typeof value === "string" && value !== "") return value;
    throw new UsageError(`${this.#path}.${name}: ${show(value)} is no text; write one`);
  }

  /** A number from `least` to `most`. */
  number(name: string, least: number, most: number): number {
    const value = this.#take(name);
    if (typeof value === "number" && value >= least && value <= most) return value;
    const bounds = `a number from ${least} to ${most}`;
    throw new UsageError(`${this.#path}.${name}: ${show(value)} is not ${bounds}; write one`);
  }

  whole(name: string, least: number, most: number): number {
    const value = this.number(name, least, most);
    if (Number.isInteger(value)) return value;
    throw new UsageError(`${this.#path}.${name}: ${value} is no whole number; write one`);
  }

  wholes(name: string, least: number, most: number): number[] {
    return this.#list(name).map((value, index) =>
      new Fields({ value }, `${this.#path}.${name}[${index}]`).whole("value", least, most),
    );
  }

  /** Seconds in the file, milliseconds from here on. */
  seconds(name: string, least: number, most: number): number {
    return Math.round(this.number(name, least, most) * 1_000);
  }

  child(name: string): Fields {
    return this.#keep(new Fields(this.#take(name), `${this.#path}.${name}`));
  }

  children(name: string): Fields[] {
    return this.#list(name).map((value, index) =>
      this.#keep(new Fields(value, `${this.#path}.${name}[${index}]`)),
    );
  }

  /** @throws UsageError when a field, here or below, was read by nobody. */
  end(): void {
    const stray = Object.keys(this.#values).find((name) => !this.#read.has(name));
    if (stray !== undefined) {
      const known = [...this.#read].join(", ");
      throw new UsageError(`${this.#path}.${stray}: there is no such field; there are ${known}`);
    }
    for (const child of this.#children) child.end();
  }

  #take(name: string): unknown {
    this.#read.add(name);
    const value = this.#values[name];
    if (value === undefined) throw new UsageError(`${this.#path}.${name}: is missing; write it`);
    return value;
  }

  #list(name: string): readonly unknown[] {
    const value = this.#take(name);
    if (Array.isArray(value) && value.length > 0) return value;
    throw new UsageError(`${this.#path}.${name}: ${show(value)} is no list; write one`);
  }

  #keep(child: Fields): Fields {
    this.#children.push(child);
    return child;
  }
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}

/**
 * The text grammar of values, resources and attributes, read with the position of what is wrong.
 * Owns syntax only; what is said of resources is judged by `resource.ts`. Spaces count nowhere.
 */
import type { Resource } from "#protocol";
import { coalesceRanges, RANGE_BOUND_MAX, type Range } from "./ranges.ts";
import { invalidResource } from "./resource.ts";
import { DEFAULT_ROLE, invalidRole } from "./roles.ts";
import { readScalar } from "./scalar.ts";
import { canonicalItems } from "./sets.ts";

/** What is wrong with a text, and at which character of it (from 0) that shows. */
export type Flaw = { readonly message: string; readonly position: number };
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: Flaw };

export type Value =
  | { readonly type: "SCALAR"; readonly milli: number }
  | { readonly type: "RANGES"; readonly range: Range[] }
  | { readonly type: "SET"; readonly item: string[] }
  | { readonly type: "TEXT"; readonly text: string };

/** The longest text that is read, in characters. */
export const TEXT_LENGTH_MAX = 1_048_576;

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function flawed(message: string, position: number): Parsed<never> {
  return { ok: false, error: { message, position } };
}

/** A text without its spaces that still knows where each character stood. */
class Squeezed {
  readonly text: string;
  readonly #positions: readonly number[];

  private constructor(text: string, positions: readonly number[]) {
    this.text = text;
    this.#positions = positions;
  }

  static of(original: string): Squeezed {
    const positions: number[] = [];
    let text = "";
    for (let i = 0; i < original.length; i++) {
      const char = original.charAt(i);
      if (char === " ") continue;
      text += char;
      positions.push(i);
    }
    positions.push(original.length);
    return new Squeezed(text, positions);
  }

  slice(from: number, to: number): Squeezed {
    return new Squeezed(this.text.slice(from, to), this.#positions.slice(from, to + 1));
  }

  at(index: number): number {
    return this.#positions[Math.min(index, this.#positions.length - 1)] ?? 0;
  }

  /** The pieces between any of the separators, empty ones left out, each with its index here. */
  tokens(separators: string): { readonly token: Squeezed; readonly index: number }[] {
    const found: { token: Squeezed; index: number }[] = [];
    let from = 0;
    for (let i = 0; i <= this.text.length; i++) {
      if (i < this.text.length && !separators.includes(this.text.charAt(i))) continue;
      if (i > from) found.push({ token: this.slice(from, i), index: from });
      from = i + 1;
    }
    return found;
  }
}

/**
 * One value: `[1-4,7-9]` are ranges, `{a,b}` a set, a decimal number a scalar, all else text;
 * `inf`, `nan` and negative numbers are text too, as in Mesos.
 */
export function parseValue(text: string): Parsed<Value> {
  return squeezedValue(Squeezed.of(text));
}

function squeezedValue(squeezed: Squeezed): Parsed<Value> {
  const { text } = squeezed;
  if (text.trim() === "") return flawed("a value is missing", squeezed.at(0));
  const unmatched = firstUnmatched(text);
  if (unmatched !== undefined) {
    return flawed(`"${text.charAt(unmatched)}" has no partner`, squeezed.at(unmatched));
  }
  const bracket = text.search(/[[{]/);
  if (bracket > 0) {
    const what = `"${text.charAt(bracket)}" may only stand at the beginning of a value`;
    return flawed(what, squeezed.at(bracket));
  }
  if (text.startsWith("[")) return rangesOf(squeezed);
  if (text.startsWith("{")) return setOf(squeezed);
  const reading = readScalar(text);
  if (reading.kind === "invalid") return flawed(reading.message, squeezed.at(0));
  return parsed(
    reading.kind === "milli"
      ? { type: "SCALAR", milli: reading.milli }
      : { type: "TEXT", text: text },
  );
}

const PARTNERS: Readonly<Record<string, string>> = { "]": "[", "}": "{", ")": "(" };

/** Index of the first bracket without partner; each kind is matched for itself, as in Mesos. */
function firstUnmatched(text: string): number | undefined {
  const open: Record<string, number[]> = { "[": [], "{": [], "(": [] };
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    open[char]?.push(i);
    const partner = PARTNERS[char];
    if (partner !== undefined && open[partner]?.pop() === undefined) return i;
  }
  return Object.values(open)
    .flat()
    .sort((a, b) => a - b)[0];
}

function rangesOf(squeezed: Squeezed): Parsed<Value> {
  const tokens = squeezed.tokens("[]-,\n");
  const range: Range[] = [];
  for (let i = 0; i < tokens.length; i += 2) {
    const begin = tokens[i];
    const end = tokens[i + 1];
    if (begin === undefined || end === undefined) {
      return flawed("a range begins here that has no end", squeezed.at(begin?.index ?? 0));
    }
    for (const { token, index } of [begin, end]) {
      if (!/^\d+$/.test(token.text) || Number(token.text) > RANGE_BOUND_MAX) {
        const what = `"${token.text}" is no integer from 0 to ${RANGE_BOUND_MAX}`;
        return flawed(what, squeezed.at(index));
      }
    }
    const from = Number(begin.token.text);
    const to = Number(end.token.text);
    if (from > to)
      return flawed(`the range ${from}-${to} ends before it begins`, squeezed.at(begin.index));
    range.push({ begin: from, end: to });
  }
  return parsed({ type: "RANGES", range: coalesceRanges(range) });
}

function setOf(squeezed: Squeezed): Parsed<Value> {
  const seen = new Set<string>();
  for (const { token, index } of squeezed.tokens("{},\n")) {
    if (seen.has(token.text)) return flawed(`"${token.text}" occurs twice`, squeezed.at(index));
    seen.add(token.text);
  }
  return parsed({ type: "SET", item: canonicalItems([...seen]) });
}

/**
 * A resource list: `name(role):value;…`, or a JSON array of resource objects. `role` becomes a
 * STATIC reservation; without one the default role counts. Objects of one kind are not summed here.
 */
export function parseResourceList(text: string, defaultRole: string): Parsed<Resource[]> {
  if (text.length > TEXT_LENGTH_MAX) {
    return flawed(`the text is longer than ${TEXT_LENGTH_MAX} characters`, TEXT_LENGTH_MAX);
  }
  const wrongRole = invalidRole(defaultRole);
  if (wrongRole !== undefined) return flawed(`default role: ${wrongRole}`, 0);
  const squeezed = Squeezed.of(text);
  const resources: Resource[] = [];
  const types = new Map<string, string>();
  for (const { token, index } of squeezed.tokens(";\n")) {
    const one = resourceOf(token, defaultRole);
    if (!one.ok) return one;
    const { name, type } = one.value;
    const before = types.get(name);
    if (before !== undefined && before !== type) {
      return flawed(`"${name}" is ${type} here and ${before} before`, squeezed.at(index));
    }
    types.set(name, type);
    resources.push(one.value);
  }
  return parsed(resources);
}

function resourceOf(token: Squeezed, defaultRole: string): Parsed<Resource> {
  const colon = token.text.indexOf(":");
  if (colon < 0)
    return flawed(`"${token.text}" has no ":" before its value`, token.at(token.text.length));
  const second = token.text.indexOf(":", colon + 1);
  if (second >= 0) return flawed('a second ":" in one resource', token.at(second));
  const open = token.text.indexOf("(");
  const close = token.text.indexOf(")");
  const named = open >= 0 && open < colon;
  if (named !== (close >= 0 && close < colon) || (named && close < open)) {
    return flawed('"(" and ")" around the role do not match', token.at(token.text.search(/[()]/)));
  }
  if (named && close !== colon - 1) {
    return flawed('":" must follow the role', token.at(close + 1));
  }
  const name = token.text.slice(0, named ? open : colon);
  const role = named ? token.text.slice(open + 1, close) : defaultRole;
  const wrongRole = invalidRole(role);
  if (wrongRole !== undefined) return flawed(wrongRole, token.at(named ? open + 1 : 0));
  const value = squeezedValue(token.slice(colon + 1, token.text.length));
  if (!value.ok) return value;
  const resource = withValue(name, value.value);
  if (resource === undefined) {
    const what = `"${token.text.slice(colon + 1)}" is neither a number of at least 0, nor ranges, nor a set`;
    return flawed(what, token.at(colon + 1));
  }
  if (role !== DEFAULT_ROLE) resource.reservations = [{ type: "STATIC", role }];
  const wrong = invalidResource(resource);
  return wrong === undefined ? parsed(resource) : flawed(wrong, token.at(0));
}

function withValue(name: string, value: Value): Resource | undefined {
  switch (value.type) {
    case "SCALAR":
      return { name, type: "SCALAR", scalar: { milli: value.milli } };
    case "RANGES":
      return { name, type: "RANGES", ranges: { range: value.range } };
    case "SET":
      return { name, type: "SET", set: { item: value.item } };
    case "TEXT":
      return undefined;
  }
}

/** The pieces of `name:value;…`, each split at its first colon, with its place in the text. */
export function splitPairs(
  text: string,
): Parsed<{ readonly name: string; readonly value: string; readonly position: number }[]> {
  const pairs: { name: string; value: string; position: number }[] = [];
  let from = 0;
  for (const part of text.split(/[;\n]/)) {
    const colon = part.indexOf(":");
    const blank = part.trim() === "";
    if (!blank && colon < 0) return flawed(`"${part.trim()}" has no ":"`, from + part.length);
    if (!blank) {
      const name = part.slice(0, colon).trim();
      if (name === "") return flawed("a name is missing", from);
      pairs.push({ name, value: part.slice(colon + 1), position: from + colon + 1 });
    }
    from += part.length + 1;
  }
  return parsed(pairs);
}

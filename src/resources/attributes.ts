/**
 * Attributes of agents: `name:value;…`, where a value is a scalar, ranges or text. They describe,
 * they are never consumed. A name may occur more than once.
 */
import type { Attribute } from "#protocol";
import { flawed, type Parsed, parsed, parseValue, splitPairs, type Value } from "./grammar.ts";
import { formatRanges } from "./ranges.ts";
import { formatScalar } from "./scalar.ts";

/** Split at the first colon: `path:a:b` is the text `a:b`. Sets are refused, as in Mesos. */
export function parseAttributes(text: string): Parsed<Attribute[]> {
  const pairs = splitPairs(text);
  if (!pairs.ok) return pairs;
  const attributes: Attribute[] = [];
  for (const { name, value, position } of pairs.value) {
    const reading = parseValue(value);
    if (!reading.ok) {
      return flawed(`${name}: ${reading.error.message}`, position + reading.error.position);
    }
    const attribute = attributeOf(name, reading.value);
    if (attribute === undefined) {
      return flawed(`${name}: an attribute cannot be a set; give it once per item`, position);
    }
    attributes.push(attribute);
  }
  return parsed(attributes);
}

function attributeOf(name: string, value: Value): Attribute | undefined {
  switch (value.type) {
    case "SCALAR":
      return { name, type: "SCALAR", scalar: { milli: value.milli } };
    case "RANGES":
      return { name, type: "RANGES", ranges: { range: value.range } };
    case "TEXT":
      return { name, type: "TEXT", text: value.text };
    case "SET":
      return undefined;
  }
}

export function formatAttribute(attribute: Attribute): string {
  const { name, type, scalar, ranges, text } = attribute;
  switch (type) {
    case "SCALAR":
      return `${name}:${formatScalar(scalar?.milli ?? 0)}`;
    case "RANGES":
      return `${name}:${formatRanges(ranges?.range ?? [])}`;
    case "TEXT":
      return `${name}:${text ?? ""}`;
  }
}

/** `rack:r1;level:[1-2]`: what `parseAttributes` reads back. */
export function formatAttributes(attributes: readonly Attribute[]): string {
  return attributes.map(formatAttribute).join(";");
}

/** Order does not matter; unlike in Mesos the number of equal ones does. */
export function equalAttributes(left: readonly Attribute[], right: readonly Attribute[]): boolean {
  if (left.length !== right.length) return false;
  const rest = new Map<string, number>();
  for (const text of left.map(formatTyped)) rest.set(text, (rest.get(text) ?? 0) + 1);
  for (const text of right.map(formatTyped)) {
    const count = rest.get(text) ?? 0;
    if (count === 0) return false;
    rest.set(text, count - 1);
  }
  return true;
}

function formatTyped(attribute: Attribute): string {
  return `${attribute.type} ${formatAttribute(attribute)}`;
}

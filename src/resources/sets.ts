/**
 * Sets of strings, kept sorted by code units, so that equality never depends on order.
 * Mesos compares sets position by position (`{a,b}` ≠ `{b,a}`); that is deliberately not copied.
 */

export type Items = readonly string[];

export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

export function canonicalItems(items: Items): string[] {
  return [...new Set(items)].sort(compareText);
}

export function addItems(left: Items, right: Items): string[] {
  return canonicalItems([...left, ...right]);
}

export function subtractItems(left: Items, right: Items): string[] {
  const gone = new Set(right);
  return left.filter((item) => !gone.has(item));
}

export function containsItems(left: Items, right: Items): boolean {
  if (right.length > left.length) return false;
  const held = new Set(left);
  return right.every((item) => held.has(item));
}

/** Both canonical. */
export function equalItems(left: Items, right: Items): boolean {
  return left.length === right.length && left.every((item, i) => item === right[i]);
}

/** `{a, b}`, empty `{}`. */
export function formatItems(items: Items): string {
  return `{${items.join(", ")}}`;
}

/** Why a list from outside is no set, or undefined. */
export function invalidItems(items: Items): string | undefined {
  const seen = new Set<string>();
  for (const item of items) {
    if (item === "" || /[\s,;:{}[\]()]/.test(item)) {
      return `set item ${JSON.stringify(item)}: empty, or holds a blank or one of , ; : { } [ ] ( )`;
    }
    if (seen.has(item)) return `set item ${JSON.stringify(item)} occurs twice`;
    seen.add(item);
  }
  return undefined;
}

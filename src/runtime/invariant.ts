/** Programmer's faults: always on. A violation ends the actor; its supervisor starts another. */

export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** @throws InvariantError with the facts that disagree, when `holds` is false. */
export function invariant(
  holds: boolean,
  statement: string,
  facts: Readonly<Record<string, string | number | boolean | undefined>> = {},
): asserts holds {
  if (holds) return;
  const shown = Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`);
  throw new InvariantError(shown.length === 0 ? statement : `${statement}: ${shown.join(", ")}`);
}

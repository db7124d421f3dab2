/** How lists are asked for: filter, fields and cursor, parsed with sentences for what is wrong. */
import { ApiError } from "./errors.ts";

export interface Condition {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/** Most conditions of one filter. */
export const FILTER_CONDITIONS_MAX = 16;

/**
 * `state=TASK_RUNNING,role!=ads` as conditions that must all hold.
 * @throws ApiError invalid, naming the part that cannot be read.
 */
export function parseFilter(text: string, known: readonly string[]): Condition[] {
  const parts = text.split(",").filter((part) => part.length > 0);
  if (parts.length > FILTER_CONDITIONS_MAX) {
    const message = `filter: ${parts.length} conditions; at most ${FILTER_CONDITIONS_MAX}`;
    throw new ApiError("invalid", message);
  }
  return parts.map((part) => {
    const match = /^([A-Za-z]+)(!?=)(.*)$/.exec(part);
    const [, field, sign, value] = match ?? [];
    if (field === undefined || value === undefined) {
      throw new ApiError("invalid", `filter: cannot read ${JSON.stringify(part)}`, HINT);
    }
    if (!known.includes(field)) {
      const message = `filter: there is no field ${JSON.stringify(field)}`;
      throw new ApiError("invalid", message, `fields are ${known.join(", ")}`);
    }
    return { field, equal: sign === "=", value };
  });
}

const HINT = "write field=value or field!=value, joined by commas";

export function matches(item: Readonly<Record<string, unknown>>, all: readonly Condition[]) {
  return all.every(({ field, equal, value }) => {
    const there = item[field];
    const same = Array.isArray(there) ? there.includes(value) : String(there ?? "") === value;
    return same === equal;
  });
}

/** Only the named fields of an object. @throws ApiError invalid for one that does not exist. */
export function pick(
  item: Readonly<Record<string, unknown>>,
  fields: string,
  known: readonly string[],
): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const field of fields.split(",")) {
    if (!known.includes(field)) {
      const message = `fields: there is no field ${JSON.stringify(field)}`;
      throw new ApiError("invalid", message, `fields are ${known.join(", ")}`);
    }
    if (item[field] !== undefined) picked[field] = item[field];
  }
  return picked;
}

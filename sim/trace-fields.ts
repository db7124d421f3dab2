/** The fields of a trace's lines and how each is checked; says which one is wrong, and how. */

type Check = (value: unknown) => string | undefined;
/** A check for each field; what is optional may be absent, anything else may not stand there. */
export interface Fields {
  readonly required: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
}

const text: Check = (value) => (typeof value === "string" ? undefined : "is no text");
const name: Check = (value) =>
  typeof value === "string" && value !== "" ? undefined : "is no name";
const count: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : "is no whole number from 0";
const time: Check = (value) =>
  typeof value === "number" && value >= 0 ? undefined : "is no time in milliseconds";
const hash: Check = (value) =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? undefined : "is no SHA-256";
const texts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === "string")
    ? undefined
    : "is no list of texts";
const anything: Check = () => undefined;

function oneOf(...allowed: readonly string[]): Check {
  return (value) =>
    typeof value === "string" && allowed.includes(value)
      ? undefined
      : `is none of ${allowed.join(", ")}`;
}

/** An object of facts; `gone`: null says that a fact is no more. */
function facts(gone: boolean): Check {
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return "is no object";
    const wrong = Object.entries(value).find(
      ([, fact]) =>
        !["string", "number", "boolean"].includes(typeof fact) && !(gone && fact === null),
    );
    return wrong === undefined ? undefined : `has a fact ${wrong[0]} that is no plain value`;
  };
}

const nodes: Check = (value) => {
  if (!Array.isArray(value)) return "is no list";
  const wrong = value.findIndex((node) => fieldFault(node, NODE, "") !== undefined);
  return wrong < 0 ? undefined : `[${wrong}] has no name and role`;
};

const NODE: Fields = { required: { name, role: name } };

export const FIELDS = {
  header: {
    required: {
      trace: count,
      of: oneOf("simulation", "recording"),
      version: text,
      nodes,
      about: facts(false),
    },
  },
  record: {
    required: {
      n: count,
      t: time,
      node: name,
      kind: name,
      from: text,
      cause: count,
      summary: text,
    },
    optional: { msgId: name, messages: texts, effects: texts, input: anything },
  },
  state: { required: { node: name, t: time, after: count, cause: count, facts: facts(true) } },
  mark: { required: { n: count, sha256: hash } },
} as const satisfies Readonly<Record<string, Fields>>;

function shown(value: unknown): string {
  const whole = JSON.stringify(value) ?? "missing";
  return whole.length > 60 ? `${whole.slice(0, 57)}...` : whole;
}

/** The first field that is missing, wrong or unknown; `prefix` stands before its name. */
export function fieldFault(value: unknown, fields: Fields, prefix: string): string | undefined {
  if (typeof value !== "object" || value === null) return `${prefix} ${shown(value)} is no object`;
  const given = value as Readonly<Record<string, unknown>>;
  for (const [field, check] of Object.entries(fields.required)) {
    const fault = check(given[field]);
    if (fault !== undefined) return `${prefix}${field}: ${shown(given[field])} ${fault}`;
  }
  const optional = fields.optional ?? {};
  for (const [field, content] of Object.entries(given)) {
    if (field in fields.required) continue;
    const check = optional[field];
    if (check === undefined) return `${prefix}${field}: there is no such field`;
    const fault = check(content);
    if (fault !== undefined) return `${prefix}${field}: ${shown(content)} ${fault}`;
  }
  return undefined;
}

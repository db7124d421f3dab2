/**
 * One message of each kind with every field that matters, made by walking the kind's schema: what
 * the golden files hold. A new kind gets its sample without a line here.
 */
import { Kind as KindOf, OptionalKind, type TSchema } from "@sinclair/typebox";
import { type Kind, KINDS, isKind } from "#protocol";

const ID_SAMPLE = "sample-1";
const UUID_SAMPLE = "0b8d5a4e-6e0c-4a51-8f7e-9a4f2c1d3e55";

export const ALL_KINDS: readonly Kind[] = Object.keys(KINDS).filter(isKind);

export function sampleOf(kind: Kind): unknown {
  return sample(KINDS[kind].schema);
}

function sample(schema: TSchema): unknown {
  switch (schema[KindOf]) {
    case "Object": {
      const properties: [string, TSchema][] = Object.entries(schema["properties"] ?? {});
      return Object.fromEntries(properties.map(([name, inner]) => [name, sample(inner)]));
    }
    case "Array": {
      const items: TSchema = schema["items"];
      return [sample(items)];
    }
    case "Record": {
      const patterns: TSchema[] = Object.values(schema["patternProperties"] ?? {});
      return Object.fromEntries(patterns.map((inner) => ["sample", sample(inner)]));
    }
    case "Union": {
      const anyOf: TSchema[] = schema["anyOf"];
      const first = anyOf[0];
      return first === undefined ? null : sample(first);
    }
    case "Literal":
      return schema["const"];
    case "String":
      return text(schema);
    case "Integer":
      return Math.max(Number(schema["minimum"] ?? 0), Math.min(7, Number(schema["maximum"] ?? 7)));
    case "Number":
      return 1_763_842_000_123.25;
    case "Boolean":
      return true;
    case "Uint8Array":
      return Uint8Array.of(1, 2, 3);
    default:
      throw new Error(`no sample for ${String(schema[KindOf])}`);
  }
}

function text(schema: TSchema): string {
  const pattern = schema["pattern"];
  if (pattern === undefined) return "sample".slice(0, Number(schema["maxLength"] ?? 99));
  return new RegExp(pattern).test(UUID_SAMPLE) && !new RegExp(pattern).test(ID_SAMPLE)
    ? UUID_SAMPLE
    : ID_SAMPLE;
}

/** Names of the optional fields of a kind's body, at the top. */
export function optionalFields(kind: Kind): string[] {
  const properties: [string, TSchema][] = Object.entries(KINDS[kind].schema["properties"] ?? {});
  return properties.filter(([, inner]) => inner[OptionalKind] !== undefined).map(([name]) => name);
}

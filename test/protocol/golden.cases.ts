/**
 * Every message that was ever written can still be read: one file for each kind and form. Files
 * are written once, by `MESETA_GOLDEN=write`, which never touches one that exists but adds the next
 * for a kind whose form has changed; a change of a schema that cannot read an old file fails here.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { decodeSingle, encodeSingle, type AnyMessage, isKind } from "#protocol";
import { ALL_KINDS, optionalFields, sampleOf } from "./samples.ts";

/** From dist/test/protocol back to the sources. */
const folder = fileURLToPath(new URL("../../../test/golden/messages/", import.meta.url));

function message(kind: (typeof ALL_KINDS)[number], body: unknown): AnyMessage {
  return { kind, body, id: 5, re: 4 } as AnyMessage;
}

if (process.env["MESETA_GOLDEN"] === "write") {
  mkdirSync(folder, { recursive: true });
  for (const kind of ALL_KINDS) {
    if (hasForm(kind)) continue;
    writeFileSync(`${folder}${kind}.${formsOf(kind).length + 1}.cbor`, formOf(kind));
  }
}

/** The bytes of the kind's sample as this build writes it. */
function formOf(kind: (typeof ALL_KINDS)[number]): Uint8Array {
  const encoded = encodeSingle(message(kind, sampleOf(kind)), 3);
  if (encoded.fault !== undefined) throw new Error(encoded.fault);
  return encoded.bytes;
}

function formsOf(kind: string): Buffer[] {
  const files = readdirSync(folder).filter((file) => file.startsWith(`${kind}.`));
  return files.map((file) => readFileSync(folder + file));
}

function hasForm(kind: (typeof ALL_KINDS)[number]): boolean {
  return formsOf(kind).some((form) => form.equals(formOf(kind)));
}

t.test("there is a golden file for each kind as it is now", async (t) => {
  t.same(
    ALL_KINDS.filter((kind) => !hasForm(kind)),
    [],
    "write the missing ones: MESETA_GOLDEN=write node dist/test/protocol/index.test.js",
  );
});

t.test("every golden file is understood", async (t) => {
  for (const file of readdirSync(folder)) {
    const decoded = decodeSingle(readFileSync(folder + file));
    if (decoded.reason !== undefined) {
      t.fail(`${file}: ${decoded.reason}`);
      continue;
    }
    const kind = file.split(".")[0] ?? "";
    t.equal(decoded.message?.kind, kind);
    t.equal(decoded.epoch, 3);
    if (isKind(kind) && file.endsWith(".1.cbor")) {
      t.match({ body: decoded.message?.body }, { body: Object }, `${file} has a body`);
    }
  }
});

t.test(
  "a body without its optional fields is understood, without another field refused",
  async (t) => {
    for (const kind of ALL_KINDS) {
      const full = sampleOf(kind) as Record<string, unknown>;
      const optional = new Set(optionalFields(kind));
      const bare = Object.fromEntries(Object.entries(full).filter(([name]) => !optional.has(name)));
      t.equal(encodeSingle(message(kind, bare), 1).fault, undefined, kind);
      for (const name of Object.keys(bare)) {
        const { [name]: _left, ...rest } = bare;
        t.type(encodeSingle(message(kind, rest), 1).fault, "string", `${kind} without ${name}`);
      }
    }
  },
);

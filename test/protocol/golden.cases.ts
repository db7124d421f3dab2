/**
 * Every message that was ever written can still be read: one file for each kind and form. Files
 * are written once, by `MESETA_GOLDEN=write`, which never touches one that exists; a change of a
 * schema that cannot read an old file fails here.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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
    const file = `${folder}${kind}.1.cbor`;
    if (existsSync(file)) continue;
    const encoded = encodeSingle(message(kind, sampleOf(kind)), 3);
    if (encoded.fault !== undefined) throw new Error(encoded.fault);
    writeFileSync(file, encoded.bytes);
  }
}

t.test("there is a golden file for each kind", async (t) => {
  const kinds = new Set(readdirSync(folder).map((file) => file.split(".")[0]));
  t.same(
    ALL_KINDS.filter((kind) => !kinds.has(kind)),
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

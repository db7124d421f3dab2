/**
 * The line by which a machine joins: where the broker is, the authority of its certificate, and a
 * right to ask for a credential, in one word that survives copying. It ends with a check sum, so
 * that a line that was cut or changed is told from one that is refused. Pure.
 */
import { createHash } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

const HEAD = "meseta-join-1";
const SUM_LENGTH = 8;
/** A terminal passes on no longer line. */
export const JOIN_LINE_LENGTH_MAX = 4_000;

const Shape = Type.Object({
  cluster: Type.String({ minLength: 1, maxLength: 200 }),
  servers: Type.Array(Type.String({ pattern: "^tls://" }), { minItems: 1, maxItems: 16 }),
  /** DER in base64url. */
  authority: Type.String({ minLength: 1 }),
  /** Of the joiner. */
  jwt: Type.String({ minLength: 1 }),
  seed: Type.String({ minLength: 1 }),
});
const check = TypeCompiler.Compile(Shape);
export type JoinLine = Static<typeof Shape>;

export function joinLineText(line: JoinLine): string {
  const body = Buffer.from(JSON.stringify(line)).toString("base64url");
  return `${HEAD}.${body}.${sumOf(body)}`;
}

/** @throws Error in one sentence, with no part of the line in it. */
export function parseJoinLine(text: string): JoinLine {
  const [head, body, sum, ...rest] = text.trim().split(".");
  if (head !== HEAD) {
    throw new Error(
      `--join: this is no line of meseta token create, which begins with ${HEAD}; copy it whole`,
    );
  }
  if (body === undefined || sum !== sumOf(body) || rest.length > 0) {
    throw new Error(
      "--join: the line is cut or changed, its check sum does not fit; copy it whole, or have " +
        "another made with meseta token create agent",
    );
  }
  const value: unknown = JSON.parse(Buffer.from(body, "base64url").toString("utf8"));
  if (check.Check(value)) return value;
  throw new Error(
    "--join: the line is of another build; have one made by the build that runs here",
  );
}

function sumOf(body: string): string {
  return createHash("sha256").update(`${HEAD}.${body}`).digest("hex").slice(0, SUM_LENGTH);
}

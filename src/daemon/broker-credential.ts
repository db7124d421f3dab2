/**
 * The file by which a machine runs one of the brokers of a cluster: whom to let in, who the others
 * are, and how to prove itself to them. It holds no key that signs.
 */
import { X509Certificate } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { BROKER_CREDENTIAL_KIND, readOwnText, writeFileDurably } from "#adapters";
import { jsonOf, type Member, MembersShape } from "./broker-members.ts";

const Text = Type.String({ minLength: 1 });
const Shape = Type.Object({
  kind: Type.Literal(BROKER_CREDENTIAL_KIND),
  about: Text,
  cluster: Text,
  /** Which of the members it is for. */
  name: Text,
  members: MembersShape,
  trust: Type.Object({
    operatorJwt: Text,
    systemAccountId: Text,
    systemAccountJwt: Text,
    accountId: Text,
    accountJwt: Text,
  }),
  secret: Text,
  /** By which it asks which brokers hold streams together, and nothing else. */
  watch: Type.Object({ jwt: Text, seed: Text }),
  /** As PEM; absent where they are all on loopback. */
  tls: Type.Optional(Type.Object({ key: Text, cert: Text, authority: Text })),
});
const check = TypeCompiler.Compile(Shape);
export type BrokerCredential = Static<typeof Shape>;

const ABOUT =
  "Whoever can read this file can be a broker of the cluster, and hear and say anything there.";

export function writeBrokerCredential(
  path: string,
  credential: Omit<BrokerCredential, "kind" | "about">,
): Promise<void> {
  const file = { kind: BROKER_CREDENTIAL_KIND, about: ABOUT, ...credential };
  return writeFileDurably(path, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 });
}

/** @throws Error in one sentence: unreadable, readable by others, of another kind, damaged. */
export function readBrokerCredential(path: string): BrokerCredential {
  let text: string;
  try {
    text = readOwnText(path);
  } catch (error) {
    throw new Error(`--credential: ${path} cannot be used: ${(error as Error).message}`);
  }
  const mend = "have one made with meseta credential create broker NAME";
  const role = /^# identity (\S+)/m.exec(text)?.[1];
  if (role !== undefined) {
    throw new Error(`--credential: ${path} is of the role ${role}, not of a broker; ${mend}`);
  }
  const value = jsonOf(text);
  if (!check.Check(value)) {
    const fault = check.Errors(value).First();
    const where =
      value === undefined ? "it is no JSON" : `${fault?.path || "/"}: ${fault?.message}`;
    throw new Error(`--credential: ${path} is no file of a broker, or damaged: ${where}; ${mend}`);
  }
  return value;
}

/** The member that a file is for. @throws Error when it names none. */
export function memberOf({ name, members }: BrokerCredential): Member {
  const found = members.find((member) => member.name === name);
  if (found !== undefined) return found;
  throw new Error(`the file is for the broker ${name}, and its members are others; make it anew`);
}

/** When the certificate ends, by the wall clock; undefined where there is none. */
export function certificateEndMs({ tls }: BrokerCredential): number | undefined {
  return tls === undefined ? undefined : Date.parse(new X509Certificate(tls.cert).validTo);
}

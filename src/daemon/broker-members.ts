/**
 * The brokers of a cluster that hold its log together, as its operator names them: read, checked, and
 * remembered beside the cluster's keys with the secret by which they know each other.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { writeFileDurably } from "#adapters";
import { idFault } from "#protocol";
import { type Address, addressText, isLoopback, isWildcard, readAddress } from "./addresses.ts";

const CLIENT_PORT_DEFAULT = 4_222;
const ROUTE_PORT_DEFAULT = 6_222;
/** As many as may hold copies of the log; of an even number one is of no use. */
const COUNTS: readonly number[] = [3, 5];
const SECRET_BYTES = 32;

export interface Member {
  readonly name: string;
  /** Where masters, agents and frameworks come to. */
  readonly client: Address;
  /** Where the other brokers come to. */
  readonly route: Address;
}

const AddressShape = Type.Object({
  host: Type.String({ minLength: 1 }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
});
/** As it stands in files. */
export const MembersShape = Type.Array(
  Type.Object({
    name: Type.String({ minLength: 1 }),
    client: AddressShape,
    route: AddressShape,
  }),
  { minItems: 1, maxItems: 5 },
);

const EXAMPLE = "b1=10.0.0.1,b2=10.0.0.2,b3=10.0.0.3";

/** `NAME=HOST[:PORT][/HOST[:PORT]]`, joined by commas. @throws Error what is wrong with it. */
export function parseMembers(text: string): Member[] {
  const members = text.split(",").map(parseMember);
  const fault = membersFault(members);
  if (fault !== undefined) throw new Error(`--members: ${fault}`);
  return members;
}

function parseMember(text: string): Member {
  const [, name = "", first = "", second] = /^([^=]*)=([^/]*)(?:\/(.*))?$/.exec(text) ?? [];
  const client = readAddress(first, CLIENT_PORT_DEFAULT);
  const route = client && readAddress(second ?? bare(client), ROUTE_PORT_DEFAULT);
  if (client === undefined || route === undefined || client.port * route.port === 0) {
    throw new Error(
      `--members: ${JSON.stringify(text)} is no NAME=HOST[:PORT][/HOST[:PORT]], with / before where ` +
        `the other brokers come to; such as ${EXAMPLE}`,
    );
  }
  const fault = idFault(name);
  if (fault !== undefined) throw new Error(`--members: ${JSON.stringify(text)}: name: ${fault}`);
  return { name, client, route };
}

function bare({ host }: Address): string {
  return host.includes(":") ? `[${host}]` : host;
}

function membersFault(members: readonly Member[]): string | undefined {
  if (!COUNTS.includes(members.length)) {
    const named = `${members.length} ${members.length === 1 ? "is" : "are"} named`;
    return `${named}; it takes 3 brokers to survive the loss of one, 5 of two; such as ${EXAMPLE}`;
  }
  const twice = (of: (member: Member) => readonly string[]): string | undefined => {
    const all = members.flatMap(of);
    return all.find((one, index) => all.indexOf(one) !== index);
  };
  const name = twice((member) => [member.name]);
  if (name !== undefined) return `${name} is the name of two; each has its own`;
  const place = twice(({ client, route }) => [addressText(client), addressText(route)]);
  if (place !== undefined) return `${place} is named twice; each has its own`;
  const hosts = members.flatMap(({ client, route }) => [client.host, route.host]);
  const wild = hosts.find(isWildcard);
  if (wild !== undefined) {
    return `${wild} is no address that others can dial; name one, and listen on all by --listen`;
  }
  const near = hosts.find(isLoopback);
  const far = hosts.find((host) => !isLoopback(host));
  if (near !== undefined && far !== undefined) {
    return `${near} is loopback and ${far} is not; name addresses that all others reach`;
  }
  return undefined;
}

/** Whether what they say leaves the machine, so that they speak TLS. */
export function needTls(members: readonly Member[]): boolean {
  return !members.every(({ client }) => isLoopback(client.host));
}

/** Where clients dial them. */
export function serversOf(members: readonly Member[]): string[] {
  const scheme = needTls(members) ? "tls" : "nats";
  return members.map(({ client }) => `${scheme}://${addressText(client)}`);
}

const Remembered = Type.Object({
  cluster: Type.String({ minLength: 1 }),
  secret: Type.String({ minLength: 2 * SECRET_BYTES }),
  members: MembersShape,
});
export type BrokersFile = Static<typeof Remembered>;
const check = TypeCompiler.Compile(Remembered);

export function brokersPathOf(dataDir: string): string {
  return join(dataDir, "trust", "brokers.json");
}

/** What is remembered; undefined where no broker was ever named. @throws Error in one sentence. */
export async function readBrokers(dataDir: string): Promise<BrokersFile | undefined> {
  const path = brokersPathOf(dataDir);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const value = jsonOf(text);
  if (check.Check(value)) return value;
  throw new Error(
    `${path} is damaged; restore it from a copy, or remove it and make the files of all brokers anew`,
  );
}

/** Text of a file as a value; undefined where it is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The secret stays what it was, so that brokers whose files are older go on belonging to them. */
export async function rememberBrokers(
  dataDir: string,
  { cluster, members }: { readonly cluster: string; readonly members: readonly Member[] },
): Promise<BrokersFile> {
  const known = await readBrokers(dataDir);
  const secret = known?.secret ?? randomBytes(SECRET_BYTES).toString("hex");
  const file: BrokersFile = { cluster, secret, members: [...members] };
  const text = `${JSON.stringify(file, undefined, 2)}\n`;
  await writeFileDurably(brokersPathOf(dataDir), text, { mode: 0o600 });
  return file;
}

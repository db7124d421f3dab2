/**
 * `meseta credential create broker`: the file by which one of several brokers is started. The first
 * one in a data directory makes the cluster's keys, and names all brokers.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "#adapters";
import type { Config } from "#config";
import { addressText } from "./addresses.ts";
import { certificatePem, openBrokerAuthority } from "./broker-authority.ts";
import { writeBrokerCredential } from "./broker-credential.ts";
import { type Member, needTls, parseMembers, rememberBrokers } from "./broker-members.ts";
import { openTrust, type Trust } from "./credentials.ts";
import { dataDirOf } from "./data-dir.ts";
import { brokersOf } from "./known-brokers.ts";
import { clusterOf } from "./role-processes.ts";

export interface CreateBroker {
  readonly name: string;
  /** As they were typed; absent: those of the file before. */
  readonly members: string | undefined;
  readonly out: string;
  tell(sentence: string): void;
}

/** Writes the file. @throws Error in one sentence: members that cannot be, a name not among them. */
export async function createBrokerCredential(
  config: Config,
  dataOfContext: string | undefined,
  { name, members: named, out, tell }: CreateBroker,
): Promise<void> {
  const cluster = clusterOf(config);
  const root = dataDirOf(config.text("data") ?? dataOfContext, cluster, process.env);
  const known = await brokersOf(config, root);
  const members = named === undefined ? known?.members : parseMembers(named);
  if (members === undefined) {
    throw new Error(
      `--members is needed: ${root} remembers no brokers; name all of them, such as ` +
        "--members b1=10.0.0.1,b2=10.0.0.2,b3=10.0.0.3",
    );
  }
  const own = members.find((member) => member.name === name);
  if (own === undefined) {
    const names = members.map((member) => member.name).join(", ");
    throw new Error(`name: ${name} is none of the members ${names}; name one, or other --members`);
  }
  if (!existsSync(join(root, "trust"))) {
    tell(`made the keys of cluster ${cluster} in ${join(root, "trust")}; keep a copy of them`);
    await makeFolder(root);
  }
  const trust = await openTrust({ dataDir: root, cluster, nowMs: () => Date.now() });
  const { secret } = await rememberBrokers(root, { cluster, members });
  if (known !== undefined && textOf(known.members) !== textOf(members)) {
    tell("the members are others than before: make the files of all brokers anew");
  }
  const tls = needTls(members) ? await tlsOf(root, own) : undefined;
  await writeBrokerCredential(out, {
    cluster,
    name,
    members: [...members],
    trust: textsOf(trust),
    secret,
    watch: trust.issueWatch(),
    ...(tls === undefined ? {} : { tls }),
  });
}

function textsOf({ broker }: Trust): Trust["broker"] {
  const { operatorJwt, systemAccountId, systemAccountJwt, accountId, accountJwt } = broker;
  return { operatorJwt, systemAccountId, systemAccountJwt, accountId, accountJwt };
}

async function tlsOf(root: string, { client, route }: Member) {
  const nowMs = Date.now();
  const authority = await openBrokerAuthority(root, nowMs);
  const issued = authority.issuePeer(nowMs, [...new Set([client.host, route.host])]);
  return { ...issued, authority: certificatePem(authority.certificate) };
}

function textOf(members: readonly Member[]): string {
  return members
    .map(({ name, client, route }) => `${name}=${addressText(client)}/${addressText(route)}`)
    .join();
}

/**
 * Where the brokers of a cluster are, for whoever has its keys: those that were named, else those
 * that it has files for, else that of `up`.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CredentialFile, readCredentialFile } from "#adapters";
import type { Config } from "#config";
import { readBrokerAuthority } from "./broker-authority.ts";
import { type BrokersFile, readBrokers, serversOf } from "./broker-members.ts";
import { layoutOf } from "./data-dir.ts";
import { clusterOf } from "./role-processes.ts";

export type Reach = Pick<CredentialFile, "servers" | "authority">;

/** @throws Error in one sentence where nobody knows. */
export async function reachOf(config: Config, root: string): Promise<Reach> {
  const servers = await serversKnown(config, root);
  // Elsewhere they are reached by TLS, and ours are known by their authority; others' by their own means.
  const ours = servers.some((server) => server.startsWith("tls://"));
  const authority = ours ? await readBrokerAuthority(root) : undefined;
  return { servers, ...(authority === undefined ? {} : { authority }) };
}

async function serversKnown(config: Config, root: string): Promise<readonly string[]> {
  const named = config.text("nats")?.split(",");
  const brokers = await brokersOf(config, root);
  if (named !== undefined) return named;
  if (brokers !== undefined) return serversOf(brokers.members);
  const ofUp = join(layoutOf(root).credentials, "master.creds");
  if (existsSync(ofUp)) return readCredentialFile(ofUp).servers;
  throw new Error(
    `${root} knows no broker: no meseta up ran there, and no file of a broker was made there; ` +
      "name some with --nats, or make one with meseta credential create broker NAME",
  );
}

/** The brokers that files were made for. @throws Error where they are of another cluster. */
export async function brokersOf(config: Config, root: string): Promise<BrokersFile | undefined> {
  const brokers = await readBrokers(root);
  const cluster = clusterOf(config);
  if (brokers === undefined || brokers.cluster === cluster) return brokers;
  throw new Error(
    `--cluster: the brokers of ${root} are of the cluster ${brokers.cluster}, not ${cluster}; ` +
      `add --cluster ${brokers.cluster}`,
  );
}

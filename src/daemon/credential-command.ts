/** `meseta credential create`: a credential for an agent or a framework of somebody else. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { identityFault } from "#access";
import type { Config } from "#config";
import { readCredentialFile, identityOf, writeCredentialFile } from "#adapters";
import { openTrust } from "./credentials.ts";
import { dataDirOf, layoutOf } from "./data-dir.ts";
import { clusterOf } from "./role-processes.ts";

export interface CreateCredential {
  readonly role: "agent" | "framework";
  /** The principal; for a framework `principal.instance`. */
  readonly name: string;
  readonly out: string;
}

/** Writes the file. @throws Error in one sentence: no trust there, a bad name. */
export async function createCredential(
  config: Config,
  dataOfContext: string | undefined,
  { role, name, out }: CreateCredential,
): Promise<void> {
  const cluster = clusterOf(config);
  const root = dataDirOf(config.text("data") ?? dataOfContext, cluster, process.env);
  if (!existsSync(join(root, "trust"))) {
    throw new Error(`${root} holds no trust of a cluster; name its data directory with --data`);
  }
  const whole = role === "framework" && !name.includes(".") ? `${name}.main` : name;
  const identity = identityOf(role, whole);
  const fault = identityFault(identity);
  if (fault !== undefined) throw new Error(fault);
  const trust = await openTrust({ dataDir: root, cluster, nowMs: () => Date.now() });
  const known = readCredentialFile(join(layoutOf(root).credentials, "master.creds"));
  await writeCredentialFile(out, {
    cluster,
    servers: config.text("nats")?.split(",") ?? known.servers,
    entries: [{ identity, credential: trust.issue(identity) }],
  });
}

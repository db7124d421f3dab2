/** `meseta credential create`: a credential for a master, an agent or a framework elsewhere. */
import { holderOf, type Identity, identityFault } from "#access";
import type { Config } from "#config";
import { identityOf, writeCredentialFile } from "#adapters";
import { asId } from "#protocol";
import { openTrust, userKeyOf } from "./credentials.ts";
import { reachOf } from "./known-brokers.ts";
import { Revocations } from "./revocations.ts";
import { clusterOf, trustedDirOf } from "./role-processes.ts";

export interface CreateCredential {
  readonly role: "master" | "agent" | "framework";
  /** The principal; for a framework `principal.instance`, for a master its id. */
  readonly name: string;
  readonly out: string;
  /** Default: what one of that role is good for otherwise. */
  readonly lifetimeMs?: number;
}

/** Writes the file. @throws Error in one sentence: no trust there, a bad name. */
export async function createCredential(
  config: Config,
  dataOfContext: string | undefined,
  { role, name, out, lifetimeMs }: CreateCredential,
): Promise<void> {
  const cluster = clusterOf(config);
  const root = trustedDirOf(config, dataOfContext);
  const whole = role === "framework" && !name.includes(".") ? `${name}.main` : name;
  const identities = role === "master" ? masterNamed(name) : [identityOf(role, whole)];
  for (const identity of identities) {
    const fault = identityFault(identity);
    if (fault !== undefined) throw new Error(fault);
  }
  const trust = await openTrust({ dataDir: root, cluster, nowMs: () => Date.now() });
  const revocations = new Revocations(root);
  const reach = await reachOf(config, root);
  const entries = identities.map((identity) => ({
    identity,
    credential: trust.issue(identity, lifetimeMs),
  }));
  // First remembered, then given: what nobody remembers could be revoked by its file alone.
  for (const { identity, credential } of entries) {
    await revocations.remember({ key: userKeyOf(credential.jwt), holder: holderOf(identity) });
  }
  await writeCredentialFile(out, { cluster, ...reach, entries });
}

/** Everybody in a master's process: the master, its gateway, the framework behind its runs. */
function masterNamed(name: string): Identity[] {
  return [
    { role: "master", masterId: asId(name) },
    { role: "operator", principal: asId(`gateway-${name}`) },
    { role: "framework", principal: asId("run"), instance: asId(name) },
  ];
}

/** The credential files of a cluster that `up` starts: who is in each, written and renewed. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "#access";
import { asId } from "#protocol";
import { writeCredentialFile } from "#adapters";
import type { Trust } from "./credentials.ts";
import { masterFolder } from "./data-dir.ts";

/** Long before the end of their life, for whoever is down at the time. */
const RENEW_MS = 24 * 3_600_000;

export interface UpCredentials {
  master(number: number): string;
  /** For a framework of the user's own. */
  readonly framework: string;
  agent(number: number): string;
  stop(): void;
}

/** Everybody in a master's process. */
export function masterProcessIdentities(number = 1) {
  const instance = number === 1 ? "main" : `master-${number}`;
  return {
    master: { role: "master", masterId: asId(`master-${number}`) },
    operator: { role: "operator", principal: asId(`gateway-${number}`) },
    framework: { role: "framework", principal: asId("run"), instance: asId(instance) },
  } as const satisfies Record<string, Identity>;
}

export function agentIdentity(number: number) {
  return { role: "agent", principal: asId(`agent-${number}`) } as const satisfies Identity;
}

export interface UpCredentialsOptions {
  readonly trust: Trust;
  readonly servers: readonly string[];
  readonly dir: string;
  readonly agents: number;
  readonly masters: number;
  report(sentence: string): void;
}

export async function writeUpCredentials(options: UpCredentialsOptions): Promise<UpCredentials> {
  const { trust, servers, dir, agents, masters } = options;
  const pathOf = (name: string): string => join(dir, `${name}.creds`);
  const write = (name: string, identities: readonly Identity[]): Promise<void> =>
    writeCredentialFile(pathOf(name), {
      cluster: trust.cluster,
      servers,
      entries: identities.map((identity) => ({ identity, credential: trust.issue(identity) })),
    });
  const user: Identity = {
    role: "framework",
    principal: asId("user"),
    instance: asId("main"),
  };
  const writeAll = async (): Promise<void> => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (let number = 1; number <= masters; number += 1) {
      await write(masterFolder(number), Object.values(masterProcessIdentities(number)));
    }
    await write("framework", [user]);
    for (let number = 1; number <= agents; number += 1) {
      await write(`agent-${number}`, [agentIdentity(number)]);
    }
  };
  await writeAll();
  const timer = setInterval(() => {
    writeAll().catch((error: Error) =>
      options.report(`the credentials could not be renewed: ${error.message}`),
    );
  }, RENEW_MS);
  timer.unref();
  return {
    master: (number) => pathOf(masterFolder(number)),
    framework: pathOf("framework"),
    agent: (number) => pathOf(`agent-${number}`),
    stop: () => clearInterval(timer),
  };
}

/**
 * How a role of this process reaches the others and the log: over a broker by its credentials,
 * or within the process. The one place where one of the two is picked.
 */
import { readFileSync } from "node:fs";
import { credentialName, type Identity, inboxOf } from "#access";
import {
  logStreamOf,
  MemoryBroker,
  claimLog,
  natsBus,
  type NatsBusOptions,
  openJetStreamLog,
  openSegmentLog,
  systemRandom,
} from "#adapters";
import { type ClusterId, subjectsOf } from "#protocol";
import type { Bus, Clock, Log } from "#runtime";
import { type CredentialFile, parseCredentialFile } from "#adapters";

export interface Connections {
  /** A new connection; it dials by itself and for ever. */
  bus(identity: Identity): Bus;
  /** @throws Error in one sentence when the log cannot be used. */
  openLog(identity: Identity): Promise<Log>;
  /** Why others cannot join, where that is so. */
  readonly closedBecause: string | undefined;
  /** How another process of this machine gets to the same broker; undefined where there is none. */
  readonly reach: Pick<CredentialFile, "servers" | "authority"> | undefined;
}

/**
 * Over a broker. The credential file is read again at each dial, for its owner renews it;
 * `servers` win over those of the file.
 */
export function brokerConnections(
  path: string,
  file: CredentialFile,
  options: {
    readonly clock: Clock;
    /** Directory that remembers which kind of log belongs to it (P-7.9). */
    readonly logDir?: string;
    readonly servers?: readonly string[];
    /** Copies of the log, each with another broker; default 1. */
    readonly replicas?: number;
  },
): Connections {
  const { clock, logDir, replicas = 1 } = options;
  const servers = options.servers ?? file.servers;
  const optionsOf = (identity: Identity): NatsBusOptions => ({
    servers,
    credential: () => credentialIn(parseCredentialFile(readFileSync(path, "utf8")), identity),
    inbox: inboxOf(identity),
    name: `meseta ${identity.role} ${credentialName(identity)}`,
    clock,
    nonce: systemRandom().token(8),
    ...(file.authority === undefined ? {} : { authority: file.authority }),
  });
  const { log: subject } = subjectsOf(file.cluster);
  const { authority } = file;
  return {
    closedBecause: undefined,
    reach: { servers, ...(authority === undefined ? {} : { authority }) },
    bus: (identity) => natsBus(optionsOf(identity)),
    async openLog(identity) {
      const owner = { adapter: "jetstream", logId: file.cluster, generation: 0 } as const;
      if (logDir !== undefined) await claimLog(logDir, owner);
      const stream = logStreamOf(file.cluster, subject, replicas);
      return await openJetStreamLog({ ...optionsOf(identity), stream });
    },
  };
}

function credentialIn(file: CredentialFile, identity: Identity) {
  const name = credentialName(identity);
  const found = file.entries.find(
    (entry) => entry.identity.role === identity.role && credentialName(entry.identity) === name,
  );
  if (found === undefined) throw new Error(`no credential of ${identity.role} ${name} is left`);
  return found.credential;
}

export interface LocalOptions {
  readonly cluster: ClusterId;
  readonly clock: Clock;
  readonly logDir: string;
  warn(sentence: string): void;
}

/** Within this process, with the log in files. */
export function localConnections({ cluster, clock, logDir, warn }: LocalOptions): Connections {
  const broker = new MemoryBroker(clock, subjectsOf(cluster));
  return {
    reach: undefined,
    closedBecause: "the bus is within one process: no other machine or framework can join",
    bus: (identity) => broker.connect(identity),
    openLog: () =>
      openSegmentLog({ dir: logDir, owner: { logId: cluster, generation: 0 }, clock, warn }),
  };
}

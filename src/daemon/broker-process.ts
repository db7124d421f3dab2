/**
 * What `meseta broker` runs: one of the brokers of a cluster, from its file to the signal that ends
 * it. The nats-server is a child; this watches it, and how it stands with the others.
 */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  LockHeld,
  makeFolder,
  natsBus,
  systemClock,
  systemRandom,
  writeFileDurably,
} from "#adapters";
import type { Config } from "#config";
import type { Bus } from "#runtime";
import { type Address, addressText, isLoopback, parseAddress } from "./addresses.ts";
import { type Broker, startBroker } from "./broker.ts";
import { findBroker } from "./broker-binary.ts";
import {
  type BrokerCredential,
  certificateEndMs,
  memberOf,
  readBrokerCredential,
} from "./broker-credential.ts";
import { needTls } from "./broker-members.ts";
import { watchBroker } from "./broker-watch.ts";
import { WATCH_INBOX } from "./credentials.ts";
import { dataDirOf } from "./data-dir.ts";
import { restartText } from "./restarts.ts";
import { catchSignals, type Signals } from "./signals.ts";

const DAY_MS = 86_400_000;
/** Time enough to make another file and to carry it to its machine. */
const CERTIFICATE_WARN_MS = 60 * DAY_MS;

export interface BrokerDoors {
  tell(sentence: string): void;
}

/** @returns the exit code. @throws Error in one sentence what keeps it from starting. */
export async function runBroker(config: Config, doors: BrokerDoors): Promise<number> {
  const signals = catchSignals(["SIGTERM", "SIGINT"]);
  try {
    return await serve(config, signals, doors);
  } finally {
    signals.stop();
  }
}

async function serve(config: Config, signals: Signals, { tell }: BrokerDoors): Promise<number> {
  const credential = credentialOf(config);
  const { name, cluster, members } = credential;
  const listen = listenOf(config, credential);
  const dir = await folderOf(config, credential);
  sayEnd(credential, tell);
  const binary = await findBroker({ env: process.env, progress: tell, mayProvision: true });
  const broker = await start(credential, listen, { binary, dir, tell });
  tell(
    `broker ${name} of cluster ${cluster} runs nats-server ${broker.version} at ${broker.url}; ` +
      `other brokers come to ${addressText(listen.route)}`,
  );
  const bus = watchBus(credential, broker.url);
  const again = (): void => broker.again();
  const watch = watchBroker({ bus, name, of: members.length, tell, again });
  const daily = setInterval(() => sayEnd(credential, tell), DAY_MS);
  await signals.first;
  signals.onAgain(() => tell(`still stopping: the nats-server of broker ${name} ends`));
  clearInterval(daily);
  await watch.stop();
  await broker.stop();
  tell(`broker ${name} has ended`);
  return 0;
}

function watchBus({ name, watch, tls }: BrokerCredential, server: string): Bus {
  return natsBus({
    servers: [server],
    credential: () => watch,
    inbox: WATCH_INBOX,
    name: `meseta broker ${name}`,
    clock: systemClock(),
    nonce: systemRandom().token(8),
    ...(tls === undefined ? {} : { authority: new X509Certificate(tls.authority).raw }),
  });
}

function credentialOf(config: Config): BrokerCredential {
  const path = config.text("credential");
  if (path !== undefined) return readBrokerCredential(resolve(path));
  throw new Error(
    "--credential is needed: the file of a broker, made with meseta credential create broker NAME " +
      "where the cluster's keys are",
  );
}

interface Listen {
  readonly client: Address;
  readonly route: Address;
}

/** @throws Error where an address is none, or would not be reached as the file says. */
function listenOf(config: Config, credential: BrokerCredential): Listen {
  const own = memberOf(credential);
  const named = (flag: "listen" | "cluster-listen", address: Address): Address => {
    const text = config.text(flag);
    return text === undefined ? address : parseAddress(text, `--${flag}`, address.port);
  };
  const listen = {
    client: named("listen", own.client),
    route: named("cluster-listen", own.route),
  };
  const places = [
    ["--listen", listen.client],
    ["--cluster-listen", listen.route],
  ] as const;
  for (const [flag, address] of places) {
    if (!needTls(credential.members) && !isLoopback(address.host)) {
      throw new Error(
        `${flag}: ${addressText(address)} is not loopback, and the members of the file are, without ` +
          "TLS; have files made with --members of addresses that others reach",
      );
    }
  }
  if (addressText(listen.client) === addressText(listen.route)) {
    throw new Error(
      `--cluster-listen: ${addressText(listen.route)} is that of clients too; name another port`,
    );
  }
  return listen;
}

/** The folder of this broker below the data directory. @throws Error where it is not ours to use. */
async function folderOf(config: Config, credential: BrokerCredential): Promise<string> {
  const { cluster, name, trust } = credential;
  const root = dataDirOf(config.text("data"), cluster, process.env);
  const dir = join(root, "brokers", name);
  const path = join(dir, "owner");
  const owner = `${cluster} ${trust.accountId}`;
  let known: string;
  try {
    await makeFolder(dir);
    known = (await textIfThere(path)) ?? "";
    if (known === "") await writeFileDurably(path, `${owner}\n`, { mode: 0o600 });
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(`--data: ${dir} cannot be used: ${why}; name another directory`);
  }
  if (known === "" || known.trim() === owner) return dir;
  throw new Error(
    `--data: ${dir} holds what a broker of another cluster wrote (${known.trim().split(" ")[0]}); ` +
      "name another directory, or the file of that cluster",
  );
}

async function textIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

async function start(
  credential: BrokerCredential,
  { client, route }: Listen,
  options: Pick<Parameters<typeof startBroker>[0], "binary" | "dir"> & BrokerDoors,
): Promise<Broker> {
  const { name, members, secret, tls, trust } = credential;
  const { binary, dir, tell } = options;
  try {
    return await startBroker({
      binary,
      dir,
      trust,
      member: {
        name,
        ...client,
        routes: { secret, ...route, members: members.map((each) => addressText(each.route)) },
        ...(tls === undefined ? {} : { tls }),
      },
      onEvent(event) {
        if (event.kind === "died") tell(`nats-server ${event.why}; ${restartText(event.restart)}`);
        if (event.kind === "back") tell(`nats-server is back (process ${event.pid})`);
      },
    });
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    throw new Error(
      `--data: broker ${name} runs from ${dir} already; end that one first, or name another directory`,
    );
  }
}

/** It may have ended already: then it is said at the start too. */
function sayEnd(credential: BrokerCredential, tell: (sentence: string) => void): void {
  const endMs = certificateEndMs(credential);
  if (endMs === undefined || endMs > Date.now() + CERTIFICATE_WARN_MS) return;
  const day = new Date(endMs).toISOString().slice(0, 10);
  tell(
    `the certificate of broker ${credential.name} ends on ${day}, and nobody talks to it from then on; have ` +
      `another file made with meseta credential create broker ${credential.name}, and start it by that`,
  );
}

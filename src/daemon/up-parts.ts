/**
 * The running parts of a local cluster: broker, master and agents as processes of their own, or
 * all in this one. Both have one shape, so that `up` need not know which it has.
 */
import { readFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, pinoLogger, systemClock } from "#adapters";
import { type Config, SETTING_NAMES, SETTINGS, type Setting, type SettingName } from "#config";
import type { LogLevel } from "#protocol";
import { type AgentProcess, startAgent } from "./agent.ts";
import { startBroker } from "./broker.ts";
import { findBroker } from "./broker-binary.ts";
import { type Child, type Ready, startChild } from "./children.ts";
import { localConnections } from "./connections.ts";
import { openTrust } from "./credentials.ts";
import { type DataDir, masterFolder } from "./data-dir.ts";
import { namedShareOf, shareOf } from "./machine-share.ts";
import { startMaster } from "./master.ts";
import { openTokens, tokenPathOf, writeTokens } from "./master-token.ts";
import { endLeftNode } from "./node-end.ts";
import { openOutside, type OutsideDoor } from "./outside-door.ts";
import { probeMachine } from "./probe-machine.ts";
import { agentLimits, clusterOf, masterTimes, portsToTry, recordIn } from "./role-processes.ts";
import {
  agentIdentity,
  masterProcessIdentities,
  type UpCredentials,
  writeUpCredentials,
} from "./up-credentials.ts";
import { openRegistrar } from "./registrar.ts";
import { restartText } from "./restarts.ts";
import { youngGenerationFlags } from "./young-generation.ts";

/** How long a part has to say that it can be used. */
const READY_MS_MAX = 60_000;
/** An agent ends its tasks first: their grace, and the kernel's time. */
const AGENT_END_MS = 30_000;
const MASTER_END_MS = 10_000;

export interface Parts {
  readonly server: string;
  readonly token: string;
  readonly broker: string;
  /** Where other machines reach the broker; none where they may not. */
  readonly listens?: string;
  /** Why limits are not enforced; empty where they are. */
  readonly unenforced: string;
  /** File for frameworks of the user; none where they cannot join. */
  readonly frameworkCredential: string | undefined;
  /** Resolves with a sentence when the cluster cannot go on. */
  readonly broken: Promise<string>;
  /** Ends everything, tasks included. */
  end(): Promise<void>;
}

export interface PartsOptions {
  readonly config: Config;
  readonly data: DataDir;
  /** Node's arguments that are the command line. */
  readonly program: readonly string[];
  tell(sentence: string): void;
}

/** What each agent offers, as text. @throws Error what is wrong with --resources. */
export function agentResources(config: Config, data: DataDir): (number: number) => string {
  const of = Math.max(1, config.integer("agents"));
  const named = config.text("resources");
  const facts = probeMachine(data.root);
  return (number) => {
    const share = { index: number - 1, of };
    return named === undefined ? shareOf(facts, share) : namedShareOf(named, share);
  };
}

function numbersOf(config: Config): number[] {
  return Array.from({ length: config.integer("agents") }, (_, index) => index + 1);
}

/** Broker, master and agents, each a process. */
export async function startProcesses(options: PartsOptions): Promise<Parts> {
  const { config, data, tell } = options;
  const trust = await openTrust({
    dataDir: data.root,
    cluster: clusterOf(config),
    nowMs: () => Date.now(),
  });
  const broker = await brokerOf(options, trust.broker);
  let outside: OutsideDoor | undefined;
  let registrar: ReturnType<typeof openRegistrar> | undefined;
  const children: Child[] = [];
  let credentials: UpCredentials | undefined;
  const end = async (): Promise<void> => {
    await endProcesses(children, options);
    credentials?.stop();
    await registrar?.stop();
    await outside?.stop();
    await broker.stop();
  };
  try {
    credentials = await writeUpCredentials({
      trust,
      servers: broker.servers,
      dir: data.credentials,
      agents: config.integer("agents"),
      masters: config.integer("masters"),
      report: tell,
    });
    registrar = openRegistrar({
      reach: { servers: broker.servers },
      dataDir: data.root,
      trust,
      tell,
    });
    outside = await openOutside({ config, data, brokerPort: broker.port, tell });
    const ready = await startChildren(options, credentials, children);
    const token = (await readFile(tokenPathOf(data.masterDir), "utf8")).trim();
    const host = hostForUrl(config.need("host"));
    return {
      server: ready.ports.map((port) => `http://${host}:${port}`).join(","),
      token,
      broker: broker.about,
      ...(outside === undefined ? {} : { listens: outside.servers.join(", ") }),
      unenforced: ready.unenforced,
      frameworkCredential: credentials.framework,
      // Each process is started again for as long as it takes: nothing ends the cluster but people.
      broken: new Promise(() => undefined),
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

interface UsedBroker {
  readonly servers: readonly string[];
  readonly about: string;
  /** On loopback; undefined for brokers of others. */
  readonly port: number | undefined;
  stop(): Promise<void>;
}

async function brokerOf(
  { config, data, tell }: PartsOptions,
  trust: Parameters<typeof startBroker>[0]["trust"],
): Promise<UsedBroker> {
  const named = config.text("nats");
  if (named !== undefined) {
    return {
      servers: named.split(","),
      about: named,
      port: undefined,
      stop: () => Promise.resolve(),
    };
  }
  const binary = await findBroker({ env: process.env, progress: tell, mayProvision: true });
  const broker = await startBroker({
    binary,
    dir: data.broker,
    trust,
    onEvent(event) {
      if (event.kind === "died") tell(`the broker ${event.why}; ${restartText(event.restart)}`);
      if (event.kind === "back") tell("the broker is back");
    },
  });
  return {
    servers: [broker.url],
    about: `nats-server ${broker.version} at ${broker.url}`,
    port: broker.port,
    stop: () => broker.stop(),
  };
}

function hostForUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

async function startChildren(
  options: PartsOptions,
  credentials: UpCredentials,
  children: Child[],
): Promise<{ readonly ports: readonly number[]; readonly unenforced: string }> {
  const { config, data } = options;
  const resources = agentResources(config, data);
  const count = config.integer("masters");
  await shareTokens(data.root, count);
  const ports = [config.integer("port")];
  const masters = Array.from({ length: count }, (_, index) => {
    const number = index + 1;
    return startPart(options, children, {
      name: masterFolder(number),
      nodeFlags: youngGenerationFlags(process.env),
      args: () => {
        const own = { port: String(ports[index] ?? 0) };
        const flags = flagsOf(config, "master", own, credentials.master(number));
        return [...flags, "--masters", String(count)];
      },
    });
  });
  const agents = numbersOf(config).map((number) =>
    startPart(options, children, {
      name: `agent-${number}`,
      args: () => [
        ...flagsOf(config, "agent", { resources: resources(number) }, credentials.agent(number)),
      ],
    }),
  );
  const [led, joined] = await Promise.all([Promise.all(masters), Promise.all(agents)]);
  for (const [index, ready] of led.entries()) ports[index] = Number(ready["port"]);
  const unenforced = joined.map((ready) => String(ready["unenforced"] ?? ""));
  return { ports, unenforced: unenforced.find((why) => why !== "") ?? "" };
}

/** Whoever may ask one master may ask them all: which of them leads changes. */
async function shareTokens(root: string, masters: number): Promise<void> {
  const first = join(root, masterFolder(1));
  await makeFolder(first);
  const tokens = await openTokens(first);
  for (let number = 2; number <= masters; number += 1) {
    const dir = join(root, masterFolder(number));
    await makeFolder(dir);
    await writeTokens(dir, tokens);
  }
}

interface Part {
  readonly name: string;
  /** Before those that this process itself was started with, which therefore count more. */
  readonly nodeFlags?: readonly string[];
  args(): readonly string[];
}

/** Starts one process; resolves when it says that it can be used for the first time. */
function startPart({ data, program, tell }: PartsOptions, children: Child[], part: Part) {
  const logFile = join(data.logs, `${part.name}.log`);
  return new Promise<Ready>((resolve, reject) => {
    let isReady = false;
    const late = setTimeout(() => {
      reject(new Error(`${part.name} did not start within ${READY_MS_MAX} ms; see ${logFile}`));
    }, READY_MS_MAX);
    const child = startChild({
      name: part.name,
      args: () => [...(part.nodeFlags ?? []), ...program, ...part.args(), "--data", data.root],
      env: process.env,
      logFile,
      onStart(pid) {
        data.recordChild(part.name, pid).catch((error: Error) => {
          tell(`the record of ${part.name} could not be written: ${error.message}`);
        });
      },
      onReady(ready) {
        clearTimeout(late);
        if (isReady) tell(`${part.name} is back`);
        isReady = true;
        resolve(ready);
      },
      onDeath(why, restart) {
        if (!isReady) {
          // What it cannot do at its first start it will not be able to do a moment later.
          clearTimeout(late);
          return reject(new Error(`${part.name} did not start: ${lastWords(logFile) ?? why}`));
        }
        const see = restart.isRare ? ` (see ${logFile})` : "";
        tell(`${part.name} ${why}${see}; ${restartText(restart)}`);
      },
    });
    children.push(child);
  });
}

/** What a process said of its own end, without what the logger wrote. */
function lastWords(logFile: string): string | undefined {
  const lines = readFileSync(logFile, "utf8").split("\n");
  const said = lines.findLast((line) => line.startsWith("meseta: "));
  return said?.slice("meseta: ".length);
}

/** All settings that the role reads, as they were resolved here, so that nothing else counts. */
function flagsOf(
  config: Config,
  role: "master" | "agent",
  own: Partial<Record<SettingName, string>>,
  credential: string,
): string[] {
  const flags = [role, "--credential", credential];
  for (const name of SETTING_NAMES) {
    const setting: Setting = SETTINGS[name];
    if (!setting.for.includes(role) || OWN_OF_UP.has(name)) continue;
    const value = own[name] ?? config.text(name);
    if (value === undefined) continue;
    if (setting.kind !== "boolean") flags.push(`--${name}`, value);
    else if (value === "true") flags.push(`--${name}`);
  }
  return flags;
}

/** Settings that `up` gives its children in its own way. */
const OWN_OF_UP: ReadonlySet<SettingName> = new Set<SettingName>([
  "data",
  "credential",
  "principal",
  "work-dir",
  "cluster",
  "join",
  "join-file",
]);

/** Agents first, with their tasks, while the master can still hear how those ended. */
async function endProcesses(children: readonly Child[], { data, tell }: PartsOptions) {
  const agents = children.filter(({ name }) => name.startsWith("agent-"));
  await Promise.all(
    agents.map(async (child) => {
      const well = await child.end("SIGUSR2", AGENT_END_MS);
      if (well) return;
      const logger = pinoLogger({ level: "warn", to: join(data.logs, `${child.name}.log`) });
      const ended = await endLeftNode(join(data.root, child.name), logger);
      if (ended > 0) tell(`ended ${ended} containers that ${child.name} had left`);
    }),
  );
  await Promise.all(
    children
      .filter(({ name }) => name.startsWith("master"))
      .map((c) => c.end("SIGTERM", MASTER_END_MS)),
  );
}

/** Master and agents within this process: no broker, nobody else can join. */
export async function startTogether({ config, data, tell }: PartsOptions): Promise<Parts> {
  const cluster = clusterOf(config);
  const level = config.need("log-level") as LogLevel;
  const logger = pinoLogger({ level, to: join(data.logs, "up.log") });
  const connections = localConnections({
    cluster,
    clock: systemClock(),
    logDir: join(data.masterDir, "log"),
    warn: (sentence) => logger.log("warn", sentence),
  });
  let breakDown: (why: string) => void = () => undefined;
  const broken = new Promise<string>((resolve) => {
    breakDown = resolve;
  });
  const master = await startMaster({
    cluster,
    identities: masterProcessIdentities(),
    connections,
    logger: logger.child({ role: "master" }),
    dir: data.masterDir,
    host: config.need("host"),
    ports: await portsToTry(data.masterDir, config.integer("port")),
    insecure: config.boolean("insecure"),
    alone: true,
    ...masterTimes(config),
    ...recordIn(config, data.root),
    warnings: () => [],
    onGiveUp: breakDown,
  });
  const agents: AgentProcess[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(agents.map((agent) => agent.end()));
    await master.stop();
  };
  try {
    const resources = agentResources(config, data);
    for (const number of numbersOf(config)) {
      const workDir = data.agentDir(number);
      await mkdir(workDir, { recursive: true, mode: 0o700 });
      agents.push(
        await startAgent({
          cluster,
          identity: agentIdentity(number),
          connections,
          logger: logger.child({ role: `agent-${number}` }),
          workDir,
          resources: resources(number),
          reserve: "",
          attributes: config.need("attributes"),
          ...agentLimits(config, data.root),
          ...recordIn(config, data.root),
          onGiveUp: breakDown,
        }),
      );
    }
    await withinTime(Promise.all([master.ready, ...agents.map((one) => one.registered)]));
  } catch (error) {
    await end();
    throw error;
  }
  tell("master and agents run in this process; frameworks of your own cannot connect");
  return {
    server: `http://${hostForUrl(master.host)}:${master.port}`,
    token: master.token,
    broker: "none: the bus is within this process",
    unenforced: agents[0]?.facts.unenforcedBecause ?? "",
    frameworkCredential: undefined,
    broken,
    end,
  };
}

function withinTime<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error(`the cluster did not start within ${READY_MS_MAX} ms`));
    }, READY_MS_MAX);
    promise.then(resolve, reject).finally(() => clearTimeout(late));
  });
}

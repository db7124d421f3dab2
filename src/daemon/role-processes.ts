/**
 * What `meseta master` and `meseta agent` run: one role of the cluster in a process of its own,
 * from settings and a credential file to the signal that ends it.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makeFolder, pinoLogger, systemClock, writeFileDurably } from "#adapters";
import type { Placement, Sorter } from "#allocator";
import type { Config } from "#config";
import { asId, type LogLevel } from "#protocol";
import type { Logger } from "#runtime";
import { startAgent } from "./agent.ts";
import { outliveParent, sayReady } from "./children.ts";
import { brokerConnections, type Connections } from "./connections.ts";
import { type CredentialFile, entryOf, readCredentialFile } from "#adapters";
import { dataDirOf, masterFolder } from "./data-dir.ts";
import { boundSettings } from "./bound-settings.ts";
import { insideSettings } from "./inside-settings.ts";
import { joinCluster, joinedCredential, joinLineOf, keepRenewed } from "./join.ts";
import { type MasterIdentities, startMaster } from "./master.ts";
import { type RecorderSettings, recorderSettings } from "./recorder.ts";
import { catchSignals } from "./signals.ts";

const STANDARD_ERROR = 2;
const PORT_FILE = "port";

/** What was set besides the table of settings: how to speak to the person who started it. */
export interface RoleTold {
  tell(sentence: string): void;
}

function loggerOf(config: Config, role: string): Logger {
  const level = config.need("log-level") as LogLevel;
  return pinoLogger({ level, to: STANDARD_ERROR, fields: { role } });
}

interface Joined {
  readonly file: CredentialFile;
  connections(logDir?: string): Connections;
}

/** @throws Error in one sentence when no credential is named or it cannot be used. */
function joinBy(config: Config, path = config.text("credential")): Joined {
  if (path === undefined) {
    throw new Error(
      "--credential is needed: a file from the credentials folder of the cluster's data " +
        "directory, or made with meseta credential create; an agent may --join instead",
    );
  }
  const file = readCredentialFile(resolve(path));
  const named = config.text("nats")?.split(",");
  return {
    file,
    connections: (logDir) =>
      brokerConnections(resolve(path), file, {
        clock: systemClock(),
        ...(named === undefined ? {} : { servers: named }),
        ...(logDir === undefined ? {} : { logDir, replicas: Number(config.need("log-replicas")) }),
      }),
  };
}

/** The identities of a master's credential file. */
export function masterIdentities(file: CredentialFile): MasterIdentities {
  return {
    master: entryOf(file, "master").identity,
    operator: entryOf(file, "operator").identity,
    framework: entryOf(file, "framework").identity,
  };
}

/** `up` numbers its masters; one that has another name has a folder of that name. */
function folderOf(masterId: string): string {
  const number = /^master-(\d+)$/.exec(masterId)?.[1];
  return number === undefined ? masterId : masterFolder(Number(number));
}

/** @returns the exit code. */
export async function runMaster(config: Config, { tell }: RoleTold): Promise<number> {
  outliveParent();
  const signals = catchSignals(["SIGTERM", "SIGINT"]);
  const { file, connections } = joinBy(config);
  const identities = masterIdentities(file);
  const root = dataDirOf(config.text("data"), file.cluster, process.env);
  const dir = join(root, folderOf(identities.master.masterId));
  const logger = loggerOf(config, "master");
  const gaveUp = givingUp();
  const master = await startMaster({
    cluster: file.cluster,
    identities,
    connections: connections(join(dir, "log")),
    logger,
    dir,
    host: config.need("host"),
    ports: await portsToTry(dir, config.integer("port")),
    insecure: config.boolean("insecure"),
    alone: config.integer("masters") === 1,
    ...masterTimes(config),
    ...recordIn(config, join(dir, "..")),
    warnings: () => [],
    onGiveUp: gaveUp.say,
  });
  tell(`master ${file.cluster} listens on http://${master.host}:${master.port}`);
  await writeFileDurably(join(dir, PORT_FILE), `${master.port}\n`, { mode: 0o600 });
  void master.ready.then(() => sayReady({ port: master.port }));
  const why = await Promise.race([signals.first, gaveUp.said]);
  signals.onAgain((signal) => process.exit(signal === "SIGINT" ? 130 : 143));
  if (why.startsWith("SIG")) await master.stop();
  return why.startsWith("SIG") ? 0 : 1;
}

/** Where no port is wanted: the one of the last time, so that contexts stay good, else any. */
export async function portsToTry(dir: string, wanted: number): Promise<number[]> {
  if (wanted !== 0) return [wanted];
  const last = Number(await readFile(join(dir, PORT_FILE), "utf8").catch(() => "0"));
  return Number.isInteger(last) && last > 0 && last < 65_536 ? [last, 0] : [0];
}

/** What a master is told of how it offers and how long it waits. */
export function masterTimes(config: Config) {
  return {
    placement: config.need("placement") as Placement,
    roleSorter: config.need("role-sorter") as Sorter,
    frameworkSorter: config.need("framework-sorter") as Sorter,
    reclaimNoticeMs: config.durationMs("reclaim-notice"),
    offerTimeoutMs: config.durationMs("offer-timeout"),
    allocationIntervalMs: config.durationMs("allocation-interval"),
    agentPingMs: config.durationMs("agent-ping-timeout"),
    agentReturnMs: config.durationMs("agent-reregister-timeout"),
  };
}

/** What `startMaster` and `startAgent` are told of recordings. @throws Error as its settings do. */
export function recordIn(config: Config, dataDir: string): { readonly record?: RecorderSettings } {
  const record = recorderSettings(config, dataDir);
  return record === undefined ? {} : { record };
}

/** Settings of an agent that are not its own resources and directories. */
export function agentLimits(config: Config, dataDir: string) {
  return {
    inside: insideSettings(config, dataDir),
    bounds: boundSettings(config),
    gcDelayMs: config.durationMs("gc-delay"),
    logFileBytes: config.bytes("log-file-size"),
    logFileCount: config.integer("log-file-count"),
    pidsLimit: config.integer("pids-limit"),
    swapLimitBytes: config.bytes("swap-limit"),
    taskDevices: (config.text("task-devices") ?? "")
      .split(",")
      .map((path) => path.trim())
      .filter((path) => path !== ""),
  };
}

/**
 * SIGUSR2 ends the tasks too, as SIGUSR1 does in Mesos; that one is Node's own, for its debugger.
 * @returns the exit code.
 */
export async function runAgent(config: Config, { tell }: RoleTold): Promise<number> {
  outliveParent();
  const signals = catchSignals(["SIGTERM", "SIGINT", "SIGUSR2"]);
  const joined = await joinedAs(config, tell);
  const { file, connections } = joinBy(config, joined);
  const { identity } = entryOf(file, "agent");
  const named = config.text("work-dir");
  const data = dataDirOf(config.text("data"), file.cluster, process.env);
  const workDir = named === undefined ? join(data, identity.principal) : resolve(named);
  await makeFolder(workDir);
  const gaveUp = givingUp();
  const agent = await startAgent({
    cluster: file.cluster,
    identity,
    connections: connections(),
    logger: loggerOf(config, identity.principal),
    workDir,
    resources: config.text("resources"),
    reserve: config.need("reserve"),
    attributes: config.need("attributes"),
    ...agentLimits(config, data),
    ...recordIn(config, data),
    onGiveUp: gaveUp.say,
  });
  const renewal =
    joined === undefined ? undefined : keepRenewed(joined, (who) => connections().bus(who), tell);
  tell(`agent ${agent.agentId} works in ${workDir}`);
  void agent.registered.then(() => {
    tell(`agent ${agent.agentId} is registered`);
    sayReady({ agentId: agent.agentId, unenforced: agent.facts.unenforcedBecause ?? "" });
  });
  const why = await Promise.race([signals.first, gaveUp.said]);
  renewal?.stop();
  if (why === "SIGUSR2") await agent.end();
  else if (why.startsWith("SIG")) await agent.stop();
  return why.startsWith("SIG") ? 0 : 1;
}

/** The credential by which this machine joined, now or before; none where another is named. */
async function joinedAs(
  config: Config,
  tell: (sentence: string) => void,
): Promise<string | undefined> {
  const line = joinLineOf(config);
  if (config.text("credential") !== undefined) {
    if (line === undefined) return undefined;
    throw new Error("--join and --credential exclude each other: choose one");
  }
  if (line !== undefined) return await joinCluster(line, config, tell);
  return joinedCredential(dataDirOf(config.text("data"), clusterOf(config), process.env));
}

/** A fault that ends the process: whoever watches it starts another. */
export function givingUp(): { readonly said: Promise<string>; say(why: string): void } {
  let say: (why: string) => void = () => undefined;
  const said = new Promise<string>((resolve) => {
    say = resolve;
  });
  return { said, say: (why) => say(why) };
}

/** The data directory of the cluster. @throws Error in one sentence when its keys are not there. */
export function trustedDirOf(config: Config, dataOfContext: string | undefined): string {
  const root = dataDirOf(config.text("data") ?? dataOfContext, clusterOf(config), process.env);
  if (existsSync(join(root, "trust"))) return root;
  throw new Error(`${root} holds no trust of a cluster; name its data directory with --data`);
}

/** The name of a cluster from the settings. @throws Error what is wrong with it. */
export function clusterOf(config: Config) {
  return asId<CredentialFile["cluster"]>(config.need("cluster"));
}

/**
 * The cluster that the upgrade is tried on: a broker of the older build, and masters and agents as processes of whichever build
 * they are started with, each in a folder that it keeps. It ends what it started, tasks included.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

type Daemon = typeof import("#daemon");
type Adapters = typeof import("#adapters");
type Identity = Parameters<Awaited<ReturnType<Daemon["openTrust"]>>["issue"]>[0];

const CLUSTER = "upgrade";
const POLL_MS = 10;
/** Of a machine that has much else to do. */
const READY_MS_MAX = 60_000;
const END_MS_MAX = 60_000;

/** A floor of a build that need not be this one. */
function floorOf<Floor>(build: string, name: string): Promise<Floor> {
  return import(pathToFileURL(join(build, "dist/src", name, "index.js")).href) as Promise<Floor>;
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  limitMs = READY_MS_MAX,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) {
      throw new Error(`${typeof what === "string" ? what : what()}: not within ${limitMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A master or an agent: the same folder and credential, whichever build runs it. */
export class Part {
  readonly name: string;
  readonly logFile: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #saidAt = 0;

  constructor(name: string, dir: string, args: readonly string[]) {
    this.name = name;
    this.logFile = join(dir, `${name}.log`);
    this.#args = args;
  }

  /** Starts it; what an earlier one said does not count as said by this one. */
  start(build: string): void {
    const log = openSync(this.logFile, "a", 0o600);
    this.#saidAt = readFileSync(this.logFile).length;
    const program = join(build, "bin/meseta.js");
    this.#child = spawn(process.execPath, [program, ...this.#args], {
      stdio: ["ignore", log, log],
      env: environment(),
    });
    closeSync(log);
  }

  get said(): string {
    return readFileSync(this.logFile).subarray(this.#saidAt).toString("utf8");
  }

  async says(pattern: RegExp): Promise<void> {
    await until(
      () => pattern.test(this.said) || this.isOver,
      () => `${this.name} says ${pattern} and not ${this.said.slice(-1_000)}`,
    );
    if (!pattern.test(this.said)) {
      throw new Error(`${this.name} ended without saying ${pattern}: ${this.said.slice(-1_000)}`);
    }
  }

  get isOver(): boolean {
    const child = this.#child;
    return child === undefined || child.exitCode !== null || child.signalCode !== null;
  }

  get exitCode(): number | null | undefined {
    return this.#child?.exitCode;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.isOver) return;
    this.#child?.kill(signal);
    try {
      await until(() => this.isOver, `${this.name} ends`, END_MS_MAX);
    } catch (error) {
      this.#child?.kill("SIGKILL");
      throw error;
    }
  }
}

/** Nothing of whoever started this counts for the cluster. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(NODE_|TAP|_TAP|npm_|MESETA_)/.test(name) || name === "MESETA_NATS_SERVER",
  );
  return Object.fromEntries(kept);
}

export interface UpgradeCluster {
  readonly masters: readonly Part[];
  readonly agents: readonly Part[];
  readonly frameworkCredential: string;
  /** The name of the leader; undefined where no master answers for one. */
  leader(): Promise<string | undefined>;
  /** Process ids of all tasks by container. */
  pids(): ReadonlyMap<string, number>;
  workDir(agent: Part): string;
  masterData(master: Part): string;
  end(): Promise<void>;
}

export async function startBrokerOf(
  build: string,
  dir: string,
  counts: { readonly masters: number; readonly agents: number; readonly resources: string },
): Promise<UpgradeCluster> {
  const daemon = await floorOf<Daemon>(build, "daemon");
  const { writeCredentialFile } = await floorOf<Adapters>(build, "adapters");
  const cluster = CLUSTER as Parameters<Daemon["openTrust"]>[0]["cluster"];
  const trust = await daemon.openTrust({ dataDir: dir, cluster, nowMs: () => Date.now() });
  const binary = await daemon.findBroker({
    env: process.env,
    progress: (line) => process.stderr.write(`${line}\n`),
    mayProvision: true,
  });
  const broker = await daemon.startBroker({
    binary,
    dir: join(dir, "broker"),
    trust: trust.broker,
    onEvent: (event) => process.stderr.write(`broker: ${JSON.stringify(event)}\n`),
  });
  const credential = async (name: string, ...identities: unknown[]): Promise<string> => {
    const path = join(dir, `${name}.creds`);
    const entries = (identities as Identity[]).map((identity) => ({
      identity,
      credential: trust.issue(identity),
    }));
    await writeCredentialFile(path, { cluster, servers: [broker.url], entries });
    return path;
  };
  const dataOf = ({ name }: Part): string => join(dir, name);
  const masters: Part[] = [];
  for (let number = 1; number <= counts.masters; number += 1) {
    const name = `m-${number}`;
    const path = await credential(
      name,
      { role: "master", masterId: name },
      { role: "operator", principal: `gateway-${name}` },
      { role: "framework", principal: "run", instance: name },
    );
    const flags = ["--credential", path, "--masters", `${counts.masters}`];
    masters.push(new Part(name, dir, ["master", ...flags, "--data", join(dir, name)]));
  }
  const agents: Part[] = [];
  for (let number = 1; number <= counts.agents; number += 1) {
    const name = `a-${number}`;
    const path = await credential(name, { role: "agent", principal: name });
    const flags = ["--credential", path, "--work-dir", join(dir, name)];
    flags.push("--data", join(dir, `${name}-data`), "--resources", counts.resources);
    agents.push(new Part(name, dir, ["agent", ...flags]));
  }
  const user = { role: "framework", principal: "user", instance: "main" };
  return {
    masters,
    agents,
    frameworkCredential: await credential("framework", user),
    leader: () => leaderOf(masters.map((master) => ({ master, data: dataOf(master) }))),
    pids: () => new Map(agents.flatMap((agent) => [...pidsIn(dataOf(agent))])),
    workDir: dataOf,
    masterData: dataOf,
    async end() {
      // Agents first, with their tasks, while a master can still hear how those ended.
      const ended = await Promise.allSettled(agents.map((agent) => agent.stop("SIGUSR2")));
      ended.push(...(await Promise.allSettled(masters.map((master) => master.stop()))));
      await broker.stop();
      const failed = ended.find((one) => one.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    },
  };
}

/** Whom the masters that run say to lead, where one of them knows. */
async function leaderOf(
  masters: readonly { readonly master: Part; readonly data: string }[],
): Promise<string | undefined> {
  for (const { master, data } of masters) {
    if (master.isOver) continue;
    const address = /listens on (http:\S+)/.exec(master.said)?.[1];
    if (address === undefined) continue;
    const token = readFileSync(join(data, master.name, "token"), "utf8").trim();
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${address}/v1/status`, { headers }).catch(() => undefined);
    if (answer?.ok !== true) continue;
    const { leader } = (await answer.json()) as { leader?: { masterId: string } };
    if (leader !== undefined) return leader.masterId;
  }
  return undefined;
}

/** Empty where the file is not there: the launcher's own folder, a container that ends just now. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function pidsIn(workDir: string): Map<string, number> {
  const run = join(workDir, "run");
  const found = new Map<string, number>();
  for (const entry of readdirSync(run, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const pid = /"pid":(\d+)/.exec(textOf(join(run, entry.name, "pid")))?.[1];
    if (pid !== undefined) found.set(entry.name, Number(pid));
  }
  return found;
}

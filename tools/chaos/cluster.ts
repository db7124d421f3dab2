/**
 * The cluster of a run: brokers that hold the log together, masters, agents and frameworks, each a
 * process in a place of its own on the net with a disk of its own, and wires to all brokers.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Identity } from "#access";
import { writeCredentialFile } from "#adapters";
import { brokerConfigText, type BrokerBinary, openTrust, type Trust } from "#daemon";
import { asId, type ClusterId, subjectsOf } from "#protocol";
import { SmallDisk } from "./disk.ts";
import { HUB_ADDRESS, Network, type Place } from "./network.ts";
import type { ChaosNode, Kind } from "./node.ts";
import { KeptProcess } from "./process.ts";
import type { TraceFile } from "./trace.ts";
import { openWire, type Passed, type Wire } from "./wire.ts";

export const COUNTS: Readonly<Record<Kind, number>> = {
  broker: 3,
  master: 3,
  agent: 10,
  framework: 4,
};
export const CLUSTER = "chaos" as ClusterId;
const DISK_MIB: Readonly<Record<Kind, number>> = {
  broker: 96,
  master: 32,
  agent: 48,
  framework: 32,
};
/** Where brokers stand on the net; the others come behind them. */
const FIRST: Readonly<Record<Kind, number>> = { broker: 1, master: 11, agent: 21, framework: 41 };
const CLIENT_PORT = 4222;
const ROUTE_PORT = 6222;
const STORE_BYTES_MAX = 64 * 1024 * 1024;
/** So that agents that are away for some faults' length are given up, and come back. */
const AGENT_PING = "3s";
const AGENT_RETURN = "60s";
const RESOURCES = "cpus:4;mem:4096";
const MESETA = fileURLToPath(new URL("../../../bin/meseta.js", import.meta.url));
const FRAMEWORK = fileURLToPath(new URL("./framework.js", import.meta.url));

export interface ClusterOptions {
  /** Of the run; disks, credentials and logs of processes go below it. */
  readonly dir: string;
  readonly binary: BrokerBinary;
  readonly env: NodeJS.ProcessEnv;
  readonly trace: TraceFile;
  /** Each message that a process says or hears. */
  passed(node: string, message: Passed): void;
}

export class ChaosCluster {
  readonly #options: ClusterOptions;
  readonly #network = new Network();
  readonly nodes: ChaosNode[] = [];
  readonly #wires: Wire[] = [];
  readonly trust: Trust;
  readonly finishFile: string;

  private constructor(options: ClusterOptions, trust: Trust) {
    this.#options = options;
    this.trust = trust;
    this.finishFile = join(options.dir, "finish");
  }

  static async make(options: ClusterOptions): Promise<ChaosCluster> {
    const { dir } = options;
    mkdirSync(join(dir, "logs"), { recursive: true });
    mkdirSync(join(dir, "credentials"), { recursive: true });
    const trust = await openTrust({ dataDir: dir, cluster: CLUSTER, nowMs: () => Date.now() });
    const made = new ChaosCluster(options, trust);
    const secret = randomBytes(16).toString("hex");
    for (let number = 1; number <= COUNTS.broker; number += 1) made.#makeBroker(number, secret);
    for (const kind of ["master", "agent", "framework"] as const) {
      for (let number = 1; number <= COUNTS[kind]; number += 1)
        await made.#makeClient(kind, number);
    }
    return made;
  }

  of(kind: Kind): ChaosNode[] {
    return this.nodes.filter((node) => node.kind === kind);
  }

  /** Where the brokers listen, for who stands beside the processes. */
  get servers(): string[] {
    return this.of("broker").map(({ place }) => `nats://${place.address}:${CLIENT_PORT}`);
  }

  /** No more tasks are launched, and those that run are to end. */
  finish(): void {
    writeFileSync(this.finishFile, "");
  }

  journalOf({ disk }: ChaosNode): string {
    return join(disk.dir, "journal");
  }

  workDirOf({ disk }: ChaosNode): string {
    return join(disk.dir, "work");
  }

  agentIds(): string[] {
    return this.of("agent").flatMap((node) => {
      const dir = this.workDirOf(node);
      if (!readdirSync(node.disk.dir).includes("work")) return [];
      if (!readdirSync(dir).includes("agent-id")) return [];
      return [readFileSync(join(dir, "agent-id"), "utf8").trim()];
    });
  }

  #makeBroker(number: number, secret: string): void {
    const { binary } = this.#options;
    const name = `broker-${number}`;
    const place = this.#network.place(name, FIRST.broker + number - 1);
    const disk = this.#disk("broker", name);
    const config = join(disk.dir, "nats-server.conf");
    const addresses = Array.from({ length: COUNTS.broker }, (_, index) =>
      this.#addressOf("broker", index + 1),
    );
    writeFileSync(
      config,
      brokerConfigText({
        serverName: name,
        host: place.address,
        port: CLIENT_PORT,
        storeDir: join(disk.dir, "streams"),
        logFile: join(this.#options.dir, "logs", `${name}.nats.log`),
        storeBytesMax: STORE_BYTES_MAX,
        trust: this.trust.broker,
        cluster: {
          secret,
          port: ROUTE_PORT,
          members: addresses.map((address) => `${address}:${ROUTE_PORT}`),
        },
      }),
      { mode: 0o600 },
    );
    this.#add("broker", name, place, disk, [binary.path, "--config", config]);
  }

  #addressOf(kind: Kind, number: number): string {
    return `10.77.1.${FIRST[kind] + number - 1}`;
  }

  #disk(kind: Kind, name: string): SmallDisk {
    return new SmallDisk(join(this.#options.dir, "disks", name), DISK_MIB[kind]);
  }

  async #makeClient(kind: Exclude<Kind, "broker">, number: number): Promise<void> {
    const name = `${kind}-${number}`;
    const place = this.#network.place(name, FIRST[kind] + number - 1);
    const disk = this.#disk(kind, name);
    const credential = join(this.#options.dir, "credentials", `${name}.creds`);
    const entries = identitiesOf(kind, name).map((identity) => ({
      identity,
      credential: this.trust.issue(identity),
    }));
    const servers = await this.#wiresOf(name, FIRST[kind] + number - 1);
    await writeCredentialFile(credential, { cluster: CLUSTER, servers, entries });
    this.#add(kind, name, place, disk, [
      process.execPath,
      ...this.#argsOf(kind, name, disk, credential),
    ]);
  }

  #argsOf(kind: Kind, name: string, disk: SmallDisk, credential: string): string[] {
    switch (kind) {
      case "master": {
        const times = [
          "--agent-ping-timeout",
          AGENT_PING,
          "--agent-reregister-timeout",
          AGENT_RETURN,
        ];
        const several = ["--masters", String(COUNTS.master), "--log-replicas", "3"];
        return [
          MESETA,
          "master",
          "--credential",
          credential,
          "--data",
          disk.dir,
          ...several,
          ...times,
        ];
      }
      case "agent": {
        const where = ["--work-dir", join(disk.dir, "work"), "--data", disk.dir];
        return [MESETA, "agent", "--credential", credential, ...where, "--resources", RESOURCES];
      }
      default: {
        const files = ["--journal", join(disk.dir, "journal"), "--finish", this.finishFile];
        return [FRAMEWORK, "--credential", credential, "--name", name, ...files];
      }
    }
  }

  /** A wire to each broker. @returns where the process dials. */
  async #wiresOf(name: string, number: number): Promise<string[]> {
    const servers: string[] = [];
    for (let index = 1; index <= COUNTS.broker; index += 1) {
      const port = 10_000 + number * 10 + index;
      const broker = { host: this.#addressOf("broker", index), port: CLIENT_PORT };
      const passed = (message: Passed): void => this.#options.passed(name, message);
      const dialled = (link: number): void =>
        this.#options.trace.write({ what: "dial", atMs: Date.now(), node: name, link });
      this.#wires.push(await openWire({ host: HUB_ADDRESS, port, broker, dialled, passed }));
      servers.push(`nats://${HUB_ADDRESS}:${port}`);
    }
    return servers;
  }

  #add(kind: Kind, name: string, place: Place, disk: SmallDisk, command: string[]): void {
    const { dir, env, trace } = this.#options;
    const kept = new KeptProcess({
      name,
      command: [...place.enter, ...command],
      env,
      dir: disk.dir,
      logFile: join(dir, "logs", `${name}.log`),
      started: (life) => trace.write({ what: "start", atMs: Date.now(), node: name, life }),
      ended: (why, byItself) =>
        trace.write({ what: "end", atMs: Date.now(), node: name, why, byItself }),
    });
    this.nodes.push({ kind, name, place, disk, process: kept });
  }

  start(): void {
    for (const { process: kept } of this.nodes) kept.start();
  }

  /**
   * Ends all processes in order: those that say things first, brokers last; agents take what runs
   * with them. @returns who had to be killed.
   */
  async end(): Promise<string[]> {
    const killed: string[] = [];
    const endAll = async (kind: Kind, signal: "SIGTERM" | "SIGUSR2"): Promise<void> => {
      await Promise.all(
        this.of(kind).map(async (node) => {
          if (!(await node.process.end(signal))) killed.push(node.name);
        }),
      );
    };
    await endAll("framework", "SIGTERM");
    await endAll("agent", "SIGUSR2");
    await endAll("master", "SIGTERM");
    await endAll("broker", "SIGTERM");
    return killed;
  }

  /** Takes away what it has put on the machine. @returns what would not go. */
  async clear(): Promise<readonly string[]> {
    for (const { process: kept } of this.nodes) await kept.kill();
    for (const wire of this.#wires.splice(0)) await wire.close();
    const left: string[] = [];
    for (const { disk, name } of this.nodes) {
      try {
        disk.remove();
      } catch (error) {
        left.push(`the disk of ${name}: ${(error as Error).message.trim()}`);
      }
    }
    return [...left, ...this.#network.remove()];
  }
}

/** Everybody in a process of that kind. */
function identitiesOf(kind: Exclude<Kind, "broker">, name: string): Identity[] {
  switch (kind) {
    case "master":
      return [
        { role: "master", masterId: asId(name) },
        { role: "operator", principal: asId(`gateway-${name}`) },
        { role: "framework", principal: asId("run"), instance: asId(name) },
      ];
    case "agent":
      return [{ role: "agent", principal: asId(name) }];
    case "framework":
      return [{ role: "framework", principal: asId(name), instance: asId("main") }];
  }
}

export const SUBJECTS = subjectsOf(CLUSTER);

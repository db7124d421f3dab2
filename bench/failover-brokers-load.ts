/**
 * The worst moment for a failover: the leader is killed together with the broker that leads the
 * stream of the log. Three brokers hold it; masters and agents are processes that dial all three.
 * Between two times everything is started again and the cluster is whole.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Identity } from "#access";
import { logStreamOf, writeCredentialFile } from "#adapters";
import { asId } from "#protocol";
import type { Bus } from "#runtime";
import { startTestBrokers, type TestBroker, type TestBrokers } from "../test/support/broker.ts";
import { cleanEnvironment, Command } from "../test/support/cluster.ts";
import { until, within } from "../test/support/until.ts";
import { type Masters, Sleepers, STEP_MS_MAX, whole } from "./failover-framework-load.ts";

const BROKERS = 3;
const ASK_MS = 5_000;
const ASKS_MAX = 20;
const READER: Identity = { role: "master", masterId: asId("reader") };

export interface BrokerFailoverOptions {
  readonly masters: number;
  readonly agents: number;
  readonly tasks: number;
  readonly both: number;
}

/** Masters and agents of one run, each with its credential, over all brokers. */
class Processes implements Masters {
  readonly #dir = mkdtempSync(join(tmpdir(), "meseta-bench-failover-"));
  readonly #brokers: TestBrokers;
  readonly #masters = new Map<string, Command>();
  readonly #agents: Command[] = [];

  constructor(brokers: TestBrokers) {
    this.#brokers = brokers;
    mkdirSync(join(this.#dir, "credentials"));
  }

  async credential(name: string, identities: readonly Identity[]): Promise<string> {
    const path = join(this.#dir, "credentials", `${name}.creds`);
    const [first] = this.#brokers.brokers;
    if (first === undefined) throw new Error("there is no broker");
    const { trust } = first;
    await writeCredentialFile(path, {
      cluster: trust.cluster,
      servers: this.#brokers.brokers.map(({ broker }) => broker.url),
      entries: identities.map((identity) => ({ identity, credential: trust.issue(identity) })),
    });
    return path;
  }

  #start(args: readonly string[]): Command {
    return new Command(args, { cwd: this.#dir, env: cleanEnvironment() });
  }

  /** Starts it, or starts it again. */
  async master(name: string): Promise<void> {
    const credential = await this.credential(name, [
      { role: "master", masterId: asId(name) },
      { role: "operator", principal: asId(`gateway-${name}`) },
      { role: "framework", principal: asId("run"), instance: asId(name) },
    ]);
    const several = ["--masters", "3", "--log-replicas", String(BROKERS)];
    const where = ["--credential", credential, "--data", join(this.#dir, name)];
    const command = this.#start(["master", ...where, ...several]);
    this.#masters.set(name, command);
    await command.says(/listens on/, STEP_MS_MAX);
  }

  async agent(name: string, resources: string): Promise<void> {
    const credential = await this.credential(name, [{ role: "agent", principal: asId(name) }]);
    const where = ["--credential", credential, "--work-dir", join(this.#dir, name)];
    this.#agents.push(this.#start(["agent", ...where, "--resources", resources]));
  }

  async doors(): Promise<readonly { readonly server: string; readonly token: string }[]> {
    return [...this.#masters].flatMap(([name, { stdout, stderr }]) => {
      const server = /listens on (\S+)/.exec(`${stdout}${stderr}`)?.[1];
      if (server === undefined) return [];
      // A master that is numbered has a folder of that name, but the first: `master`.
      const folder = name === "master-1" ? "master" : name;
      const token = readFileSync(join(this.#dir, name, folder, "token"), "utf8").trim();
      return [{ server, token }];
    });
  }

  async areUp(): Promise<boolean> {
    return [...this.#masters.values()].every(({ isOver }) => !isOver);
  }

  async kill(name: string): Promise<void> {
    const command = this.#masters.get(name);
    if (command === undefined) throw new Error(`there is no ${name}`);
    command.signal("SIGKILL");
    await command.ended;
  }

  /** Agents take their tasks with them. */
  async stop(): Promise<void> {
    for (const agent of this.#agents) agent.signal("SIGUSR2");
    for (const agent of this.#agents) await agent.end();
    for (const master of this.#masters.values()) master.signal("SIGTERM");
    for (const master of this.#masters.values()) await master.end();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

export async function measureBrokerFailover(options: BrokerFailoverOptions) {
  const { masters, agents, tasks, both } = options;
  const brokers = await startTestBrokers(BROKERS);
  const processes = new Processes(brokers);
  try {
    for (let number = 1; number <= masters; number += 1) await processes.master(`master-${number}`);
    const cpus = Math.max(4, Math.ceil(tasks / agents / 25));
    for (let number = 1; number <= agents; number += 1) {
      await processes.agent(`agent-${number}`, `cpus:${cpus};mem:8192`);
    }
    const user: Identity = { role: "framework", principal: asId("user"), instance: asId("main") };
    const sleepers = new Sleepers(await processes.credential("user", [user]), tasks);
    await until(() => sleepers.running.size === tasks, "all tasks run", 2 * STEP_MS_MAX);
    const bothMs: number[] = [];
    for (let turn = 0; turn < both; turn++) {
      const { epoch, masterId } = await whole(processes, options);
      const broker = await streamLeader(brokers);
      const offer = sleepers.offerBeyond(epoch);
      const beganMs = performance.now();
      const dead = [broker.kill(), processes.kill(masterId)];
      bothMs.push((await within(offer, "an offer", STEP_MS_MAX)) - beganMs);
      await Promise.all(dead);
      await broker.back();
      await processes.master(masterId);
    }
    await whole(processes, options);
    const ended = sleepers.ended.size;
    await sleepers.driver.end();
    return { bothMs, ended };
  } finally {
    await processes.stop();
    await brokers.stop();
  }
}

/** The broker that leads the stream of the log, by the word of whichever is asked. */
async function streamLeader({ brokers }: TestBrokers): Promise<TestBroker> {
  for (let turn = 0; turn < ASKS_MAX; turn++) {
    const asked = brokers[turn % brokers.length];
    if (asked === undefined) continue;
    const bus = await asked.connect(READER);
    const { log, cluster } = asked.subjects;
    const { name: stream } = logStreamOf(cluster, log, BROKERS);
    const leader = await ask(bus, `$JS.API.STREAM.INFO.${stream}`);
    await new Promise<void>((done) => bus.close(done));
    const found = brokers[Number(leader?.slice("broker-".length)) - 1];
    if (found !== undefined) return found;
  }
  throw new Error("nobody leads the stream of the log");
}

function ask(bus: Bus, subject: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    bus.request(subject, new Uint8Array(0), ASK_MS, (outcome) => {
      if (outcome.kind !== "reply") return resolve(undefined);
      const answer = JSON.parse(Buffer.from(outcome.message.data).toString("utf8"));
      resolve(answer.cluster?.leader);
    });
  });
}

/**
 * Three machines as far as brokers and masters can tell: this one twice, under two sets of ports, and a
 * network of its own. Started as an operator starts them, without `meseta up`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CallOptions, type OutputOf, readAnswer, requestOf, type RouteName } from "#api";
import { endLeftBroker, findBroker } from "#daemon";
import { untilAnswer } from "../support/answers.ts";
import { Bench, type Command, type Ended } from "../support/cluster.ts";
import { NetSpace } from "../support/net-space.ts";

export const CLUSTER = "prod";
const NUMBERS = [1, 2, 3] as const;
export type Number3 = (typeof NUMBERS)[number];
/** A broker that was left out by the others is started again within this. */
const FORMED_MS_MAX = 60_000;

export interface Master {
  readonly name: string;
  readonly command: Command;
  readonly url: string;
  readonly token: string;
}

export class Machines {
  readonly bench: Bench;
  readonly #space: NetSpace;
  readonly brokers = new Map<Number3, Command>();
  readonly masters = new Map<Number3, Master>();
  /** In the order in which they are ended, with the signal that does it. */
  readonly #others: (readonly [Command, NodeJS.Signals])[] = [];

  private constructor(bench: Bench, space: NetSpace) {
    this.bench = bench;
    this.#space = space;
  }

  static async make(): Promise<Machines> {
    // Fetched once where there is none, and not by three at once.
    await findBroker({ env: process.env, progress: () => undefined, mayProvision: true });
    return new Machines(await Bench.make(), new NetSpace());
  }

  get members(): string {
    const { here, there } = this.#space;
    return `b1=${here},b2=${here}:4223/${here}:6223,b3=${there}`;
  }

  get servers(): string[] {
    const { here, there } = this.#space;
    return [`tls://${here}:4222`, `tls://${here}:4223`, `tls://${there}:4222`];
  }

  dataOf(number: Number3): string {
    return join(this.bench.dir, `machine-${number}`);
  }

  file(name: string): string {
    return join(this.bench.dir, `${name}.file`);
  }

  /** On the machine that has the keys. */
  operator(...args: string[]): Promise<Ended> {
    return this.bench.meseta([...args, "--data", this.bench.data, "--cluster", CLUSTER]);
  }

  /** @throws Error when it cannot be made. */
  async credential(role: string, name: string, ...more: string[]): Promise<string> {
    const out = this.file(name);
    const made = await this.operator("credential", "create", role, name, "--out", out, ...more);
    if (made.exit !== 0) throw new Error(`${role} ${name}: ${made.stderr}`);
    return out;
  }

  async credentials(): Promise<void> {
    await this.credential("broker", "b1", "--members", this.members);
    const names = NUMBERS.map((number) => this.credential("master", `m${number}`));
    await Promise.all([this.credential("broker", "b2"), this.credential("broker", "b3"), ...names]);
  }

  startBroker(number: Number3): Command {
    const flags = ["--credential", this.file(`b${number}`), "--data", this.dataOf(number)];
    const where = number === 3 ? { prefix: this.#space.prefix } : {};
    const command = this.bench.start(["broker", ...flags], where);
    this.brokers.set(number, command);
    return command;
  }

  async startBrokers(): Promise<void> {
    const started = NUMBERS.map((number) => this.startBroker(number));
    const together = /b1, b2, b3 hold the log together/;
    await Promise.all(started.map((command) => command.says(together, FORMED_MS_MAX)));
  }

  /** Kills the broker and who would start it again, in the same moment. */
  async killBroker(number: Number3): Promise<void> {
    const command = this.brokers.get(number);
    command?.signal("SIGKILL");
    this.killServer(number);
    await command?.ended;
  }

  /** Kills its nats-server alone. */
  killServer(number: Number3): void {
    const text = readFileSync(join(this.brokerDir(number), "process.json"), "utf8");
    process.kill((JSON.parse(text) as { pid: number }).pid, "SIGKILL");
  }

  brokerDir(number: Number3): string {
    return join(this.dataOf(number), "brokers", `b${number}`);
  }

  async startMaster(number: Number3): Promise<void> {
    const name = `m${number}`;
    const data = this.dataOf(number);
    const several = ["--masters", "3", "--log-replicas", "3"];
    const flags = ["--credential", this.file(name), "--data", data, ...several];
    const command = this.bench.start(["master", ...flags]);
    await command.says(/listens on http/, FORMED_MS_MAX);
    const url = /listens on (http\S+)/.exec(command.stderr)?.[1] ?? "";
    const token = readFileSync(join(data, name, "token"), "utf8").trim();
    this.masters.set(number, { name, command, url, token });
  }

  async startMasters(): Promise<void> {
    await Promise.all(NUMBERS.map((number) => this.startMaster(number)));
  }

  /** Ended with the cluster, the last that was started first. */
  start(end: NodeJS.Signals, ...args: string[]): Command {
    const command = this.bench.start(args);
    this.#others.unshift([command, end]);
    return command;
  }

  /** A command of a person, who asks this master. */
  meseta({ url, token }: Master, ...args: string[]): Promise<Ended> {
    return this.bench.meseta(["--server", url, "--token", token, ...args]);
  }

  async call<Name extends RouteName>(
    { url, token }: Master,
    name: Name,
    options: Omit<CallOptions<Name>, "token"> = {},
  ): Promise<OutputOf<Name>> {
    const { target, ...request } = requestOf(name, { ...options, token } as CallOptions<Name>);
    const response = await fetch(`${url}${target}`, request);
    return readAnswer(name, response.status, await response.text());
  }

  /** The number of the master that leads, once it fits, as `master` sees it. */
  async leader(master: Master, fits: (name: string) => boolean = () => true): Promise<Number3> {
    const { leader } = await untilAnswer(
      () => this.call(master, "status"),
      (status) => status.leader !== undefined && fits(status.leader.masterId),
      "somebody leads",
      FORMED_MS_MAX,
    );
    const found = NUMBERS.find((number) => leader?.masterId === `m${number}`);
    if (found === undefined) throw new Error(`${leader?.masterId} is none of ours`);
    return found;
  }

  /** Ends all that runs, in order. @returns the exit codes of the brokers. */
  async stop(): Promise<Ended["exit"][]> {
    const masters = [...this.masters.values()].map(({ command }) => [command, "SIGTERM"] as const);
    const brokers = [...this.brokers.values()].map((command) => [command, "SIGTERM"] as const);
    for (const group of [this.#others, masters, brokers]) {
      for (const [command, signal] of group) if (!command.isOver) command.signal(signal);
      for (const [command] of group) await command.end();
    }
    return await Promise.all(brokers.map(async ([command]) => (await command.ended).exit));
  }

  async clear(): Promise<void> {
    await this.stop();
    for (const number of NUMBERS) await endLeftBroker(this.brokerDir(number));
    await this.bench.clear();
    this.#space.remove();
  }
}

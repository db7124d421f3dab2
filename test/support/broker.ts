/**
 * A real broker for tests, in a folder of its own, with the cluster's real credentials. The
 * program is found as `up` finds it, and fetched once when there is none.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Identity, inboxOf } from "#access";
import { natsBus, type NatsBusOptions, systemClock } from "#adapters";
import { asId, type ClusterId, type Subjects, subjectsOf } from "#protocol";
import type { Bus } from "#runtime";
import {
  type Broker,
  type BrokerEvent,
  findBroker,
  openTrust,
  type StartBroker,
  startBroker,
  type Trust,
} from "#daemon";
import { untilFormed } from "./formation.ts";
import { until } from "./until.ts";

export interface TestBroker {
  readonly broker: Broker;
  readonly dir: string;
  readonly trust: Trust;
  readonly subjects: Subjects;
  readonly events: readonly BrokerEvent[];
  /** Options of a connection as `identity`, for a bus or a log. */
  optionsFor(identity: Identity): NatsBusOptions;
  /** A bus that is connected. */
  connect(identity: Identity): Promise<Bus>;
  /** Kills the child; returns when it is gone. It comes back by itself. */
  kill(): Promise<void>;
  /** Returns when the broker that was killed is back. */
  back(): Promise<void>;
  stop(): Promise<void>;
}

let connections = 0;

export async function startTestBroker(): Promise<TestBroker> {
  const [one] = (await startTestBrokers(1)).brokers;
  if (one === undefined) throw new Error("no broker was started");
  return one;
}

/** Several of one cluster; each is asked and killed by its own `TestBroker`. */
export interface TestBrokers {
  readonly brokers: readonly TestBroker[];
  /** Options of a connection that dials whichever of them is there. */
  optionsFor(identity: Identity, servers?: readonly string[]): NatsBusOptions;
  stop(): Promise<void>;
}

export async function startTestBrokers(count: number): Promise<TestBrokers> {
  const dir = await mkdtemp(join(tmpdir(), "meseta-test-broker-"));
  const binary = await findBroker({
    env: process.env,
    progress: (line) => process.stderr.write(`# ${line}\n`),
    mayProvision: true,
  });
  const cluster: ClusterId = asId("test");
  const trust = await openTrust({ dataDir: dir, cluster, nowMs: () => Date.now() });
  const members = count === 1 ? [] : await membersOf(count);
  const started = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const events: BrokerEvent[] = [];
      const member = members[index];
      const broker = await startBroker({
        binary,
        dir: join(dir, `broker-${index + 1}`),
        trust: trust.broker,
        onEvent: (event) => void events.push(event),
        ...(member === undefined ? {} : { member }),
      });
      return { broker, events };
    }),
  );
  const optionsFor = (
    identity: Identity,
    servers = started.map(({ broker }) => broker.url),
  ): NatsBusOptions => {
    const credential = trust.issue(identity);
    connections += 1;
    return {
      servers,
      credential: () => credential,
      inbox: inboxOf(identity),
      name: identity.role,
      clock: systemClock(),
      nonce: `n${connections}`,
      redialMs: 20,
      redialJitterMs: 5,
    };
  };
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(({ broker }) => broker.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  const brokers = started.map(({ broker, events }) =>
    testBroker({
      broker,
      dir,
      trust,
      events,
      stop,
      optionsFor: (identity) => optionsFor(identity, [broker.url]),
    }),
  );
  if (count > 1) await form(brokers);
  return { brokers, optionsFor, stop };
}

const MASTER: Identity = { role: "master", masterId: asId("forming") };

async function form(brokers: readonly TestBroker[]): Promise<void> {
  const [first] = brokers;
  if (first === undefined) throw new Error("there is no broker");
  const bus = await first.connect(MASTER);
  const again = async (index: number): Promise<void> => {
    await brokers[index]?.kill();
    await brokers[index]?.back();
  };
  await untilFormed({ bus, subject: first.subjects.log, brokers: brokers.length, again });
  await new Promise<void>((done) => bus.close(done));
}

/** Names and ports of the members of a cluster, all free at this moment. */
async function membersOf(count: number): Promise<NonNullable<StartBroker["member"]>[]> {
  const ports = await freePorts(2 * count);
  const routePorts = ports.slice(count);
  const routes = {
    secret: randomBytes(16).toString("hex"),
    members: routePorts.map((port) => `127.0.0.1:${port}`),
  };
  return ports.slice(0, count).map((port, index) => ({
    name: `broker-${index + 1}`,
    port,
    routes: { ...routes, port: routePorts[index] ?? 0 },
  }));
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<Server>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((one) => new Promise((resolve) => one.close(resolve))));
  return ports;
}

type Parts = Pick<TestBroker, "broker" | "dir" | "trust" | "events" | "optionsFor" | "stop">;

function testBroker(parts: Parts): TestBroker {
  const { broker, events, optionsFor, trust } = parts;
  const count = (kind: BrokerEvent["kind"]): number =>
    events.filter((event) => event.kind === kind).length;
  return {
    ...parts,
    subjects: subjectsOf(trust.cluster),
    async connect(identity) {
      const bus = natsBus(optionsFor(identity));
      await until(() => bus.connected, `${identity.role} connects`);
      return bus;
    },
    async kill() {
      const { pid } = broker;
      const deaths = count("died");
      if (pid === undefined) throw new Error("the broker does not run");
      process.kill(pid, "SIGKILL");
      await until(() => count("died") > deaths, "the broker dies");
    },
    async back() {
      await until(() => count("back") === count("died"), "the broker is back");
    },
  };
}

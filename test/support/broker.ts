/**
 * A real broker for tests, in a folder of its own, with the cluster's real credentials. The
 * program is found as `up` finds it, and fetched once when there is none.
 */
import { mkdtemp, rm } from "node:fs/promises";
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
  startBroker,
  type Trust,
} from "#daemon";
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
  const dir = await mkdtemp(join(tmpdir(), "meseta-test-broker-"));
  const binary = await findBroker({
    env: process.env,
    progress: (line) => process.stderr.write(`# ${line}\n`),
    mayProvision: true,
  });
  const cluster: ClusterId = asId("test");
  const trust = await openTrust({ dataDir: dir, cluster, nowMs: () => Date.now() });
  const events: BrokerEvent[] = [];
  const broker = await startBroker({
    binary,
    dir: join(dir, "broker"),
    trust: trust.broker,
    onEvent: (event) => void events.push(event),
  });
  const optionsFor = (identity: Identity): NatsBusOptions => {
    const credential = trust.issue(identity);
    connections += 1;
    return {
      servers: [broker.url],
      credential: () => credential,
      inbox: inboxOf(identity),
      name: identity.role,
      clock: systemClock(),
      nonce: `n${connections}`,
      redialMs: 20,
      redialJitterMs: 5,
    };
  };
  const count = (kind: BrokerEvent["kind"]): number =>
    events.filter((event) => event.kind === kind).length;
  return {
    broker,
    dir,
    trust,
    subjects: subjectsOf(cluster),
    events,
    optionsFor,
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
    async stop() {
      await broker.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

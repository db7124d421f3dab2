/**
 * Logs on streams of real brokers, one stream after the other: what the contract of the log asks
 * of a harness, and brokers that can be killed under it.
 */
import { type JetStreamLogOptions, logStreamOf, openJetStreamLog } from "#adapters";
import type { Bus, Log } from "#runtime";
import { MASTER } from "../contracts/bus.cases.ts";
import type { LogHarness, Lossy } from "../contracts/log.cases.ts";
import type { Broker } from "#daemon";
import { startTestBrokers, type TestBroker, type TestBrokers } from "./broker.ts";
import { startWire, type Wire } from "./cut-wire.ts";
import { until } from "./until.ts";

/** Five hundred syncs on disks that others use too. */
const APPEND_TIMEOUT_MS = 12_000;
/** A lost leader of a stream is replaced after four to nine seconds. */
const ELECTION_MS_MAX = 30_000;
const ASK_MS = 5_000;

export class StreamLogs {
  readonly #replicas: number;
  #brokers: Promise<TestBrokers> | undefined;
  #bus: Promise<Bus> | undefined;
  #wires: Wire[] = [];
  #opened: Log[] = [];
  #streams = 0;

  constructor(replicas: number) {
    this.#replicas = replicas;
  }

  all(): Promise<TestBrokers> {
    this.#brokers ??= startTestBrokers(this.#replicas);
    return this.#brokers;
  }

  async broker(): Promise<Broker> {
    return (await this.#first()).broker;
  }

  async #first(): Promise<TestBroker> {
    const [first] = (await this.all()).brokers;
    if (first === undefined) throw new Error("there is no broker");
    return first;
  }

  /** The stream that a log is opened on now. */
  async stream(): Promise<{ name: string; subject: string; replicas: number }> {
    const { subjects } = await this.#first();
    const { name, subject } = logStreamOf(subjects.cluster, subjects.log, this.#replicas);
    return { name: `${name}-${this.#streams}`, subject, replicas: this.#replicas };
  }

  async open(more: Partial<JetStreamLogOptions> = {}): Promise<Log> {
    const options = (await this.all()).optionsFor(MASTER);
    const stream = await this.stream();
    const log = await openJetStreamLog({
      ...options,
      stream,
      appendTimeoutMs: APPEND_TIMEOUT_MS,
      ...more,
    });
    this.#opened.push(log);
    return log;
  }

  async #openLossy(): Promise<Lossy> {
    const { broker, subjects } = await this.#first();
    const wire = await startWire(broker.url, subjects.log);
    this.#wires.push(wire);
    const log = await this.open({ servers: [wire.url] });
    return { log, suffers: ["append", "answer"], lose: wire.lose };
  }

  /** A harness with a stream of its own, on the one subject that the master may use. */
  async harness(): Promise<LogHarness> {
    this.#streams += 1;
    const open = (): Promise<Log> => this.open();
    return {
      open,
      openMortal: open,
      openLossy: () => this.#openLossy(),
      until: (condition, what) => until(condition, what, ELECTION_MS_MAX),
      settle: async () => {
        const log = this.#opened.at(-1);
        if (log !== undefined) await answers(log);
      },
      crash: () => this.crash(),
    };
  }

  /** Kills the broker that leads the stream, and waits until the logs have found it, or another. */
  async crash(): Promise<void> {
    const leader = await this.#leader();
    await leader.kill();
    await leader.back();
    for (const log of this.#opened) await answers(log);
  }

  async #leader(): Promise<TestBroker> {
    const { brokers } = await this.all();
    const info = await this.#ask(`INFO.${(await this.stream()).name}`);
    const name = (info as { cluster?: { leader?: string } }).cluster?.leader;
    const index = brokers.length === 1 ? 0 : Number(name?.slice("broker-".length)) - 1;
    const leader = brokers[index];
    if (leader === undefined) throw new Error(`nobody leads the stream: ${JSON.stringify(info)}`);
    return leader;
  }

  async #ask(what: string): Promise<unknown> {
    this.#bus ??= this.#first().then((first) => first.connect(MASTER));
    const bus = await this.#bus;
    let answer: unknown;
    let asking = false;
    await until(
      () => {
        if (asking || !bus.connected) return answer !== undefined;
        asking = true;
        bus.request(`$JS.API.STREAM.${what}`, new Uint8Array(0), ASK_MS, (outcome) => {
          asking = false;
          if (outcome.kind !== "reply") return;
          answer = JSON.parse(Buffer.from(outcome.message.data).toString("utf8"));
        });
        return answer !== undefined;
      },
      `an answer of the streams to ${what}`,
      ELECTION_MS_MAX,
    );
    return answer;
  }

  /** The stream is gone, and whoever had it open. */
  async remove(): Promise<void> {
    for (const log of this.#opened) await new Promise<void>((resolve) => log.close(resolve));
    for (const wire of this.#wires) await wire.close();
    this.#opened = [];
    this.#wires = [];
    await this.#ask(`DELETE.${(await this.stream()).name}`);
  }

  async stop(): Promise<void> {
    if (this.#brokers === undefined) return;
    for (const log of this.#opened) await new Promise<void>((resolve) => log.close(resolve));
    const bus = await this.#bus;
    if (bus !== undefined) await new Promise<void>((resolve) => bus.close(resolve));
    await (await this.#brokers).stop();
  }
}

/** Asks until the log has found a broker again. */
async function answers(log: Log): Promise<void> {
  let asking = false;
  let answered = false;
  await until(
    () => {
      if (!asking) {
        asking = true;
        log.hint(({ kind }) => {
          asking = false;
          answered ||= kind === "hint";
        });
      }
      return answered;
    },
    "the log is connected again",
    ELECTION_MS_MAX,
  );
}

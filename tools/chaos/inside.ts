/**
 * A run from its beginning to its verdict, within the namespaces that were made for it: the cluster
 * comes up, faults are done to it, it heals, all tasks end, and what was recorded is judged.
 */
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BrokerBinary } from "#daemon";
import { Seed } from "#sim";
import { cleanEnvironment } from "../../test/support/cluster.ts";
import { untilFormed } from "../../test/support/formation.ts";
import { ChaosCluster, COUNTS, SUBJECTS } from "./cluster.ts";
import { deathsIn } from "./deaths.ts";
import { FaultDriver } from "./faults.ts";
import { gapsOf } from "./gaps.ts";
import { type JournalRow, readJournal } from "./journal.ts";
import {
  cgroupsLeft,
  containersOf,
  isOwnNamespace,
  mountsLeft,
  processesLeft,
  removeCgroups,
} from "./leftovers.ts";
import { LiveView } from "./live.ts";
import { readerBus, readLog, type TimedEntry } from "./log.ts";
import { outcomesOf, runsOf } from "./outcomes.ts";
import { reportOf } from "./report.ts";
import { COLLECTED, readTrace, TraceFile } from "./trace.ts";
import { judge } from "./verdict.ts";

const UP_MS_MAX = 120_000;
const HEALING_MS = 60_000;
/** Of the healing: then frameworks launch no more and have their tasks end. */
const FINISH_AFTER_MS = 20_000;
const TELL_MS = 15_000;
const LOOK_MS = 100;
const LOG_TRIES_MAX = 10;
const GONE_LOOKS_MAX = 50;

export interface RunOptions {
  readonly minutes: number;
  readonly seed: string;
  /** Logs, the trace and what else tells of the run; made, and left, by the caller. */
  readonly dir: string;
  readonly binary: BrokerBinary;
}

/** Where the ids of the agents are written, for whoever must clear away after a run that died. */
export const AGENTS_FILE = "agents.json";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What was there when all had come to an end. */
interface Collected {
  readonly journals: ReadonlyMap<string, readonly JournalRow[]>;
  readonly runs: ReadonlyMap<string, readonly string[]>;
  readonly running: ReadonlyMap<string, readonly string[]>;
  readonly agents: readonly string[];
  readonly log: readonly TimedEntry[];
}

export class Run {
  readonly #options: RunOptions;
  readonly #say: (line: string) => void;
  readonly #trace: TraceFile;
  readonly #live = new LiveView();
  #messages = 0;
  #isCalledOff = false;
  #fromMs = 0;
  #untilMs = 0;

  constructor(options: RunOptions, say: (line: string) => void) {
    this.#options = options;
    this.#say = say;
    this.#trace = new TraceFile(join(options.dir, "trace.jsonl"));
  }

  /** It ends soon, clears away and judges nothing. */
  callOff(): void {
    this.#isCalledOff = true;
  }

  /** @returns whether all held; undefined when it was called off. */
  async go(): Promise<boolean | undefined> {
    const { dir, binary } = this.#options;
    const cluster = await ChaosCluster.make({
      dir,
      binary,
      env: cleanEnvironment(),
      trace: this.#trace,
      passed: (node, message) => this.#passed(node, message),
    });
    let collected: Collected | undefined;
    let struck: FaultDriver["struck"] = [];
    const left: string[] = [];
    try {
      await this.#bringUp(cluster);
      struck = await this.#harm(cluster);
      await this.#heal(cluster);
      if (!this.#isCalledOff) collected = await this.#collect(cluster);
    } finally {
      left.push(...(await this.#clear(cluster)));
      await this.#trace.close();
    }
    if (collected === undefined) return undefined;
    return await this.#tell(collected, struck, left);
  }

  #passed(node: string, message: Parameters<LiveView["passed"]>[1]): void {
    this.#messages += 1;
    this.#live.passed(node, message);
    const { way, subject, reply, payload, link } = message;
    // What wakes followers of the log is no frame, and streams of logs are nobody's business.
    const isAnswer = subject.startsWith("_INBOX.") && subject.includes(".append.");
    const isOurs = subject.startsWith("meseta.") && !(way === "heard" && subject === SUBJECTS.log);
    if (!isAnswer && !isOurs) return;
    this.#trace.write({
      what: way,
      atMs: Date.now(),
      node,
      subject,
      ...(reply === undefined ? {} : { reply }),
      link,
      data: payload.toString("base64"),
    });
  }

  #turn(to: string): void {
    this.#trace.write({ what: "turn", atMs: Date.now(), to });
    this.#say(to);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const endMs = performance.now() + UP_MS_MAX;
    while (!condition() && !this.#isCalledOff) {
      if (performance.now() > endMs) throw new Error(`${what}: not within ${UP_MS_MAX / 1_000} s`);
      await pause(LOOK_MS);
    }
  }

  async #bringUp(cluster: ChaosCluster): Promise<void> {
    const count = (Object.values(COUNTS) as number[]).reduce((one, two) => one + two, 0);
    this.#turn(`${count} processes come up`);
    const brokers = cluster.of("broker");
    for (const { process: broker } of brokers) broker.start();
    const bus = readerBus(cluster);
    await this.#until(() => bus.connected, "a broker answers");
    const again = async (index: number): Promise<void> => {
      await brokers[index]?.process.kill();
      brokers[index]?.process.start();
    };
    await untilFormed({ bus, subject: SUBJECTS.log, brokers: brokers.length, again });
    await new Promise<void>((done) => bus.close(done));
    cluster.start();
    await this.#until(() => this.#live.registered() === COUNTS.agent, "all agents are registered");
    const { dir } = this.#options;
    writeFileSync(join(dir, AGENTS_FILE), JSON.stringify(cluster.agentIds()));
    const runs = ({ what, ...row }: JournalRow): boolean =>
      what === "told" && "state" in row && row.state === "TASK_RUNNING";
    await this.#until(
      () =>
        cluster.of("framework").every((node) => readJournal(cluster.journalOf(node)).some(runs)),
      "each framework has a task that runs",
    );
  }

  async #harm(cluster: ChaosCluster): Promise<FaultDriver["struck"]> {
    const { minutes, seed } = this.#options;
    this.#turn(`faults for ${minutes} min, drawn from the seed ${seed}`);
    this.#fromMs = Date.now();
    const driver = new FaultDriver({
      nodes: cluster.nodes,
      chance: new Seed(seed, () => undefined).stream("chaos"),
      leader: () => this.#live.leader(),
      tell: (what, node, { name }) =>
        this.#trace.write({ what, atMs: Date.now(), node: node.name, fault: name }),
      pause,
    });
    const began = performance.now();
    const telling = setInterval(() => {
      const s = ((performance.now() - began) / 1_000).toFixed(0).padStart(5);
      const leads = this.#live.leader() ?? "nobody";
      const agents = this.#live.registered();
      this.#say(
        `${s} s  faults ${driver.struck.length}, ${leads} leads, ${agents} agents registered`,
      );
    }, TELL_MS);
    try {
      await driver.run(minutes * 60_000, () => this.#isCalledOff);
    } finally {
      clearInterval(telling);
    }
    return driver.struck;
  }

  async #heal(cluster: ChaosCluster): Promise<void> {
    this.#turn(`everything heals: ${HEALING_MS / 1_000} s`);
    await this.#pass(FINISH_AFTER_MS);
    this.#untilMs = Date.now();
    cluster.finish();
    await this.#pass(HEALING_MS - FINISH_AFTER_MS);
  }

  async #pass(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (performance.now() < endMs && !this.#isCalledOff) await pause(LOOK_MS);
  }

  async #collect(cluster: ChaosCluster): Promise<Collected> {
    this.#turn(COLLECTED);
    const agents = cluster.of("agent");
    const ids = new Map(
      cluster.agentIds().map((id) => [id.slice(0, id.lastIndexOf("-")), id] as const),
    );
    const bus = readerBus(cluster);
    try {
      await this.#until(() => bus.connected, "a broker answers");
      return {
        journals: new Map(
          cluster
            .of("framework")
            .map((node) => [node.name, readJournal(cluster.journalOf(node))] as const),
        ),
        runs: runsOf(new Map(agents.map((node) => [node.name, cluster.workDirOf(node)]))),
        running: new Map(agents.map(({ name }) => [name, containersOf(ids.get(name) ?? name)])),
        agents: agents.filter(({ process: kept }) => kept.isUp).map(({ name }) => name),
        log: await this.#readLog(bus),
      };
    } finally {
      await new Promise<void>((done) => bus.close(done));
    }
  }

  async #readLog(bus: Parameters<typeof readLog>[0]): Promise<TimedEntry[]> {
    for (let turn = 1; ; turn += 1) {
      try {
        return await readLog(bus);
      } catch (error) {
        if (turn === LOG_TRIES_MAX) throw error;
        this.#say(`the log is read again: ${(error as Error).message}`);
        await pause(1_000);
      }
    }
  }

  /** Ends everything in order, then what is left of it. @returns what would not go. */
  async #clear(cluster: ChaosCluster): Promise<string[]> {
    this.#turn("everything ends");
    const { dir } = this.#options;
    const agentIds = cluster.agentIds();
    const killed = await cluster.end();
    for (const node of cluster.of("framework")) {
      const journal = cluster.journalOf(node);
      if (existsSync(journal)) copyFileSync(journal, join(dir, "logs", `${node.name}.journal`));
    }
    const left = killed.map((name) => `${name} did not end by itself when it was asked to`);
    const alive = processesLeft();
    left.push(
      ...alive.map(({ pid, about }) => `process ${pid} ${about}`),
      ...cgroupsLeft(agentIds),
    );
    left.push(...(await cluster.clear()), ...mountsLeft(dir));
    // Said is said; now it goes. A run that is called off may have had an agent in the middle of its
    // start, which ends without its cgroups.
    for (const { pid } of alive) killQuietly(pid);
    for (let turn = 0; processesLeft().length > 0 && turn < GONE_LOOKS_MAX; turn += 1) {
      await pause(LOOK_MS);
    }
    removeCgroups(agentIds);
    return left;
  }

  async #tell(
    collected: Collected,
    struck: FaultDriver["struck"],
    left: readonly string[],
  ): Promise<boolean> {
    const { minutes, seed } = this.#options;
    this.#say("what was recorded is judged");
    const trace = this.#trace.path;
    const outcomes = outcomesOf(collected.journals, collected.runs);
    const findings = [
      ...(await judge({ ...collected, trace })),
      ...outcomes.findings,
      ...deathsIn(join(this.#options.dir, "logs")),
    ];
    const ownEnds: string[] = [];
    for await (const row of readTrace(trace)) {
      if (row.what !== "end" || !row.byItself) continue;
      ownEnds.push(`${new Date(row.atMs).toISOString()} ${row.node}: ${row.why}`);
    }
    const shown = {
      seed,
      minutes,
      struck,
      gaps: await gapsOf(trace, this.#fromMs, this.#untilMs),
      states: outcomes.states,
      records: collected.log.length,
      messages: this.#messages,
      ownEnds,
      findings,
      left,
    };
    for (const line of reportOf(shown)) this.#say(line);
    return findings.length === 0 && left.length === 0;
  }
}

/** It may have gone by itself meanwhile. */
function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

interface Message {
  readonly stop?: boolean;
}

/** The entry of the process within the namespaces: its options come as one argument. */
async function main(argument: string): Promise<void> {
  // At its end it ends whatever it sees: it must see nothing but what belongs to it.
  if (!isOwnNamespace())
    throw new Error("this is no namespace of a run; start dist/tools/chaos.js");
  const run = new Run(JSON.parse(argument) as RunOptions, (line) => {
    process.stdout.write(`${line}\n`);
  });
  process.on("message", ({ stop }: Message) => {
    if (stop === true) run.callOff();
  });
  // Whoever started it is gone: nobody wants to know any more.
  process.on("disconnect", () => run.callOff());
  const held = await run.go();
  process.exitCode = held === undefined ? 130 : held ? 0 : 1;
  if (process.connected === true) process.disconnect();
}

const [, entry, argument] = process.argv;
if (entry?.endsWith("/chaos/inside.js") === true && argument !== undefined) {
  main(argument).catch((error: Error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exit(1);
  });
}

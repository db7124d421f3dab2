/**
 * A framework of a run, as a process of its own: some tasks that run until they are killed, and
 * others that end by themselves, one after the other. It keeps a journal, says nothing that does not
 * stand there, and goes on from it after each crash. When the file that it is shown appears it
 * launches no more and has all its tasks end.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { connect, type Driver, type Offer, OfferPool, type TaskId, type TaskStatus } from "#sdk";
import { isOver, Journal, type JournalRow } from "./journal.ts";

const LONG_TASKS = 4;
const SHORT_TASKS = 2;
const SHORT_S = [1, 2, 3, 5, 8] as const;
const TASK = "cpus:0.05;mem:32";
const REFUSE_MS = 1_000;
const LOOK_MS = 500;
/** A kill that was lost with its sender is said again. */
const KILL_AGAIN_MS = 3_000;
const FAILOVER_TIMEOUT_MS = 3_600_000;

interface Known {
  readonly lasts: boolean;
  over: boolean;
}

class Work {
  readonly #journal: Journal;
  readonly #name: string;
  readonly #finish: string;
  readonly #tasks = new Map<string, Known>();
  frameworkId: string | undefined;
  #launched = 0;
  #killedAtMs = 0;

  constructor(options: {
    readonly journal: string;
    readonly name: string;
    readonly finish: string;
  }) {
    this.#journal = new Journal(options.journal);
    this.#name = options.name;
    this.#finish = options.finish;
    for (const row of this.#journal.rows) this.#apply(row);
  }

  #apply(row: JournalRow): void {
    if (row.what === "id") this.frameworkId = row.frameworkId;
    if (row.what === "launch") {
      this.#launched += 1;
      this.#tasks.set(row.taskId, { lasts: row.lastsS === null, over: false });
    }
    const task = row.what === "told" ? this.#tasks.get(row.taskId) : undefined;
    if (row.what === "told" && task !== undefined) task.over = isOver(row.state);
  }

  /** It stands on disk when this returns; else this process ends, and its next life tries again. */
  #record(rows: readonly JournalRow[]): void {
    this.#journal.write(rows);
    for (const row of rows) this.#apply(row);
  }

  open(lasts?: boolean): string[] {
    return [...this.#tasks]
      .filter(([, task]) => !task.over && (lasts === undefined || task.lasts === lasts))
      .map(([id]) => id);
  }

  get isFinishing(): boolean {
    return existsSync(this.#finish);
  }

  subscribed(frameworkId: string): void {
    if (this.frameworkId === frameworkId) return;
    this.#record([{ what: "id", atMs: Date.now(), frameworkId }]);
  }

  offered(offers: readonly Offer[], driver: Driver): void {
    for (const offer of offers) {
      const infos = this.isFinishing ? [] : this.#take(offer);
      if (infos.length === 0) driver.decline([offer.offerId], { refuseMs: REFUSE_MS });
      else driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: infos }], REFUSE_MS);
    }
  }

  /** One long task and one short one at most of each offer, so that all agents get some. */
  #take(offer: Offer) {
    const pool = new OfferPool(offer);
    const rows: JournalRow[] = [];
    const infos = [];
    for (const lasts of [true, false]) {
      if (this.open(lasts).length >= (lasts ? LONG_TASKS : SHORT_TASKS)) continue;
      const number = this.#launched + rows.length;
      const id = `${this.#name}-${number}`;
      const lastsS = lasts ? null : (SHORT_S[number % SHORT_S.length] ?? 1);
      const script = `echo ran ${id}; exec sleep ${lastsS ?? 100_000}`;
      const info = pool.take({ id, resources: TASK, command: ["/bin/sh", "-c", script] });
      if (info === undefined) continue;
      infos.push(info);
      const { agentId } = offer;
      rows.push({ what: "launch", atMs: Date.now(), taskId: id, agentId, lastsS });
    }
    if (rows.length > 0) this.#record(rows);
    return infos;
  }

  told(status: TaskStatus, driver: Driver): void {
    const { taskId, state, uuid } = status;
    const row = { what: "told", atMs: Date.now(), taskId, state } as const;
    this.#record([uuid === undefined ? row : { ...row, uuid }]);
    if (uuid !== undefined) driver.acknowledge(status);
  }

  /** Has the tasks end that would not by themselves, once all is to end. */
  look(driver: Driver): void {
    if (!this.isFinishing || Date.now() - this.#killedAtMs < KILL_AGAIN_MS) return;
    this.#killedAtMs = Date.now();
    for (const id of this.open(true)) driver.kill(id as TaskId);
    // What it was never told of may never have run: the leader knows.
    const tasks = this.open(false).map((id) => ({ taskId: id as TaskId }));
    if (tasks.length > 0) driver.reconcile(tasks);
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      credential: { type: "string" },
      journal: { type: "string" },
      name: { type: "string" },
      finish: { type: "string" },
    },
  });
  const { credential = "", journal = "", name = "", finish = "" } = values;
  const work = new Work({ journal, name, finish });
  const { frameworkId } = work;
  const framework = connect(
    {
      credentials: credential,
      name,
      acknowledge: "mine",
      failoverTimeoutMs: FAILOVER_TIMEOUT_MS,
      ...(frameworkId === undefined ? {} : { frameworkId, knownTasks: work.open() }),
    },
    {
      subscribed: (event) => work.subscribed(event.frameworkId),
      offers: (offers, driver) => work.offered(offers, driver),
      update: (status, driver) => work.told(status, driver),
      ended: (reason, message) => {
        process.stderr.write(`the framework has ended: ${reason}: ${message}\n`);
        process.exit(1);
      },
    },
  );
  const looking = setInterval(() => work.look(framework), LOOK_MS);
  process.once("SIGTERM", () => {
    clearInterval(looking);
    void framework.close().then(() => process.exit(0));
  });
}

main();

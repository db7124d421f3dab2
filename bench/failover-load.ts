/**
 * A cluster with masters that stand by, tasks that run, and a framework that waits for offers:
 * the leader is killed, or gives the lead away, and the time until the next leader's first offer
 * is taken. Between two times the cluster is whole again.
 */
import { connect, type Driver, type Offer, OfferPool } from "#sdk";
import { readAnswer, requestOf } from "#api";
import { Cluster } from "../test/support/cluster.ts";
import { isAlive } from "../test/support/cluster.ts";
import { until, within } from "../test/support/until.ts";

export interface FailoverOptions {
  readonly masters: number;
  readonly agents: number;
  readonly tasks: number;
  readonly kills: number;
  readonly transfers: number;
}

export interface FailoverFigures {
  readonly killedMs: readonly number[];
  readonly transferredMs: readonly number[];
  /** Of the tasks that ran at first, how many have ended or were said to have. */
  readonly ended: number;
}

const TASK = "cpus:0.01;mem:32";
const STEP_MS_MAX = 60_000;
const ASK_INTERVAL_MS = 50;
/** Until what was declined is offered again; a new leader knows nothing of it. */
const REFUSE_MS = 5_000;

interface Status {
  readonly leader?: { readonly masterId: string; readonly epoch: number };
  readonly agents: Readonly<Record<string, number>>;
  readonly tasks: Readonly<Record<string, number>>;
}

/** Takes offers until all tasks run, then keeps none. */
class Sleepers {
  readonly driver: Driver & { end(): Promise<void> };
  readonly #count: number;
  readonly running = new Set<string>();
  readonly ended = new Set<string>();
  #launched = 0;
  #heard: { readonly above: number; tell(atMs: number): void } | undefined;

  constructor(credentials: string, count: number) {
    this.#count = count;
    this.driver = connect(
      { credentials, name: "sleepers", logLevel: "error" },
      {
        offers: (offers) => this.#offered(offers),
        rescinded: () => undefined,
        update: ({ taskId, state }) => {
          if (state === "TASK_RUNNING") this.running.add(taskId);
          else if (state !== "TASK_STAGING" && state !== "TASK_STARTING") this.ended.add(taskId);
        },
        ended: (reason, message) => process.stderr.write(`${reason}: ${message}\n`),
      },
    );
  }

  #offered(offers: readonly Offer[]): void {
    for (const { offerId } of offers) {
      if (this.#heard !== undefined && epochOf(offerId) > this.#heard.above) {
        this.#heard.tell(performance.now());
        this.#heard = undefined;
      }
    }
    for (const offer of offers) {
      const pool = new OfferPool(offer);
      const tasks = [];
      while (this.#launched < this.#count) {
        const id = `sleeper-${this.#launched}`;
        const command = ["/bin/sleep", "100000"] as const;
        const task = pool.take({ id, resources: TASK, command: [...command] });
        if (task === undefined) break;
        tasks.push(task);
        this.#launched += 1;
      }
      // What it does not need it leaves to whoever asks, and is offered soon again.
      if (tasks.length === 0) this.driver.decline([offer.offerId], { refuseMs: REFUSE_MS });
      else this.driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: tasks }], 0);
    }
  }

  /** When the first offer of a leader beyond that epoch comes. */
  offerBeyond(epoch: number): Promise<number> {
    return new Promise((resolve) => {
      this.#heard = { above: epoch, tell: resolve };
    });
  }
}

function epochOf(offerId: string): number {
  return Number(/^o-(\d+)-/.exec(offerId)?.[1] ?? 0);
}

export async function measureFailover(options: FailoverOptions): Promise<FailoverFigures> {
  const { masters, agents, tasks, kills, transfers } = options;
  const cpus = Math.max(agents * 4, Math.ceil(tasks / 25));
  const resources = `cpus:${cpus};mem:${agents * 2048}`;
  const flags = ["--masters", masters, "--agents", agents, "--resources", resources];
  const cluster = await Cluster.start(flags.map(String));
  try {
    const path = /^\s*credential\s+(\S+)/m.exec(cluster.up.stdout)?.[1];
    if (path === undefined) throw new Error(`up names no credential: ${cluster.up.stdout}`);
    const sleepers = new Sleepers(path, tasks);
    await until(() => sleepers.running.size === tasks, "all tasks run", 2 * STEP_MS_MAX);
    const transferredMs: number[] = [];
    for (let turn = 0; turn < transfers; turn++) {
      const { epoch } = await whole(cluster, options);
      const offer = sleepers.offerBeyond(epoch);
      const beganMs = performance.now();
      await call(cluster, "transferLead", { body: {} });
      transferredMs.push((await within(offer, "an offer", STEP_MS_MAX)) - beganMs);
    }
    const killedMs: number[] = [];
    for (let turn = 0; turn < kills; turn++) {
      const { epoch, masterId } = await whole(cluster, options);
      const pid = await cluster.pidOf(masterId === "master-1" ? "master" : masterId);
      const offer = sleepers.offerBeyond(epoch);
      const beganMs = performance.now();
      process.kill(pid, "SIGKILL");
      killedMs.push((await within(offer, "an offer", STEP_MS_MAX)) - beganMs);
    }
    await whole(cluster, options);
    const { ended } = sleepers;
    await sleepers.driver.end();
    return { killedMs, transferredMs, ended: ended.size };
  } finally {
    await cluster.stop();
  }
}

/** Waits until somebody leads, all masters live, all agents are back and all tasks are known. */
async function whole(cluster: Cluster, options: FailoverOptions) {
  const endMs = performance.now() + 2 * STEP_MS_MAX;
  for (;;) {
    const status = await call(cluster, "status", {}).catch(() => undefined);
    const known = status as Status | undefined;
    const all = known?.agents["registered"] === options.agents;
    const running = known?.tasks["TASK_RUNNING"] === options.tasks;
    const { leader } = known ?? {};
    if (leader !== undefined && all && running && (await allLive(cluster, options.masters))) {
      return leader;
    }
    if (performance.now() > endMs) {
      throw new Error(`the cluster is not whole again: ${JSON.stringify(status)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
  }
}

async function allLive(cluster: Cluster, masters: number): Promise<boolean> {
  for (const server of await cluster.servers()) {
    const answered = await fetch(`${server}/v1/health`).then(
      () => true,
      () => false,
    );
    if (!answered) return false;
  }
  for (let number = 1; number <= masters; number += 1) {
    if (!isAlive(await cluster.pidOf(number === 1 ? "master" : `master-${number}`))) return false;
  }
  return true;
}

/** One request to whichever master answers. */
async function call(
  cluster: Cluster,
  name: "status" | "transferLead",
  options: { readonly body?: object },
): Promise<unknown> {
  const { token } = await cluster.context();
  let why: unknown;
  for (const server of await cluster.servers()) {
    try {
      const { target, ...request } = requestOf(name, { ...options, token } as never);
      const response = await fetch(`${server}${target}`, request);
      return readAnswer(name, response.status, await response.text());
    } catch (error) {
      why = error;
    }
  }
  throw why;
}

/**
 * An idle cluster as `meseta up` makes it, broker, master and agent as processes, and a framework
 * of its own in this process: the time from ACCEPT to TASK_RUNNING as the framework sees it, and
 * what a running task costs outside of itself in memory.
 */
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Driver, isTerminal, type Offer, OfferPool, type TaskStatus } from "#sdk";
import { Cluster } from "../test/support/cluster.ts";
import { until, within } from "../test/support/until.ts";

export interface ClusterFigures {
  readonly launches: number;
  readonly acceptToRunningMs: readonly number[];
  /** In between, by the agent's clock: how long after ACCEPT the update was made. */
  readonly acceptToUpdateMs: readonly number[];
  readonly tasks: number;
  readonly shimBytes: number;
  readonly agentBytes: number;
}

const LAUNCHES = 200;
/** Launches before those that are counted. */
const WARM_UP = 40;
/** Tasks that run at the same time while memory is looked at. */
const SLEEPERS = 100;
const TASK = "cpus:0.01;mem:32";
const STEP_MS_MAX = 30_000;

/** One framework that does one thing at a time. */
class Bench {
  readonly framework: Driver & { end(): Promise<void> };
  readonly #offers = new Map<string, Offer>();
  #wanted: (() => void) | undefined;
  readonly #heard = new Map<string, (status: TaskStatus) => void>();

  constructor(credentials: string) {
    this.framework = connect(
      { credentials, name: "bench", logLevel: "error" },
      {
        offers: (offers) => {
          for (const offer of offers) this.#offers.set(offer.offerId, offer);
          this.#wanted?.();
        },
        rescinded: (offerId) => void this.#offers.delete(offerId),
        update: (status) => this.#heard.get(status.taskId)?.(status),
        ended: (reason, message) => process.stderr.write(`${reason}: ${message}\n`),
      },
    );
  }

  /** All offers that are held now; at least one. */
  async offers(): Promise<readonly Offer[]> {
    if (this.#offers.size === 0) {
      const came = new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
      await within(came, "an offer", STEP_MS_MAX);
    }
    const offers = [...this.#offers.values()];
    this.#offers.clear();
    return offers;
  }

  /** One ACCEPT of all these offers. What ended tasks gave back comes as an offer of its own. */
  accept(
    offers: readonly Offer[],
    ids: readonly string[],
    command: readonly [string, ...string[]],
  ): void {
    const pools = offers.map((offer) => new OfferPool(offer));
    const taskInfos = ids.map((id) => {
      for (const pool of pools) {
        const task = pool.take({ id, resources: TASK, command });
        if (task !== undefined) return task;
      }
      throw new Error(`${id}: ${TASK} does not fit what is offered`);
    });
    const offerIds = offers.map(({ offerId }) => offerId);
    // What is left is wanted again at once.
    this.framework.accept(offerIds, [{ type: "LAUNCH", taskInfos }], 0);
  }

  on(id: string, heard: (status: TaskStatus) => void): void {
    this.#heard.set(id, heard);
  }
}

export async function measureCluster(): Promise<ClusterFigures> {
  const cluster = await Cluster.start(["--agents", "1"]);
  try {
    const path = /^\s*credential\s+(\S+)/m.exec(cluster.up.stdout)?.[1];
    if (path === undefined) throw new Error(`up names no credential: ${cluster.up.stdout}`);
    const bench = new Bench(path);
    const waits: Wait[] = [];
    for (let i = 0; i < WARM_UP + LAUNCHES; i++) waits.push(await launchOne(bench, `one-${i}`));
    const counted = waits.slice(WARM_UP);
    const memory = await measureMemory(cluster, bench);
    await bench.framework.end();
    return {
      launches: LAUNCHES,
      acceptToRunningMs: counted.map(({ runningMs }) => runningMs),
      acceptToUpdateMs: counted.map(({ updateMs }) => updateMs),
      ...memory,
    };
  } finally {
    await cluster.stop();
  }
}

interface Wait {
  readonly runningMs: number;
  readonly updateMs: number;
}

async function launchOne(bench: Bench, id: string): Promise<Wait> {
  const offers = await bench.offers();
  let wait: Wait | undefined;
  const over = new Promise<void>((resolve) => {
    bench.on(id, ({ state, timestampMs = 0 }) => {
      if (state === "TASK_RUNNING") {
        wait = { runningMs: performance.now() - beganMs, updateMs: timestampMs - beganAtMs };
      }
      if (isTerminal(state)) resolve();
    });
  });
  const beganAtMs = Date.now();
  const beganMs = performance.now();
  bench.accept(offers, [id], ["/bin/true"]);
  await within(over, id, STEP_MS_MAX);
  if (wait === undefined) throw new Error(`${id} ended without TASK_RUNNING`);
  return wait;
}

async function measureMemory(cluster: Cluster, bench: Bench) {
  const agent = await cluster.pidOf("agent-1");
  const [agentId = ""] = cluster.agentIds();
  const offers = await bench.offers();
  const before = privateBytes(agent);
  const ids = Array.from({ length: SLEEPERS }, (_, index) => `sleeper-${index}`);
  let running = 0;
  for (const id of ids) {
    bench.on(id, ({ state }) => {
      running += state === "TASK_RUNNING" ? 1 : 0;
    });
  }
  bench.accept(offers, ids, ["/bin/sleep", "1000"]);
  await until(() => running === SLEEPERS, `${SLEEPERS} tasks run`, STEP_MS_MAX);
  const shims = shimsOf(agentId);
  if (shims.length !== SLEEPERS) throw new Error(`${shims.length} shims for ${SLEEPERS} tasks`);
  const shimBytes = shims.reduce((sum, pid) => sum + rollup(pid, /^Pss:/m), 0);
  return { tasks: SLEEPERS, shimBytes, agentBytes: privateBytes(agent) - before };
}

const privateBytes = (pid: number): number =>
  rollup(pid, /^Private_Clean:/m) + rollup(pid, /^Private_Dirty:/m);

function rollup(pid: number, field: RegExp): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const line = text.split("\n").find((one) => field.test(one)) ?? "";
  return Number(/(\d+) kB$/.exec(line)?.[1] ?? 0) * 1024;
}

/** The shims stay in the launcher's cgroup; their tasks do not. */
function shimsOf(agentId: string): number[] {
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "ESRCH") return "";
      throw error;
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/comm`).trim() === "meseta-shim")
    .filter((pid) => read(`/proc/${pid}/cgroup`).includes(`/${agentId}/`))
    .map(Number);
}

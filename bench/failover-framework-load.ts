/**
 * What the ways to measure a failover share: a framework with tasks that run, which waits for the
 * first offer of the next leader, and how the masters are asked whether all is whole again.
 */
import { connect, type Driver, type Offer, OfferPool } from "#sdk";
import { readAnswer, requestOf } from "#api";

const TASK = "cpus:0.01;mem:32";
export const STEP_MS_MAX = 60_000;
const ASK_INTERVAL_MS = 50;
/** Until what was declined is offered again; a new leader knows nothing of it. */
const REFUSE_MS = 5_000;

/** Masters that are asked over HTTP. */
export interface Masters {
  /** Their addresses, each with its token. */
  doors(): Promise<readonly { readonly server: string; readonly token: string }[]>;
  areUp(): Promise<boolean>;
}

interface Status {
  readonly leader?: { readonly masterId: string; readonly epoch: number };
  readonly agents: Readonly<Record<string, number>>;
  readonly tasks: Readonly<Record<string, number>>;
}

/** Takes offers until all tasks run, then keeps none. */
export class Sleepers {
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

/** Waits until somebody leads, all masters live, all agents are back and all tasks are known. */
export async function whole(masters: Masters, wanted: { agents: number; tasks: number }) {
  const endMs = performance.now() + 2 * STEP_MS_MAX;
  for (;;) {
    const status = await call(masters, "status", {}).catch(() => undefined);
    const known = status as Status | undefined;
    const all = known?.agents["registered"] === wanted.agents;
    const running = known?.tasks["TASK_RUNNING"] === wanted.tasks;
    const { leader } = known ?? {};
    if (leader !== undefined && all && running && (await allLive(masters))) return leader;
    if (performance.now() > endMs) {
      throw new Error(`the cluster is not whole again: ${JSON.stringify(status)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
  }
}

async function allLive(masters: Masters): Promise<boolean> {
  for (const { server } of await masters.doors()) {
    const answered = await fetch(`${server}/v1/health`).then(
      () => true,
      () => false,
    );
    if (!answered) return false;
  }
  return await masters.areUp();
}

/** One request to whichever master answers. */
export async function call(
  masters: Masters,
  name: "status" | "transferLead",
  options: { readonly body?: object },
): Promise<unknown> {
  let why: unknown;
  for (const { server, token } of await masters.doors()) {
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

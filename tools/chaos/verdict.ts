/**
 * Judges a run by what was recorded: the trace of the wires, the frameworks' journals and the log
 * are told to the simulator's checkers in the order in which things happened. What they find is
 * what they would find in the simulator.
 */
import type { LogEntry } from "#runtime";
import {
  checkersNamed,
  type CheckedWorld,
  type Checker,
  FrameEyes,
  type Observation,
  type SeenNode,
} from "#sim";
import { SUBJECTS } from "./cluster.ts";
import { isOver, type JournalRow } from "./journal.ts";
import { readInOrder } from "./order.ts";
import { COLLECTED, type Row } from "./trace.ts";

/**
 * The invariants that can be seen from outside of processes. Not R1 and Q1: what a leader has given
 * away is known only in the order in which it heard. Not E2: a clock of the run is not the leader's.
 * Not S1: what stands on a disk in the instant of a word.
 */
export const JUDGED = ["E1", "L1", "T1", "U1", "R2", "W1", "A1", "A2", "F2", "N1", "LV"] as const;
/** Checkers look at the log so often, as in the simulator. */
const RECOUNT_MS = 1_000;

export interface Finding {
  readonly id: string;
  readonly message: string;
  readonly atMs: number;
}

export interface Evidence {
  readonly trace: string;
  /** Rows of each framework, by its name. */
  readonly journals: ReadonlyMap<string, readonly JournalRow[]>;
  /** The log as it was read at the end, with the time at which the broker had each record. */
  readonly log: readonly (LogEntry & { readonly atMs: number })[];
  /** Agents by principal whose process ran at the end. */
  readonly agents: readonly string[];
  /** What still ran on each agent at the end, by its principal. */
  readonly running: ReadonlyMap<string, readonly string[]>;
}

/** The world as checkers may ask it: of the moment that is being told. */
class ToldWorld implements CheckedWorld {
  readonly #evidence: Evidence;
  readonly offerTimeoutMs = 0;
  /** Asked by B1 alone, which is not judged here. */
  readonly pending = 0;
  /** The frameworks of chaos have no backlog. */
  readonly restingSinceMs = undefined;
  nowMs = 0;
  readonly acknowledged = new Map<number, Uint8Array>();
  readonly #byPosition: ReadonlyMap<number, Uint8Array>;
  readonly log: CheckedWorld["log"];
  #end = 0;
  #read = 0;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    this.#byPosition = new Map(evidence.log.map(({ position, record }) => [position, record]));
    const [first] = evidence.log;
    const end = (): number => this.#end;
    this.log = {
      get end() {
        return end();
      },
      get wholeEnd() {
        return end();
      },
      first: first?.position ?? 1,
      acknowledged: this.acknowledged,
      record: (position) => this.#byPosition.get(position),
    };
  }

  /** What the broker had by now is committed by the time that anything is said of it. */
  reach(nowMs: number): void {
    this.nowMs = nowMs;
    const { log } = this.#evidence;
    for (let next = log[this.#read]; next !== undefined && next.atMs <= nowMs; ) {
      this.#end = next.position;
      this.#read += 1;
      next = log[this.#read];
    }
  }

  *waiting(): Iterable<readonly [string, number]> {
    // Asked by B1 alone, which is not judged here.
  }

  journal(): undefined {
    return undefined;
  }

  *witnesses(): Iterable<readonly [string, Uint8Array]> {
    // Asked by L3 alone, which is not judged here.
  }

  *paused(): Iterable<string> {
    // Asked by A3 alone, which is not judged here.
  }

  meta(): undefined {
    return undefined;
  }

  *running(): Iterable<readonly [string, readonly string[]]> {
    yield* this.#evidence.running;
  }

  *agents(): Iterable<readonly [string, boolean]> {
    for (const name of this.#evidence.agents) yield [name, true];
  }

  backlogged(): Iterable<string> {
    return [];
  }

  *unfinished(): Iterable<readonly [string, string]> {
    for (const [framework, rows] of this.#evidence.journals) {
      const open = new Set<string>();
      for (const row of rows) {
        if (row.what === "launch") open.add(row.taskId);
        if (row.what !== "told") continue;
        if (isOver(row.state)) open.delete(row.taskId);
        else open.add(row.taskId);
      }
      for (const taskId of open) yield [framework, taskId];
    }
  }

  *wrong(): Iterable<string> {
    // What tasks really did is looked at beside this: see `outcomes.ts`.
  }
}

/** Tells everything, from the first to the last moment. */
export async function judge(evidence: Evidence): Promise<Finding[]> {
  const world = new ToldWorld(evidence);
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const violate = (id: string, message: string): void => {
    if (seen.has(`${id} ${message}`)) return;
    seen.add(`${id} ${message}`);
    findings.push({ id, message, atMs: world.nowMs });
  };
  const checkers = checkersNamed(JUDGED, world, violate);
  const teller = new Teller(checkers, world);
  const told = toldOf(evidence.journals);
  let nextMs = Number.NEGATIVE_INFINITY;
  let at = 0;
  const reach = (atMs: number): void => {
    for (let next = told[at]; next !== undefined && next.atMs < atMs; next = told[at]) {
      at += 1;
      world.reach(next.atMs);
      teller.observe(next.observation);
    }
    world.reach(atMs);
    if (atMs < nextMs) return;
    nextMs = atMs + RECOUNT_MS;
    for (const checker of checkers) checker.recount?.();
  };
  for await (const row of readInOrder(evidence.trace)) {
    if (row.what === "turn" && row.to === COLLECTED) break;
    reach(row.atMs);
    teller.row(row);
  }
  reach(Number.POSITIVE_INFINITY);
  world.nowMs = teller.lastMs;
  for (const checker of checkers) checker.settled?.();
  return findings;
}

type Told = { readonly atMs: number; readonly observation: Observation };

function toldOf(journals: Evidence["journals"]): Told[] {
  const all = [...journals].flatMap(([framework, rows]) =>
    rows.flatMap((row): Told[] => {
      if (row.what !== "told") return [];
      const { taskId, state, uuid, atMs } = row;
      return [{ atMs, observation: { what: "told", framework, taskId, state, uuid } }];
    }),
  );
  return all.sort((one, two) => one.atMs - two.atMs);
}

/** Turns rows of the trace into what checkers see. */
class Teller {
  readonly #checkers: readonly Checker[];
  readonly #world: ToldWorld;
  readonly #eyes = new FrameEyes(SUBJECTS);
  readonly #nodes = new Map<string, { name: string; life: number }>();
  /** Appends that wait for their answer, by where it is to come. */
  readonly #appends = new Map<string, Uint8Array>();
  lastMs = 0;

  constructor(checkers: readonly Checker[], world: ToldWorld) {
    this.#checkers = checkers;
    this.#world = world;
  }

  observe(observation: Observation): void {
    for (const checker of this.#checkers) checker.on(observation);
  }

  row(row: Row): void {
    this.lastMs = row.atMs;
    if (row.what === "start") this.#node(row.node).life = row.life;
    if (row.what !== "said" && row.what !== "heard") return;
    const data = Buffer.from(row.data, "base64");
    if (row.what === "said" && row.subject === SUBJECTS.log) {
      if (row.reply !== undefined) this.#appends.set(row.reply, data);
      return;
    }
    if (row.what === "heard" && this.#appends.has(row.subject)) {
      return this.#answered(row.subject, data);
    }
    const frame = this.#eyes.frame(row.subject, data);
    if (frame === undefined) return;
    this.observe({ what: row.what, node: this.#node(row.node), frame });
  }

  #node(name: string): SeenNode & { life: number } {
    let node = this.#nodes.get(name);
    if (node === undefined) {
      node = { name, life: 0 };
      this.#nodes.set(name, node);
    }
    return node;
  }

  /** The log has said that a record stands at a position: it must stand there for ever. */
  #answered(reply: string, data: Buffer): void {
    const record = this.#appends.get(reply);
    this.#appends.delete(reply);
    const answer = /"seq":\s*(\d+)/.exec(data.toString("utf8"));
    if (record === undefined || answer === null || data.includes('"error"')) return;
    this.#world.acknowledged.set(Number(answer[1]), record);
  }
}

/**
 * A leader dies with a large cluster full of tasks: how long until the next one has every agent,
 * task and framework back, and how long its turns keep its processor busy meanwhile.
 */
import type { MasterState } from "#actors/master";
import { isTerminal } from "#protocol";
import type { RunningActor } from "#runtime";
import type { ClusterMember } from "../../members.ts";
import { type Experiment, type Outcome, shown } from "../experiment.ts";
import type { Fields } from "../fields.ts";
import { collectGarbage, Meter } from "../meter.ts";
import { Testbed } from "../testbed.ts";
import { FillScheduler } from "./fill-scheduler.ts";

const NEED = { cpusMilli: 100, memMib: 64 };
const STEP_MS = 100;
const TELL_MS = 5_000;
/** A cluster that is not full by then will not be. */
const FILL_MS_MAX = 1_800_000;
/** What the leader's death may cost: bounds that the cluster is judged by. */
const AGENTS_BACK_S_MAX = 30;
const TURN_MS_MAX = 100;

type Say = (line: string) => void;

interface ReturnInputs {
  readonly masters: number;
  readonly brokers: number;
  readonly agents: number;
  readonly tasksPerAgent: number;
  readonly frameworks: number;
  readonly settleMs: number;
  /** Most virtual time that is waited for everything to be back, and that turns are watched. */
  readonly watchMs: number;
}

function inputsOf(fields: Fields): ReturnInputs {
  return {
    masters: fields.whole("masters", 2, 9),
    brokers: fields.whole("brokers", 1, 9),
    agents: fields.whole("agents", 1, 100_000),
    tasksPerAgent: fields.whole("tasksPerAgent", 1, 100),
    frameworks: fields.whole("frameworks", 1, 1_000),
    settleMs: fields.seconds("settleS", 0, 600),
    watchMs: fields.seconds("watchS", 1, 3_600),
  };
}

/** Virtual seconds from the leader's death; undefined: not within the time that was watched. */
interface Back {
  leadsS?: number;
  agentsS?: number;
  tasksS?: number;
  frameworksS?: number;
}

class Return {
  readonly #inputs: ReturnInputs;
  readonly #bed: Testbed;
  readonly #loads: readonly FillScheduler[];
  readonly #say: Say;
  #tellAtMs = 0;

  constructor(inputs: ReturnInputs, seed: string, say: Say) {
    this.#inputs = inputs;
    this.#say = say;
    const { masters, brokers, agents, tasksPerAgent, frameworks } = inputs;
    const machine = {
      cpusMilli: tasksPerAgent * NEED.cpusMilli,
      memMib: tasksPerAgent * NEED.memMib,
    };
    this.#bed = new Testbed({ seed, masters, brokers, agents, machine });
    this.#loads = Array.from(
      { length: frameworks },
      (_, index) => new FillScheduler(`fill-${index + 1}`, NEED),
    );
  }

  run(): Outcome {
    const { world } = this.#bed;
    this.#bed.start();
    for (const [index, load] of this.#loads.entries()) {
      this.#bed.addFramework(`fill-${index + 1}`, load);
    }
    this.#fill();
    this.#until(world.nowMs + this.#inputs.settleMs, () => false);
    const before = this.#leader();
    if (before === undefined) throw new Error("nobody leads the full cluster");
    const epoch = before.actor.state.epoch;
    collectGarbage();
    // Not before: reading the processor's timer at each turn would cost while the cluster fills.
    const meters = new Map(this.#bed.masters.map((one) => [one, new Meter(one.node)]));
    before.member.crash("the experiment ends it");
    const back = this.#watch(world.nowMs, epoch);
    const after = this.#leader();
    const meter = after === undefined ? undefined : meters.get(after.member);
    return this.#outcome(back, meter);
  }

  /** Who leads, with its state. */
  #leader(): { member: ClusterMember; actor: RunningActor<MasterState> } | undefined {
    for (const member of this.#bed.masters) {
      const actor = this.#bed.masterActors.get(member.name);
      if (member.node.up && actor?.lifecycle() === "leading") return { member, actor };
    }
    return undefined;
  }

  #fill(): void {
    const { agents, tasksPerAgent } = this.#inputs;
    const wanted = agents * tasksPerAgent;
    const full = (): boolean => this.#running() >= wanted;
    if (!this.#until(FILL_MS_MAX, full)) throw new Error("the cluster did not fill up");
  }

  #running(): number {
    return this.#loads.reduce((sum, { cpusMilli }) => sum + cpusMilli, 0) / NEED.cpusMilli;
  }

  /** Runs until it is so, or the time has come; answers whether it is so. */
  #until(untilMs: number, isSo: () => boolean): boolean {
    const { world } = this.#bed;
    while (!isSo()) {
      if (world.nowMs >= untilMs) return false;
      world.runUntil(Math.min(untilMs, world.nowMs + STEP_MS));
      if (world.nowMs < this.#tellAtMs) continue;
      this.#tellAtMs = world.nowMs + TELL_MS;
      const { user, system } = process.cpuUsage();
      const spent = `${shown((user + system) / 1_000_000, 0)} s of processor`;
      const memory = `${shown(process.memoryUsage.rss() / 1_048_576, 0)} MiB`;
      this.#say(`${world.nowMs / 1_000} s: ${this.#running()} tasks run, ${spent}, ${memory}`);
    }
    return true;
  }

  /** Looks on until everything is back, and on to the end of the time that turns are watched. */
  #watch(diedMs: number, epoch: number): Back {
    const { world } = this.#bed;
    const { agents, tasksPerAgent, frameworks, watchMs } = this.#inputs;
    const back: Back = {};
    const note = (name: keyof Back, isBack: () => boolean): void => {
      if (back[name] === undefined && isBack()) back[name] = (world.nowMs - diedMs) / 1_000;
    };
    this.#until(diedMs + watchMs, () => {
      const state = this.#leader()?.actor.state;
      if (state === undefined || state.epoch <= epoch) return false;
      note("leadsS", () => true);
      note("agentsS", () => registeredIn(state) === agents);
      note("tasksS", () => tasksKnownTo(state) === agents * tasksPerAgent);
      note("frameworksS", () => connectedTo(state) === frameworks);
      return false;
    });
    return back;
  }

  #outcome(back: Back, meter: Meter | undefined): Outcome {
    const { agents, tasksPerAgent } = this.#inputs;
    const { busyMs = 0, collectedMs = 0, longestMs = 0, turns = 0 } = meter ?? {};
    const lost = this.#loads.reduce((sum, load) => sum + load.lost, 0);
    const seconds = (s: number | undefined): string => shown(s, 1);
    return {
      tables: [
        {
          title: `A leader of ${agents} agents and ${agents * tasksPerAgent} tasks dies: virtual seconds`,
          columns: ["until", "s", "below"],
          rows: [
            ["another leads", seconds(back.leadsS), ""],
            ["every agent is back", seconds(back.agentsS), String(AGENTS_BACK_S_MAX)],
            ["every task is known", seconds(back.tasksS), ""],
            ["every framework is back", seconds(back.frameworksS), ""],
            ["tasks that were lost", String(lost), "1"],
          ],
        },
        {
          title: "The new leader's processor time on this machine",
          columns: ["what", "ms", "below"],
          rows: [
            ["longest turn", shown(longestMs, 0), String(TURN_MS_MAX)],
            ["all of its turns", shown(busyMs, 0), String(AGENTS_BACK_S_MAX * 1_000)],
            ["collections of the whole simulation in them", shown(collectedMs, 0), ""],
            ["turns", String(turns), ""],
          ],
        },
      ],
      charts: new Map(),
      data: { agents, tasks: agents * tasksPerAgent, back, lost },
      machine: {
        "longest turns": (meter?.longest ?? [])
          .map(({ ms, collectedMs: by, atMs }) => {
            return `${shown(ms, 0)} ms at ${shown(atMs / 1_000, 2)} s (and ${shown(by, 0)} of collections)`;
          })
          .join(", "),
      },
    };
  }
}

function registeredIn(state: MasterState): number {
  let count = 0;
  for (const { condition } of state.agents.values()) if (condition === "registered") count += 1;
  return count;
}

function tasksKnownTo(state: MasterState): number {
  let count = 0;
  for (const { tasks } of state.frameworks.values()) {
    for (const task of tasks.values()) if (!isTerminal(task.state)) count += 1;
  }
  return count;
}

function connectedTo(state: MasterState): number {
  let count = 0;
  for (const { connected } of state.frameworks.values()) if (connected) count += 1;
  return count;
}

export const RETURN: Experiment = {
  name: "return/leader",
  prepare(fields, seed) {
    const inputs = inputsOf(fields);
    return (say) => new Return(inputs, seed, say).run();
  },
};

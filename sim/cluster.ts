/**
 * A whole simulated cluster: brokers, log, masters, agents, frameworks with their work, faults
 * and checkers, in one world. Owns the phases of a run: faults, heal, convergence.
 */
import { WITNESS_FILE } from "#actors/master";
import { asId, type ClusterId, subjectsOf } from "#protocol";
import {
  type CheckedWorld,
  type Checker,
  CHECKERS,
  type Violation,
  Watch,
} from "./checkers/index.ts";
import {
  FAULTS_NODE,
  type FaultProgram,
  type FaultTarget,
  type Member,
  type MemberRole,
  type PlannedFault,
  Swarm,
} from "./faults/index.ts";
import { frameOf } from "./frames.ts";
import type { SimNode } from "./kernel/node.ts";
import type { DrawListener } from "./kernel/prng.ts";
import { World } from "./kernel/world.ts";
import type { Around, Begin, ClusterMember } from "./members.ts";
import { BusEyes, type Observation } from "./observation.ts";
import { opened } from "./opened.ts";
import { SimOperator } from "./operator.ts";
import { BusNetwork } from "./ports/bus.ts";
import { LogCluster } from "./ports/log-cluster.ts";
import { Paths } from "./ports/paths.ts";
import { agentMember, drawnSetting, frameworkMember, masterMember, successorOf } from "./roles.ts";
import { Sometimes } from "./sometimes.ts";
import { Trace } from "./trace.ts";
import { TraceEyes } from "./trace-eyes.ts";
import { BatchWork } from "./workloads/batch.ts";
import type { WorkloadKind } from "./workloads/items.ts";

/** Different violations of one statement that a run keeps; further ones are counted. */
export const VIOLATIONS_PER_ID_MAX = 5;
/** Violations are records of a node of that name. */
export const CHECKERS_NODE = "checkers";
/** How often full recounts are made, in virtual time. */
const RECOUNT_MS = 500;
/** From the end of the last task until executors that have nothing left to do are gone. */
const SETTLE_MS = 10_000;

export interface ClusterOptions {
  readonly seed: string;
  readonly masters: number;
  readonly agents: number;
  readonly frameworks: number;
  readonly brokers: number;
  /** Work items of each framework. */
  readonly items: number;
  readonly profile: "nats" | "hostile";
  /** Virtual length of the run. Faults end after 7/10 of it; then everything must converge. */
  readonly untilMs: number;
  /** Mean time between faults; 0: none but the leader's death in the middle. */
  readonly faultEveryMs: number;
  /** Names of faults that may be drawn. */
  readonly onlyFaults?: readonly string[];
  /** Which faults, and when; absent: what the two fields above say. */
  readonly program?: FaultProgram;
  /** When everything is healed; absent: after 7/10 of the run. */
  readonly healMs?: number;
  /** What frameworks do: batches that are drawn, or more than there is room for; absent: batches. */
  readonly workload?: WorkloadKind;
  /** No master is of the version before this one; absent: that is drawn. */
  readonly presentVersions?: boolean;
  /** Names of the work items that are done; absent: all. What is left out was still drawn. */
  readonly onlyItems?: readonly string[];
  /** Ends the run here, whatever is still open: nothing later is of interest. */
  readonly cutMs?: number;
  /** These faults and no others, as an earlier run applied them. */
  readonly plan?: readonly PlannedFault[];
  /** Statements whose first violation ends the run. */
  readonly stopAt?: readonly string[];
  readonly keepTrace?: boolean;
  readonly heard?: DrawListener;
  /** How masters and agents are started; absent: as they are. */
  readonly begin?: Begin;
}

export class SimCluster implements FaultTarget, CheckedWorld {
  readonly world: World;
  readonly trace: Trace;
  readonly paths: Paths;
  readonly network: BusNetwork;
  readonly log: LogCluster;
  readonly brokers: readonly string[];
  readonly swarm: Swarm;
  readonly operator: SimOperator;
  readonly works = new Map<string, BatchWork>();
  readonly violations: Violation[] = [];
  readonly violationCounts = new Map<string, number>();
  readonly leaders: { epoch: number; node: string; atMs: number }[] = [];
  readonly options: ClusterOptions;
  readonly #members: ClusterMember[] = [];
  readonly #checkers: readonly Checker[];
  readonly #watch: Watch;
  /** How long an offer of this run may stand. */
  readonly offerTimeoutMs: number;
  readonly #seen = new Set<string>();
  /** Rare branches that this run has reached. */
  readonly sometimes: Sometimes;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.trace = new Trace({ keepAll: options.keepTrace ?? false });
    const { seed, heard } = options;
    this.world = new World({
      seed,
      recorder: this.trace,
      ...(heard === undefined ? {} : { heard }),
    });
    this.paths = new Paths(this.world);
    this.brokers = names("broker", options.brokers);
    const { brokers, paths, world } = this;
    this.network = new BusNetwork(world, paths, { brokers, profile: options.profile });
    this.log = new LogCluster(this.network, brokers);
    const observe = (observation: Observation): void => this.#observe(observation);
    const subjects = subjectsOf(asId<ClusterId>("sim"));
    if (this.trace.keeps) this.#explain(this.trace);
    this.network.observers.push(new BusEyes(subjects, observe));
    this.#checkers = CHECKERS.map((make) =>
      make(this, (id, message) => this.#violate(id, message)),
    );
    this.#watch = new Watch(this.#checkers);
    this.offerTimeoutMs = drawnSetting(this.world.seed, "offerTimeoutMs");
    this.sometimes = new Sometimes(() => world.nowMs);
    this.swarm = new Swarm(world, this, observe);
    this.operator = new SimOperator({
      world,
      network: this.network,
      log: this.log,
      subjects,
      observe,
    });
    const { begin, presentVersions = false } = options;
    const parts = { world, network: this.network, log: this.log, subjects, observe };
    const around = { ...{}, ...parts, presentVersions };
    this.#populate(begin === undefined ? around : { ...{}, ...around, begin });
  }

  /** Runs all phases and the last checks. */
  run(): void {
    const { untilMs, plan, healMs = (untilMs * 7) / 10, cutMs = untilMs } = this.options;
    for (const member of this.#members) {
      if (member.spare) continue;
      // Processes of a cluster are not started in the same instant.
      this.world.at(this.world.seed.stream("topology").below(2_000), () => member.start());
    }
    if (plan !== undefined) this.swarm.follow(plan);
    else this.swarm.perform(this.options.program ?? defaultProgram(this.options, healMs));
    this.world.at(healMs, () => this.#heal());
    const endMs = Math.min(untilMs, cutMs);
    let lastMs = endMs;
    for (let atMs = RECOUNT_MS; atMs <= lastMs && !this.world.stopped; atMs += RECOUNT_MS) {
      this.world.runUntil(atMs);
      for (const checker of this.#checkers) checker.recount?.();
      // Work that was begun late ends first, and has a moment to be told and cleared away.
      const isLate = endMs === untilMs && atMs + SETTLE_MS > untilMs && atMs < (untilMs * 9) / 8;
      const hasTime = untilMs - healMs > SETTLE_MS;
      if (isLate && hasTime && this.#isUnderWay()) lastMs = Math.max(lastMs, atMs + SETTLE_MS);
    }
    this.#countRare();
    if (this.world.stopped || endMs < untilMs) return;
    for (const checker of this.#checkers) checker.settled?.();
  }

  /** Whether a task runs whose item is done when it ends. */
  #isUnderWay(): boolean {
    return [...this.works.values()].some((work) => work.isUnderWay);
  }

  /** What is seen on disks and in the log only. */
  #countRare(): void {
    for (const { disk, node } of this.#members) {
      if (node.up) this.sometimes.reached("torn-tail-replayed", disk.tornAppends);
    }
    this.sometimes.reached("log-elected-anew", this.log.elections);
    const lost = [...this.log.acknowledged.values()].filter(marksUnreachable);
    this.sometimes.reached("agent-marked-unreachable", lost.length);
  }

  /** What a kept trace says besides: messages in words, and what actors become. */
  #explain(trace: Trace): void {
    const { world } = this;
    this.network.observers.push(new TraceEyes(world, trace));
    world.onTurn = ({ name }) => {
      const member = this.#members.find((one) => one.name === name);
      if (member === undefined) return;
      trace.state(world.nowMs, name, world.cause, member.facts?.() ?? {});
    };
  }

  #heal(): void {
    const { world } = this;
    const healed = world.record({ node: FAULTS_NODE, kind: "heal", summary: "everything" });
    world.because(healed, () => {
      this.swarm.heal();
      this.paths.healAll();
      for (const broker of this.brokers) this.network.startBroker(broker);
      for (const member of this.#members) if (!member.spare) member.restart();
    });
  }

  #populate(around: Around): void {
    const { masters, agents, frameworks, items, untilMs, onlyItems: only } = this.options;
    const { workload: kind = "batch" } = this.options;
    const { world } = this;
    for (const name of names("master", masters)) this.#members.push(masterMember(around, name));
    for (const name of names("agent", agents)) {
      const member = agentMember(around, name);
      member.machine?.observers.push({
        started: (machine, container) => this.#observe({ what: "started", machine, container }),
        ended: (machine, container) => this.#observe({ what: "ended", machine, container }),
      });
      this.#members.push(member);
    }
    for (const name of names("framework", frameworks)) {
      const chance = world.seed.stream(`work:${name}`);
      // A scenario says when it heals: its story counts on work of one kind.
      const plain = this.options.healMs !== undefined;
      const overMs = untilMs / 2;
      const executors = world.seed.stream(`executors:${name}`);
      const options = { name, kind, items, chance, executors, overMs, world, only, plain };
      const work = new BatchWork(options);
      this.works.set(name, work);
      this.#members.push(frameworkMember(around, name, work));
      this.#members.push(frameworkMember(around, name, work, true));
    }
    world.onUncaught = (node, error) => {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#violate("X2", `${node.name} threw past its host: ${why}`);
      this.#members.find((member) => member.node === node)?.died("uncaught");
    };
  }

  #observe(observation: Observation): void {
    if (observation.what === "said") this.#watchLeader(observation);
    this.sometimes.on(observation);
    this.#watch.tell(observation);
  }

  #watchLeader({ node, frame }: Observation & { what: "said" }): void {
    if (frame.speaker !== "master") return;
    const last = this.leaders.at(-1);
    if (!frame.messages.some(({ kind }) => kind === "Beacon")) return;
    if (last !== undefined && frame.epoch <= last.epoch) return;
    this.leaders.push({ epoch: frame.epoch, node: node.name, atMs: this.world.nowMs });
  }

  #violate(id: string, message: string): void {
    const key = `${id} ${message}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const count = (this.violationCounts.get(id) ?? 0) + 1;
    this.violationCounts.set(id, count);
    if (count > VIOLATIONS_PER_ID_MAX) return;
    const { events, nowMs } = this.world;
    this.violations.push({ id, message, event: events, atMs: nowMs, frame: frameOf(message) });
    this.world.record({ node: CHECKERS_NODE, kind: "violation", summary: key });
    if (this.options.stopAt?.includes(id)) this.world.stop();
  }

  // What faults and checkers may look at -------------------------------------------------------

  members(role?: MemberRole): readonly Member[] {
    return role === undefined ? this.#members : this.#members.filter((one) => one.role === role);
  }

  leader(): Member | undefined {
    const name = this.leaders.at(-1)?.node;
    return this.#members.find((one) => one.name === name && one.node.up && !one.node.paused);
  }

  executors(): readonly SimNode[] {
    const nodes = [...this.world.nodes()];
    return nodes.filter(({ name, up }) => up && name.startsWith("executor-"));
  }

  scheduler(name: string): BatchWork | undefined {
    return this.works.get(name);
  }

  successor(name: string): Member | undefined {
    return this.#members.find((one) => one.name === successorOf(name));
  }

  get restingSinceMs(): number | undefined {
    return this.swarm.restingSinceMs;
  }

  *backlogged(): IterableIterator<string> {
    // The role of a framework has its name.
    for (const [name, work] of this.works) if (work.isBacklogged) yield name;
  }

  get nowMs(): number {
    return this.world.nowMs;
  }

  get pending(): number {
    return this.world.pending;
  }

  *waiting(): IterableIterator<readonly [string, number]> {
    for (const node of this.world.nodes()) if (node.up) yield [node.name, node.waiting];
  }

  *running(): IterableIterator<readonly [string, readonly string[]]> {
    for (const { machine } of this.#members) {
      if (machine === undefined) continue;
      const running = [...machine.containers.values()].filter((one) => one.running);
      yield [machine.name, running.map(({ plan }) => plan.containerId)];
    }
  }

  *agents(): IterableIterator<readonly [string, boolean]> {
    for (const { name, role, node } of this.#members) if (role === "agent") yield [name, node.up];
  }

  journal(principal: string): Uint8Array | undefined {
    return this.#onDisk(principal, "agent/journal");
  }

  meta(principal: string): Uint8Array | undefined {
    return this.#onDisk(principal, "agent/meta");
  }

  #onDisk(member: string, path: string): Uint8Array | undefined {
    return this.#members.find(({ name }) => name === member)?.disk.files.get(path);
  }

  *paused(): IterableIterator<string> {
    for (const { name, node } of this.#members) if (node.paused) yield name;
  }

  *witnesses(): IterableIterator<readonly [string, Uint8Array]> {
    for (const { name, role, disk } of this.#members) {
      const bytes = role === "master" ? disk.files.get(WITNESS_FILE) : undefined;
      if (bytes !== undefined) yield [name, bytes];
    }
  }

  *unfinished(): IterableIterator<readonly [string, string]> {
    for (const [name, work] of this.works) {
      for (const item of work.unfinished()) yield [name, item];
    }
  }

  *wrong(): IterableIterator<string> {
    for (const work of this.works.values()) yield* work.wrong;
  }
}

function marksUnreachable(bytes: Uint8Array): boolean {
  const found = opened(bytes);
  if (found.kind !== "record") return false;
  return found.record.operations.some(({ kind }) => kind === "AgentMarkedUnreachable");
}

/** Changes of the leader that a run of ten minutes with faults of every kind has at least. */
const LEADER_CHANGES_MIN = 5;
/** How often a run looks whether it has had its share of them: what is killed while nobody leads is nothing. */
const LEADER_LOOKS = LEADER_CHANGES_MIN + 1;

/**
 * Faults are drawn until the heal, and in the middle the leader dies whatever else happens. Faults
 * that a run leaves out may be all that would end a leader, so where few have led by then, one more
 * is killed.
 */
function defaultProgram(
  { untilMs, faultEveryMs, onlyFaults }: ClusterOptions,
  healMs: number,
): FaultProgram {
  const fromMs = untilMs / 20;
  const common = { fromMs, untilMs: healMs, everyMs: faultEveryMs, keepsPace: true };
  const only = onlyFaults === undefined ? {} : { only: onlyFaults };
  const kill = { name: "leader-kill", lastsMs: 10_000 };
  const isWhole = faultEveryMs > 0 && onlyFaults === undefined;
  const middleMs = (fromMs + healMs) / 2;
  const looks = Array.from({ length: isWhole ? LEADER_LOOKS : 0 }, (_, index) => ({
    ...{},
    ...kill,
    atMs: middleMs + ((index + 1) / (LEADER_LOOKS + 1)) * (healMs - middleMs),
    unlessLeaders: 1 + Math.min(index + 1, LEADER_CHANGES_MIN),
  }));
  return {
    scheduled: [{ ...{}, ...kill, atMs: untilMs / 2 }, ...looks],
    drawn: faultEveryMs > 0 ? [{ ...{}, ...common, ...only }] : [],
  };
}

function names(role: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${role}-${index + 1}`);
}

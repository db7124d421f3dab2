/**
 * A cluster to be measured rather than tried: production masters, agents and frameworks with the
 * product's settings under virtual time, machines of a given size, no faults, no checkers. Owns
 * who takes part; what is measured is the affair of each experiment.
 */
import type { MasterState } from "#actors/master";
import { asId, type ClusterId, subjectsOf } from "#protocol";
import type { RunningActor } from "#runtime";
import { Counting } from "./counting.ts";
import { World } from "../kernel/world.ts";
import type { Around, ClusterMember } from "../members.ts";
import { BusNetwork } from "../ports/bus.ts";
import { LogCluster } from "../ports/log-cluster.ts";
import { Paths } from "../ports/paths.ts";
import type { MachineSize } from "../machine-size.ts";
import { agentMember, frameworkMember, masterMember } from "../roles.ts";
import type { Work } from "../workloads/work.ts";

/** Processes of a cluster are not started in the same instant: these are spread over so long. */
export const START_SPREAD_MS = 2_000;

export interface TestbedOptions {
  readonly seed: string;
  readonly masters: number;
  readonly brokers: number;
  readonly agents: number;
  readonly machine: MachineSize;
  /** Agents are started over so long; absent: over `START_SPREAD_MS`, as masters are. */
  readonly startSpreadMs?: number;
  /** How often the leader says that it leads; the product's default where nothing is said. */
  readonly beaconIntervalMs?: number;
  /** How often an agent says what its containers use; likewise. */
  readonly usageIntervalMs?: number;
}

export class Testbed {
  readonly world: World;
  readonly counting = new Counting();
  readonly around: Around;
  readonly masters: readonly ClusterMember[];
  readonly agents: readonly ClusterMember[];
  readonly frameworks: ClusterMember[] = [];
  readonly #startSpreadMs: number;
  /** The last life of each master. */
  readonly masterActors = new Map<string, RunningActor<MasterState>>();

  constructor(options: TestbedOptions) {
    const { seed, beaconIntervalMs, usageIntervalMs } = options;
    this.#startSpreadMs = options.startSpreadMs ?? START_SPREAD_MS;
    this.world = new World({ seed, recorder: this.counting, drawBatches: false });
    const paths = new Paths(this.world);
    const brokers = names("broker", options.brokers);
    const network = new BusNetwork(this.world, paths, { brokers, profile: "nats" });
    this.around = {
      world: this.world,
      network,
      log: new LogCluster(network, brokers),
      subjects: subjectsOf(asId<ClusterId>("sim")),
      observe: (observation) => this.counting.observe(observation),
      steady: true,
      begin: (name, recipe, surroundings, start) => {
        const { main } = start(surroundings);
        // A recipe says which state its actor has.
        if (recipe.kind === "master") this.masterActors.set(name, main as RunningActor<never>);
        return main;
      },
      ...(beaconIntervalMs === undefined ? {} : { master: { beaconIntervalMs } }),
      ...(usageIntervalMs === undefined ? {} : { agent: { usageIntervalMs } }),
    };
    this.masters = names("master", options.masters).map((name) => masterMember(this.around, name));
    this.agents = names("agent", options.agents).map((name) =>
      agentMember(this.around, name, options.machine),
    );
  }

  /** Starts masters over the first seconds, and agents over the time that is theirs. */
  start(): void {
    this.#startWithin(START_SPREAD_MS, this.masters);
    this.#startWithin(this.#startSpreadMs, this.agents);
  }

  #startWithin(spreadMs: number, members: readonly ClusterMember[]): void {
    const chance = this.world.seed.stream("topology");
    for (const member of members) this.world.at(chance.below(spreadMs), () => member.start());
  }

  /** A framework that is started now. Its role is its name. */
  addFramework(name: string, work: Work): ClusterMember {
    const member = frameworkMember(this.around, name, work);
    this.frameworks.push(member);
    member.start();
    return member;
  }
}

function names(role: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${role}-${index + 1}`);
}

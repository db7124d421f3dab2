/**
 * What the isolator of a node owns: its containers, and how far each of them is. Mutated by the
 * isolator's step alone.
 */
import type { ContainerId, Limitation } from "#protocol";
import type { ContainerExit, LaunchPlan, LogRotation } from "#runtime";
import type { CgroupDriver, CgroupValues } from "../cgroups/driver.ts";
import type { Checkpoint, ContainerSpec } from "../container.ts";
import { DESTROY_BEGIN, type DestroyProgress } from "../destroy.ts";
import type { Isolator, Machine } from "../isolator.ts";
import type { Watch, Watched, WatchIntervals } from "../watch.ts";
import { ContainerLife } from "./container-machine.ts";

/** Most containers of one node at a time; further ones are refused `busy`. */
export const CONTAINERS_MAX = 4_096;
/** How often prepare and recover are tried before the isolator gives up. */
export const RECOVER_ATTEMPTS_MAX = 8;
/** First and longest pause before a request that the launcher did not take is repeated. */
export const REQUEST_RETRY_MS_MIN = 50;
export const REQUEST_RETRY_MS_MAX = 5_000;

export interface IsolatorConfig {
  /** Containers of other agents in the same directories are left alone. */
  readonly agentId: string;
  readonly machine: Machine;
  readonly driver: CgroupDriver;
  readonly isolators: readonly Isolator[];
  /** Bounds of stdout and stderr of every container. */
  readonly logs: LogRotation;
  /** Absent: what no kernel bounds is not bounded. */
  readonly watch?: WatchIntervals;
}

/** What the agent asked for, or what stands in the checkpoint of an earlier life. */
export type Origin = ContainerSpec | Checkpoint;

export interface Container {
  readonly containerId: ContainerId;
  readonly life: ContainerLife;
  origin: Origin | null;
  values: CgroupValues | null;
  /** What the isolator itself must look at; empty: nothing. */
  watch: Watch;
  /** What it overstepped, for which it is being ended. */
  limitation: Limitation | null;
  /** Kept until the launcher has taken it, to be asked again. */
  plan: LaunchPlan | null;
  exit: ContainerExit | null;
  /** True once the launcher has said that it runs, in this life or an earlier one. */
  launched: boolean;
  /** Nobody waits for its end: destroyed and forgotten. */
  orphan: boolean;
  /** Shortest grace that a kill has named; null while nobody wants it dead. */
  graceMs: number | null;
  /** The agent has its end on disk. */
  forgettable: boolean;
  /** Failed tries of the launch in hand. */
  failures: number;
  progress: DestroyProgress;
}

export class IsolatorState {
  readonly config: IsolatorConfig;
  readonly containers = new Map<string, Container>();
  /** Ids that the agent's journal names, while recovering. */
  known: ReadonlySet<string> = new Set();
  bootId = "";
  attempts = 0;
  sampling = false;
  /** Containers that the round in hand has still to measure. */
  readonly rounds: Record<Watched, string[]> = { disk: [], ports: [] };

  constructor(config: IsolatorConfig) {
    this.config = config;
  }

  add(containerId: ContainerId, found: boolean): Container {
    const container: Container = {
      containerId,
      life: new ContainerLife(found),
      origin: null,
      values: null,
      watch: {},
      limitation: null,
      plan: null,
      exit: null,
      launched: found,
      orphan: false,
      graceMs: null,
      forgettable: false,
      failures: 0,
      progress: DESTROY_BEGIN,
    };
    this.containers.set(containerId, container);
    return container;
  }
}

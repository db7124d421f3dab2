/** What a fault is: a name, something that goes wrong, and how it is put right again. */
import type { Chance } from "../kernel/prng.ts";
import type { SimNode } from "../kernel/node.ts";
import type { BusNetwork } from "../ports/bus.ts";
import type { SimDisk } from "../ports/disk.ts";
import type { SimLauncher } from "../ports/launcher.ts";
import type { LogCluster } from "../ports/log-cluster.ts";
import type { SimMachine } from "../ports/machine.ts";
import type { Paths } from "../ports/paths.ts";

export type MemberRole = "master" | "agent" | "framework";

/** One process of the cluster, as faults see it. */
export interface Member {
  readonly name: string;
  readonly role: MemberRole;
  readonly node: SimNode;
  readonly disk: SimDisk;
  /** Agents only. */
  readonly machine: SimMachine | undefined;
  /** Agents only: the launcher's port of the present life. */
  launcher(): SimLauncher | undefined;
  /** Ends the process at once. */
  crash(why: string): void;
  /** Starts it from what its disk holds. */
  restart(): void;
}

/** What faults may touch. */
export interface FaultTarget {
  readonly paths: Paths;
  readonly network: BusNetwork;
  readonly log: LogCluster;
  readonly brokers: readonly string[];
  members(role?: MemberRole): readonly Member[];
  /** The master that leads now, as far as its beacons say. */
  leader(): Member | undefined;
}

export interface Applied {
  /** Resolved names of what it was done to; they go into the trace. */
  readonly target: string;
  /** Puts it right. Absent: it is over at once. */
  readonly heal?: () => void;
}

export interface Fault {
  readonly name: string;
  readonly statement: string;
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** How long it lasts, in ms, both included; so the cluster is seen settling too. */
  readonly lastsMs: readonly [low: number, high: number];
  /** Undefined: there is nothing now that it could be done to. */
  apply(target: FaultTarget, chance: Chance): Applied | undefined;
}

/** One of the members of a role that are up. */
export function anyUp(target: FaultTarget, chance: Chance, role?: MemberRole): Member | undefined {
  return chance.pick(target.members(role).filter(({ node }) => node.up && !node.paused));
}

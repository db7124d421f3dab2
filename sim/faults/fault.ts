/**
 * What a fault is: a name, something that goes wrong, how it is put right again. Whom it hits and
 * how hard are plain values, resolved before it is applied, so that a run can be repeated, edited
 * and shrunk without the draws that led to it.
 */
import type { MessageOf, OperatorCallKind } from "#protocol";
import type { SimNode } from "../kernel/node.ts";
import type { BusNetwork } from "../ports/bus.ts";
import type { SimDisk } from "../ports/disk.ts";
import type { SimLauncher } from "../ports/launcher.ts";
import type { LogCluster } from "../ports/log-cluster.ts";
import type { SimMachine } from "../ports/machine.ts";
import type { Paths } from "../ports/paths.ts";
import type { Scheduler } from "../workloads/scheduler.ts";

/** What operators ask the leader for. */
export type OperatorQuestion = MessageOf<OperatorCallKind>;

export interface Operator {
  /** Asks after all that was asked before has been answered. */
  ask(question: OperatorQuestion): void;
}

export type MemberRole = "master" | "agent" | "framework";

/** One process of the cluster, as faults see it. */
export interface Member {
  readonly name: string;
  readonly role: MemberRole;
  readonly node: SimNode;
  /** How often its work directory was given up: agents are others then. */
  readonly replacements: number;
  readonly disk: SimDisk;
  /** Agents only. */
  readonly machine: SimMachine | undefined;
  /** Agents only: the launcher's port of the present life. */
  launcher(): SimLauncher | undefined;
  /** Ends the process at once. */
  crash(why: string): void;
  /** Starts it from what its disk holds. */
  restart(): void;
  /** Agents only: ends it, its containers and its work directory; it comes back as another. */
  replace(): void;
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
  /** All that have led so far, one for each epoch. */
  readonly leaders: readonly { readonly epoch: number }[];
  /** Who asks the leader for quotas and weights. */
  readonly operator: Operator;
  /** Processes of custom executors that are up. */
  executors(): readonly SimNode[];
  /** The scheduler that runs in a framework's process. */
  scheduler(name: string): Scheduler | undefined;
  /** The process that stands by to take a framework over. */
  successor(name: string): Member | undefined;
}

/** Whom a fault hits and how hard: resolved names and numbers, no draws. */
export interface FaultArgs {
  /** Names of those it is done to, in the order in which it is done. */
  readonly on: readonly string[];
  /** The other side: whom they do not reach, in whose favour, in which order they come back. */
  readonly to?: readonly string[];
  /** How much; its unit is the fault's. */
  readonly by?: number;
}

export interface Applied {
  /** Puts it right. Absent: it is over at once. */
  readonly heal?: () => void;
}

export type FaultGroup =
  | "process"
  | "network"
  | "bus"
  | "time"
  | "disk"
  | "log"
  | "cluster"
  | "framework"
  | "executor"
  | "operator";

export interface Fault {
  readonly name: string;
  readonly group: FaultGroup;
  readonly statement: string;
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** How long it lasts, in ms, both included; so the cluster is seen settling too. */
  readonly lastsMs: readonly [low: number, high: number];
  /** Whom it hits where nothing else is said. */
  readonly on: string;
  readonly to?: string;
  /** How hard: bounds of what is drawn, and the unit. */
  readonly by?: { readonly low: number; readonly high: number; readonly unit: string };
  /** A milder fault that takes the same arguments: tried by the shrinker. */
  readonly milder?: string;
  /** Undefined: it cannot be done to them now. */
  apply(target: FaultTarget, args: FaultArgs): Applied | undefined;
}

/** Those of the names that are members, up and not paused. */
export function upOf(target: FaultTarget, names: readonly string[]): Member[] {
  const up = target.members().filter(({ node }) => node.up && !node.paused);
  return names.flatMap((name) => up.filter((member) => member.name === name));
}

/** The first of them. */
export function firstUp(target: FaultTarget, { on }: FaultArgs): Member | undefined {
  return upOf(target, on)[0];
}

/** One line for the trace: what was hit, whom it does not reach, how hard. */
export function argsText({ on, to, by }: FaultArgs): string {
  const other = to === undefined ? "" : ` | ${to.join(" ")}`;
  return `${on.join(" ")}${other}${by === undefined ? "" : ` ×${by}`}`;
}

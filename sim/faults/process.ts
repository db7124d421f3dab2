/** Faults of processes: they end, stand still, or are slow. */
import type { SimNode } from "../kernel/node.ts";
import {
  type Applied,
  type Fault,
  type FaultArgs,
  type FaultTarget,
  firstUp,
  type Member,
  upOf,
} from "./fault.ts";

/** Ends them all; they come back when it is over. */
function ended(members: readonly Member[], why: string): Applied | undefined {
  if (members.length === 0) return undefined;
  for (const member of members) member.crash(why);
  return {
    heal: () => {
      for (const member of members) member.restart();
    },
  };
}

function crash(role: string, on: string, weight: number): Fault {
  return {
    name: `crash-${role}`,
    group: "process",
    statement: `the process of one ${role} ends in the middle of what it does and comes back`,
    weight,
    lastsMs: [500, 20_000],
    on,
    milder: "pause",
    apply: (target, { on: names }) => ended(upOf(target, names), "fault"),
  };
}

export function halted(how: "pause" | "suspend", nodes: readonly SimNode[]): Applied | undefined {
  if (nodes.length === 0) return undefined;
  const lives = nodes.map((node) => [node, node.life] as const);
  for (const node of nodes) node.halt(how);
  return {
    heal: () => {
      for (const [node, life] of lives) if (node.life === life) node.resume();
    },
  };
}

function pause(name: string, on: string, statement: string, weight: number): Fault {
  return {
    name,
    group: "process",
    statement,
    weight,
    lastsMs: name === "pause" ? [200, 15_000] : [2_000, 20_000],
    on,
    milder: "slow",
    apply: (target, { on: names }) =>
      halted(
        "pause",
        upOf(target, names).map(({ node }) => node),
      ),
  };
}

/** A standby is told that nobody leads; its leader is busy, so it learns of it among other mail. */
function rival(target: FaultTarget, { on, to, by = 50 }: FaultArgs): Applied | undefined {
  const [challenger] = upOf(target, on);
  const [leader] = upOf(target, to ?? []);
  if (challenger === undefined || leader === undefined || challenger === leader) return undefined;
  target.network.hearNobody(challenger.name, true);
  leader.node.slowness = by;
  return {
    heal: () => {
      target.network.hearNobody(challenger.name, false);
      leader.node.slowness = 1;
    },
  };
}

/** The process of whoever appends next ends when its record is committed, before it hears so. */
function crashInAppend(target: FaultTarget, args: FaultArgs): Applied | undefined {
  const leader = firstUp(target, args);
  if (leader === undefined) return undefined;
  const { life } = leader.node;
  const { log } = target;
  log.onceCommitted = () => {
    if (leader.node.up && leader.node.life === life) leader.crash("leader-crash-in-append");
  };
  return {
    heal: () => {
      log.onceCommitted = undefined;
      leader.restart();
    },
  };
}

/** Ends and starts them one after another, each when the one before is back, as upgrades do. */
function rolls(target: FaultTarget, { on, by = 1_000 }: FaultArgs): Applied | undefined {
  const members = upOf(target, on);
  const { world } = target.network;
  let over = false;
  for (const [index, member] of members.entries()) {
    world.after(index * by, () => {
      if (over || !member.node.up) return;
      member.crash("rolling-restart");
      world.after(by / 2, () => member.restart());
    });
  }
  const heal = (): void => {
    over = true;
    for (const member of members) member.restart();
  };
  return members.length === 0 ? undefined : { heal };
}

function rollingRestart(role: string): Fault {
  return {
    name: `rolling-restart-${role}s`,
    group: "process",
    statement: `every ${role} is restarted, one after another, as for a new version`,
    weight: 1,
    lastsMs: [8_000, 40_000],
    on: `${role}s`,
    by: { low: 500, high: 4_000, unit: "ms from one to the next" },
    milder: `crash-${role}`,
    apply: rolls,
  };
}

export const PROCESS_FAULTS: readonly Fault[] = [
  crash("master", "anyMaster", 2),
  crash("agent", "anyAgent", 4),
  crash("framework", "anyFramework", 2),
  rollingRestart("master"),
  rollingRestart("agent"),
  pause("pause", "anyMember", "a process stands still (SIGSTOP) while its clocks go on", 3),
  pause(
    "leader-pause",
    "leader",
    "the leading master stands still long enough to be replaced, then goes on",
    2,
  ),
  pause(
    "framework-pause",
    "anyFramework",
    "a scheduler stands still for longer than its updates are waited for",
    2,
  ),
  {
    name: "suspend",
    group: "process",
    statement: "a machine sleeps: its monotonic clock stands still too",
    weight: 1,
    lastsMs: [200, 15_000],
    on: "anyMember",
    milder: "pause",
    apply: (target, { on }) =>
      halted(
        "suspend",
        upOf(target, on).map(({ node }) => node),
      ),
  },
  {
    name: "leader-kill",
    group: "process",
    statement: "the process of the leading master ends",
    weight: 2,
    lastsMs: [2_000, 30_000],
    on: "leader",
    milder: "leader-pause",
    apply: (target, { on }) => ended(upOf(target, on), "leader-kill"),
  },
  {
    name: "leader-crash-in-append",
    group: "process",
    statement: "the leader's process ends when its next record is committed, before it hears so",
    weight: 2,
    lastsMs: [2_000, 15_000],
    on: "leader",
    milder: "leader-kill",
    apply: crashInAppend,
  },
  {
    name: "rival",
    group: "process",
    statement: "a standby is told that nobody leads and campaigns against a busy, living leader",
    weight: 3,
    lastsMs: [3_000, 6_000],
    on: "follower",
    to: "leader",
    by: { low: 20, high: 200, unit: "times slower" },
    apply: rival,
  },
  {
    name: "slow",
    group: "process",
    statement: "a process needs many times as long for everything",
    weight: 1,
    lastsMs: [5_000, 30_000],
    on: "anyMember",
    by: { low: 5, high: 50, unit: "times slower" },
    apply: (target, { on, by = 10 }) => {
      const members = upOf(target, on);
      for (const { node } of members) node.slowness = by;
      const heal = (): void => {
        for (const { node } of members) node.slowness = 1;
      };
      return members.length === 0 ? undefined : { heal };
    },
  },
];

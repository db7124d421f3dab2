/** Faults of processes: they end, stand still, or are slow. */
import type { SimNode } from "../kernel/node.ts";
import { type Applied, anyUp, type Fault, type Member, type MemberRole } from "./fault.ts";

function ended(member: Member | undefined, why: string): Applied | undefined {
  if (member === undefined) return undefined;
  member.crash(why);
  return { target: member.name, heal: () => member.restart() };
}

function crash(role: MemberRole, weight: number): Fault {
  return {
    name: `crash-${role}`,
    statement: `a ${role}'s process ends in the middle of what it does and comes back`,
    weight,
    lastsMs: [500, 20_000],
    apply: (target, chance) => ended(anyUp(target, chance, role), "fault"),
  };
}

function halted(how: "pause" | "suspend", node: SimNode): Applied {
  node.halt(how);
  const { life } = node;
  return {
    target: node.name,
    heal: () => {
      if (node.life === life) node.resume();
    },
  };
}

function halt(how: "pause" | "suspend"): Fault {
  return {
    name: how,
    statement:
      how === "pause"
        ? "a process stands still (SIGSTOP) while its clocks go on"
        : "a machine sleeps: its monotonic clock stands still too",
    weight: how === "pause" ? 3 : 1,
    lastsMs: [200, 15_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      return member === undefined ? undefined : halted(how, member.node);
    },
  };
}

export const PROCESS_FAULTS: readonly Fault[] = [
  crash("master", 2),
  crash("agent", 4),
  crash("framework", 2),
  halt("pause"),
  halt("suspend"),
  {
    name: "leader-kill",
    statement: "the process of the leading master ends",
    weight: 2,
    lastsMs: [2_000, 30_000],
    apply: (target) => ended(target.leader(), "leader-kill"),
  },
  {
    name: "leader-pause",
    statement: "the leading master stands still long enough to be replaced, then goes on",
    weight: 2,
    lastsMs: [2_000, 15_000],
    apply: (target) => {
      const leader = target.leader();
      return leader === undefined ? undefined : halted("pause", leader.node);
    },
  },
  {
    name: "rival",
    statement: "a standby is told that nobody leads and campaigns against a busy, living leader",
    weight: 3,
    lastsMs: [3_000, 6_000],
    apply: (target, chance) => {
      const leader = target.leader();
      const rival = chance.pick(
        target.members("master").filter(({ node, name }) => node.up && name !== leader?.name),
      );
      if (leader === undefined || rival === undefined) return undefined;
      target.network.hearNobody(rival.name, true);
      // A busy leader learns of its conflict together with the mail of that moment.
      leader.node.slowness = chance.between(20, 200);
      return {
        target: `${rival.name} against ${leader.name} ×${leader.node.slowness}`,
        heal: () => {
          target.network.hearNobody(rival.name, false);
          leader.node.slowness = 1;
        },
      };
    },
  },
  {
    name: "framework-pause",
    statement: "a scheduler stands still for longer than its updates are waited for",
    weight: 2,
    lastsMs: [4_000, 20_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "framework");
      return member === undefined ? undefined : halted("pause", member.node);
    },
  },
  {
    name: "slow",
    statement: "a process needs many times as long for everything",
    weight: 1,
    lastsMs: [5_000, 30_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      if (member === undefined) return undefined;
      member.node.slowness = chance.between(5, 50);
      return {
        target: `${member.name} ×${member.node.slowness}`,
        heal: () => {
          member.node.slowness = 1;
        },
      };
    },
  },
  {
    name: "wall-step",
    statement: "a wall clock jumps, forward or back",
    weight: 1,
    lastsMs: [0, 0],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      if (member === undefined) return undefined;
      const byMs = chance.between(-3_600_000, 3_600_000);
      member.node.stepWall(byMs);
      return { target: `${member.name} by ${byMs} ms` };
    },
  },
  {
    name: "clock-rate",
    statement: "a monotonic clock runs up to half a percent fast or slow",
    weight: 1,
    lastsMs: [10_000, 60_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      if (member === undefined) return undefined;
      const perMille = chance.between(-5, 5);
      member.node.setRate(1 + perMille / 1024);
      return { target: `${member.name} ${perMille}/1024`, heal: () => member.node.setRate(1) };
    },
  },
];

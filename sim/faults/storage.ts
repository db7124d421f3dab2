/** Faults of disks, of the replicated log, and of machines. */
import { anyUp, type Fault } from "./fault.ts";

export const STORAGE_FAULTS: readonly Fault[] = [
  {
    name: "disk-full",
    statement: "a disk takes nothing for a while",
    weight: 1,
    lastsMs: [500, 10_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      if (member === undefined) return undefined;
      member.disk.full = true;
      return {
        target: member.name,
        heal: () => {
          member.disk.full = false;
        },
      };
    },
  },
  {
    name: "sync-fails",
    statement: "one sync of a disk fails, and its state is open",
    weight: 1,
    lastsMs: [0, 0],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      if (member === undefined) return undefined;
      member.disk.syncFailures += 1;
      return { target: member.name };
    },
  },
  {
    name: "disk-slow",
    statement: "a disk needs up to half a second for a sync",
    weight: 1,
    lastsMs: [1_000, 20_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      if (member === undefined) return undefined;
      member.disk.slowness = chance.between(20, 300);
      return {
        target: member.name,
        heal: () => {
          member.disk.slowness = 1;
        },
      };
    },
  },
  {
    name: "torn-tail",
    statement: "an agent's process ends while its slow disk is at work",
    weight: 2,
    lastsMs: [1_000, 10_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      if (member === undefined) return undefined;
      member.disk.slowness = 500;
      const { life } = member.node;
      target.network.world.after(chance.between(50, 900), () => {
        member.disk.slowness = 1;
        if (member.node.up && member.node.life === life) member.crash("torn-tail");
      });
      return { target: member.name, heal: () => member.restart() };
    },
  },
  {
    name: "crash-in-write",
    statement: "an agent's process ends in the instant after it asked for a write",
    weight: 3,
    lastsMs: [1_000, 8_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      if (member === undefined) return undefined;
      const { disk, node } = member;
      const { life } = node;
      const inMs = chance.exponential(0.5);
      disk.onceAsked = () =>
        target.network.world.after(inMs, () => {
          if (node.up && node.life === life) member.crash("crash-in-write");
        });
      return {
        target: member.name,
        heal: () => {
          disk.onceAsked = undefined;
          member.restart();
        },
      };
    },
  },
  {
    name: "log-slow",
    statement: "the log needs many times as long to commit",
    weight: 1,
    lastsMs: [1_000, 10_000],
    apply: ({ log }, chance) => {
      log.slowness = chance.between(20, 2_000);
      return {
        target: `×${log.slowness}`,
        heal: () => {
          log.slowness = 1;
        },
      };
    },
  },
  {
    name: "log-refuses",
    statement: "the log refuses appends as too many (429)",
    weight: 1,
    lastsMs: [200, 5_000],
    apply: ({ log }) => {
      log.refusing = true;
      return {
        target: "log",
        heal: () => {
          log.refusing = false;
        },
      };
    },
  },
  {
    name: "log-leader-kill",
    statement: "the broker that leads the log ends, with what it had under way",
    weight: 1,
    lastsMs: [1_000, 15_000],
    apply: ({ log, network }) => {
      const leader = log.leader;
      if (leader === undefined || !network.broker(leader).up) return undefined;
      network.stopBroker(leader);
      return { target: leader, heal: () => network.startBroker(leader) };
    },
  },
  {
    name: "launcher-dies",
    statement: "a launcher ends; its containers go on",
    weight: 1,
    lastsMs: [0, 0],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      const launcher = member?.launcher();
      if (member === undefined || launcher === undefined) return undefined;
      launcher.die();
      return { target: member.name };
    },
  },
  {
    name: "kill-ignored",
    statement: "processes of a machine do not die of SIGKILL for a while",
    weight: 1,
    lastsMs: [0, 0],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      const machine = member?.machine;
      if (machine === undefined) return undefined;
      machine.killIgnoredUntilMs = target.network.world.nowMs + chance.between(1_000, 12_000);
      return { target: machine.name };
    },
  },
  {
    name: "agent-reboot",
    statement: "the power of a machine goes: its agent and all its containers end",
    weight: 1,
    lastsMs: [5_000, 40_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      if (member === undefined) return undefined;
      member.crash("reboot");
      member.machine?.reboot();
      return { target: member.name, heal: () => member.restart() };
    },
  },
];

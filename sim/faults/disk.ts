/** Faults of agents' disks. */
import {
  type Applied,
  type Fault,
  type FaultArgs,
  type FaultTarget,
  firstUp,
  type Member,
} from "./fault.ts";

function onDisk(
  target: FaultTarget,
  args: FaultArgs,
  change: (disk: Member["disk"], on: boolean) => void,
): Applied | undefined {
  const member = firstUp(target, args);
  if (member === undefined) return undefined;
  change(member.disk, true);
  return { heal: () => change(member.disk, false) };
}

/**
 * The process ends `byMs` from now, if it still lives then. Returns what calls that off: a fault that is over by then must not
 * end a process that nobody would start again.
 */
function crashIn(target: FaultTarget, member: Member, byMs: number, why: string): () => void {
  const { life } = member.node;
  let calledOff = false;
  target.network.world.after(byMs, () => {
    if (!calledOff && member.node.up && member.node.life === life) member.crash(why);
  });
  return () => {
    calledOff = true;
  };
}

export const DISK_FAULTS: readonly Fault[] = [
  {
    name: "disk-full",
    group: "disk",
    statement: "a disk takes nothing for a while",
    weight: 1,
    lastsMs: [500, 10_000],
    on: "anyAgent",
    milder: "disk-slow",
    apply: (target, args) =>
      onDisk(target, args, (disk, on) => {
        disk.full = on;
      }),
  },
  {
    name: "sync-fails",
    group: "disk",
    statement: "one sync of a disk fails, and its state is open",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyAgent",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.disk.syncFailures += 1;
      return {};
    },
  },
  {
    name: "read-fails",
    group: "disk",
    statement: "an agent restarts on a disk whose next reads fail",
    weight: 1,
    lastsMs: [1_000, 8_000],
    on: "anyAgent",
    by: { low: 1, high: 3, unit: "reads" },
    milder: "crash-agent",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.disk.readFailures = args.by ?? 1;
      member.crash("read-fails");
      target.network.world.after(100, () => member.restart());
      return {
        heal: () => {
          member.disk.readFailures = 0;
          member.restart();
        },
      };
    },
  },
  {
    name: "disk-slow",
    group: "disk",
    statement: "a disk needs up to half a second for a sync",
    weight: 1,
    lastsMs: [1_000, 20_000],
    on: "anyAgent",
    by: { low: 20, high: 300, unit: "times slower" },
    apply: (target, args) =>
      onDisk(target, args, (disk, on) => {
        disk.slowness = on ? (args.by ?? 50) : 1;
      }),
  },
  {
    name: "torn-tail",
    group: "disk",
    statement: "an agent's process ends while its slow disk is at work",
    weight: 2,
    lastsMs: [1_000, 10_000],
    on: "anyAgent",
    by: { low: 50, high: 900, unit: "ms until then" },
    milder: "crash-agent",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.disk.slowness = 500;
      const quicken = (): void => {
        member.disk.slowness = 1;
      };
      member.node.onDown(quicken);
      const callOff = crashIn(target, member, args.by ?? 100, "torn-tail");
      return {
        heal: () => {
          callOff();
          quicken();
          member.restart();
        },
      };
    },
  },
  {
    name: "lost-tail",
    group: "disk",
    statement: "the power goes while a disk writes: nothing of what was not synced is there",
    weight: 1,
    lastsMs: [1_000, 8_000],
    on: "anyAgent",
    by: { low: 1, high: 500, unit: "ms until then" },
    milder: "torn-tail",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.disk.losesTail = true;
      const keepTail = (): void => {
        member.disk.losesTail = false;
      };
      member.node.onDown(keepTail);
      const callOff = crashIn(target, member, args.by ?? 50, "lost-tail");
      return {
        heal: () => {
          callOff();
          keepTail();
          member.restart();
        },
      };
    },
  },
  {
    name: "crash-in-write",
    group: "disk",
    statement: "an agent's process ends in the instant after it asked for a write",
    weight: 3,
    lastsMs: [1_000, 8_000],
    on: "anyAgent",
    by: { low: 0, high: 2_000, unit: "µs after it" },
    milder: "crash-agent",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      const { disk } = member;
      const inMs = (args.by ?? 500) / 1_000;
      let callOff = (): void => undefined;
      disk.onceAsked = () => {
        callOff = crashIn(target, member, inMs, "crash-in-write");
      };
      return {
        heal: () => {
          disk.onceAsked = undefined;
          callOff();
          member.restart();
        },
      };
    },
  },
];

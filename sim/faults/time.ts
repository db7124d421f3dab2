/** Faults of clocks and timers. */
import { type Applied, type Fault, type FaultArgs, type FaultTarget, firstUp } from "./fault.ts";
import { TICK_MS } from "../kernel/node.ts";

function biased(target: FaultTarget, args: FaultArgs, biasMs: number): Applied | undefined {
  const member = firstUp(target, args);
  if (member === undefined) return undefined;
  member.node.timerBiasMs = biasMs;
  return {
    heal: () => {
      member.node.timerBiasMs = 0;
    },
  };
}

export const TIME_FAULTS: readonly Fault[] = [
  {
    name: "wall-step",
    group: "time",
    statement: "a wall clock jumps, forward or back",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyMember",
    by: { low: -3_600_000, high: 3_600_000, unit: "ms" },
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.node.stepWall(args.by ?? 0);
      return {};
    },
  },
  {
    name: "clock-rate",
    group: "time",
    statement: "a monotonic clock runs up to half a percent fast or slow",
    weight: 1,
    lastsMs: [10_000, 60_000],
    on: "anyMember",
    by: { low: -5, high: 5, unit: "1024ths" },
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.node.setRate(1 + (args.by ?? 0) / 1024);
      return { heal: () => member.node.setRate(1) };
    },
  },
  {
    name: "timers-late",
    group: "time",
    statement: "every timer of a process fires late, as on a machine that swaps",
    weight: 1,
    lastsMs: [5_000, 30_000],
    on: "anyMember",
    by: { low: 50, high: 3_000, unit: "ms" },
    apply: (target, args) => biased(target, args, args.by ?? 0),
  },
  {
    name: "timers-early",
    group: "time",
    statement: "every timer of a process fires one tick before its time",
    weight: 1,
    lastsMs: [5_000, 30_000],
    on: "anyMember",
    apply: (target, args) => biased(target, args, -TICK_MS),
  },
];

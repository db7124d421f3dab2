/**
 * The writes of each controller of the unified tree, from one set of limits to another. The path
 * of a container's own cgroup comes in, ordered steps go out.
 */
import type { CgroupStep } from "#runtime";
import { type CgroupValues, type IoLimit, write, writeIfThere } from "./driver.ts";
import { CPU_PERIOD_US, cpuQuotaUs, cpuWeight, isRaised, type Limit } from "./values.ts";

type Of<Name extends keyof CgroupValues> = NonNullable<CgroupValues[Name]>;

const orMax = (limit: Limit): string => (limit === "infinite" ? "max" : String(limit));

export function cpuSteps(path: string, before: CgroupValues["cpu"], cpu: Of<"cpu">): CgroupStep[] {
  const steps = [write(`${path}/cpu.weight`, cpuWeight(cpu.cpuMilli, cpu.revocable))];
  if (cpu.limitMilli !== null) {
    steps.push(write(`${path}/cpu.max`, `${orMax(cpuQuotaUs(cpu.limitMilli))} ${CPU_PERIOD_US}`));
  } else if ((before?.limitMilli ?? null) !== null) {
    steps.push(write(`${path}/cpu.max`, `max ${CPU_PERIOD_US}`));
  }
  return steps;
}

/** The protected part always; the hard limit the first time, and afterwards only when it grows. */
export function memorySteps(
  path: string,
  before: CgroupValues["memory"],
  next: Of<"memory">,
): CgroupStep[] {
  const steps = [write(`${path}/memory.low`, next.softBytes)];
  if (before === null || isRaised(before.hardBytes, next.hardBytes)) {
    steps.push(write(`${path}/memory.max`, orMax(next.hardBytes)));
  }
  const high = next.highBytes ?? (before?.highBytes === undefined ? undefined : "infinite");
  if (high !== undefined) steps.push(write(`${path}/memory.high`, orMax(high)));
  if (next.swap !== undefined) {
    const writeSwap = next.swap.optional ? writeIfThere : write;
    steps.push(writeSwap(`${path}/memory.swap.max`, orMax(next.swap.bytes)));
  }
  return steps;
}

/** Buffered writes too: the kernel charges writeback to the cgroup that dirtied the page. */
export function ioSteps(path: string, limits: readonly IoLimit[]): CgroupStep[] {
  return limits.map(({ device, readBps, writeBps, readIops, writeIops }) => {
    const parts = [
      ["rbps", readBps],
      ["wbps", writeBps],
      ["riops", readIops],
      ["wiops", writeIops],
    ].flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]));
    return write(`${path}/io.max`, [device, ...parts].join(" "));
  });
}

export function hugetlbSteps(path: string, limits: Of<"hugetlb">): CgroupStep[] {
  return limits.map(({ size, bytes }) => write(`${path}/hugetlb.${size}.max`, bytes));
}

export function cpusetSteps(path: string, { cpus, mems }: Of<"cpuset">): CgroupStep[] {
  return [write(`${path}/cpuset.cpus`, cpus), write(`${path}/cpuset.mems`, mems)];
}

export function pidsSteps(path: string, { max }: Of<"pids">): CgroupStep[] {
  return [write(`${path}/pids.max`, orMax(max))];
}

/** The unified tree has no device files: a program of the kernel's decides, loaded by the launcher. */
export function deviceSteps(path: string, rules: readonly string[]): CgroupStep[] {
  return [{ kind: "devices", path, rules }];
}

/**
 * The writes of each v1 controller, from one set of limits to another. Paths of a container's own
 * cgroups come in, ordered steps go out; which hierarchies there are the driver knows.
 */
import type { CgroupStep } from "#runtime";
import { type CgroupValues, type IoLimit, write, writeIfThere } from "./driver.ts";
import { CPU_PERIOD_US, cpuQuotaUs, cpuShares, isRaised, type Limit } from "./values.ts";

type Of<Name extends keyof CgroupValues> = NonNullable<CgroupValues[Name]>;

const orMinusOne = (limit: Limit): string => (limit === "infinite" ? "-1" : String(limit));

export function cpuSteps(path: string, before: CgroupValues["cpu"], cpu: Of<"cpu">): CgroupStep[] {
  const steps = [write(`${path}/cpu.shares`, cpuShares(cpu.cpuMilli, cpu.revocable))];
  if (cpu.limitMilli !== null) {
    steps.push(write(`${path}/cpu.cfs_period_us`, CPU_PERIOD_US));
    steps.push(write(`${path}/cpu.cfs_quota_us`, orMinusOne(cpuQuotaUs(cpu.limitMilli))));
  } else if ((before?.limitMilli ?? null) !== null) {
    steps.push(write(`${path}/cpu.cfs_quota_us`, -1));
  }
  return steps;
}

const sum = (hard: Limit, swap: Limit): Limit =>
  hard === "infinite" || swap === "infinite" ? "infinite" : hard + swap;

/**
 * The soft limit always; the hard one the first time, and afterwards only when it grows. The sum
 * of memory and swap may never be below memory: it is written behind it, and before it to grow.
 */
export function memorySteps(
  path: string,
  before: CgroupValues["memory"],
  next: Of<"memory">,
): CgroupStep[] {
  const steps = [write(`${path}/memory.soft_limit_in_bytes`, next.softBytes)];
  if (before !== null && !isRaised(before.hardBytes, next.hardBytes)) return steps;
  const hard = write(`${path}/memory.limit_in_bytes`, orMinusOne(next.hardBytes));
  if (next.swap === undefined) return [...steps, hard];
  const writeSwap = next.swap.optional ? writeIfThere : write;
  const both = orMinusOne(sum(next.hardBytes, next.swap.bytes));
  const swap = writeSwap(`${path}/memory.memsw.limit_in_bytes`, both);
  return before === null ? [...steps, hard, swap] : [...steps, swap, hard];
}

/** v1 holds direct reads and writes; what goes through the page cache it does not see. */
export function ioSteps(path: string, limits: readonly IoLimit[]): CgroupStep[] {
  return limits.flatMap(({ device, readBps, writeBps, readIops, writeIops }) => {
    const files = [
      ["read_bps", readBps],
      ["write_bps", writeBps],
      ["read_iops", readIops],
      ["write_iops", writeIops],
    ] as const;
    return files.flatMap(([name, value]) =>
      value === null ? [] : [write(`${path}/blkio.throttle.${name}_device`, `${device} ${value}`)],
    );
  });
}

export function hugetlbSteps(path: string, limits: Of<"hugetlb">): CgroupStep[] {
  return limits.map(({ size, bytes }) => write(`${path}/hugetlb.${size}.limit_in_bytes`, bytes));
}

/** All is denied first; what remains is the list. */
export function deviceSteps(path: string, rules: readonly string[]): CgroupStep[] {
  const allowed = rules.map((rule) => write(`${path}/devices.allow`, rule));
  return [write(`${path}/devices.deny`, "a"), ...allowed];
}

/** Both must be there before a process may join. */
export function cpusetSteps(path: string, { cpus, mems }: Of<"cpuset">): CgroupStep[] {
  return [write(`${path}/cpuset.cpus`, cpus), write(`${path}/cpuset.mems`, mems)];
}

export function pidsSteps(path: string, { max }: Of<"pids">): CgroupStep[] {
  return [write(`${path}/pids.max`, max === "infinite" ? "max" : max)];
}

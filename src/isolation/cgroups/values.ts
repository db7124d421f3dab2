/**
 * The numbers that go into cgroup files, from resources: Mesos' constants and rules
 * (cgroups/cpu, cgroups/mem), with the kernel's ranges kept. Pure arithmetic on integers.
 */

/** Mesos: 1024 shares for one cpu, 10 for one revocable cpu, never below the kernel's 2. */
const SHARES_PER_CPU = 1_024;
const SHARES_PER_CPU_REVOCABLE = 10;
const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

/** Mesos' cgroup v2 isolator: weight 100 for one cpu, 1 for a revocable one. */
const WEIGHT_PER_CPU = 100;
const WEIGHT_PER_CPU_REVOCABLE = 1;
const WEIGHT_MIN = 1;
/** The kernel's limit; Mesos overflows it from 100.01 cpus on. */
const WEIGHT_MAX = 10_000;

/** Length of one CFS period, microseconds. */
export const CPU_PERIOD_US = 100_000;
/** The kernel refuses a quota under one millisecond. */
const CPU_QUOTA_US_MIN = 1_000;

/** Mesos gives no container less memory than this. */
export const MEMORY_BYTES_MIN = 32 * 1024 * 1024;
const BYTES_PER_MIB = 1024 * 1024;

/** A limit: a number of its unit, or nothing held back. */
export type Limit = number | "infinite";

const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

/** `cpu.shares` (v1) of a request in thousandths of a cpu. */
export function cpuShares(cpuMilli: number, revocable: boolean): number {
  const perCpu = revocable ? SHARES_PER_CPU_REVOCABLE : SHARES_PER_CPU;
  return clamp(Math.floor((perCpu * cpuMilli) / 1000), SHARES_MIN, SHARES_MAX);
}

/** `cpu.weight` (v2) of a request in thousandths of a cpu. */
export function cpuWeight(cpuMilli: number, revocable: boolean): number {
  const perCpu = revocable ? WEIGHT_PER_CPU_REVOCABLE : WEIGHT_PER_CPU;
  return clamp(Math.floor((perCpu * cpuMilli) / 1000), WEIGHT_MIN, WEIGHT_MAX);
}

/** Microseconds of cpu in one period that a limit in thousandths of a cpu allows. */
export function cpuQuotaUs(limitMilli: Limit): Limit {
  if (limitMilli === "infinite") return "infinite";
  return Math.max(CPU_QUOTA_US_MIN, Math.floor((CPU_PERIOD_US * limitMilli) / 1000));
}

/** Bytes of a memory request or limit in MiB, not under the minimum. */
export function memoryBytes(memMib: Limit): Limit {
  return memMib === "infinite" ? "infinite" : Math.max(MEMORY_BYTES_MIN, memMib * BYTES_PER_MIB);
}

/** Whether `next` allows more than `before`: only then may a live container's hard limit change. */
export function isRaised(before: Limit, next: Limit): boolean {
  if (before === "infinite") return false;
  return next === "infinite" || next > before;
}

/**
 * `oom_score_adj` of a container whose request is below its limit: the smaller the request, the
 * sooner it goes when the whole machine is short (Mesos: 1000 − 1000 × request / node memory).
 */
export function oomScoreAdj(requestBytes: number, machineBytes: number): number {
  if (machineBytes <= 0) return 0;
  return clamp(1_000 - Math.floor((1_000 * requestBytes) / machineBytes), 0, 1_000);
}

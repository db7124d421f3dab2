/**
 * Turns the texts of the kernel's counter files into one sample of a container. A text that is
 * not understood gives null, never a guess.
 */
import type { ContainerUsage } from "#runtime";

/** One number and a newline; `max` and rubbish are null. */
export function parseNumber(text: string): number | null {
  const trimmed = text.trim();
  return /^\d+$/.test(trimmed) ? Number(trimmed) : null;
}

/** Nanoseconds in the file, microseconds out. */
export function parseNanoseconds(text: string): number | null {
  const value = parseNumber(text);
  return value === null ? null : Math.floor(value / 1_000);
}

/** The number after `key ` at the start of a line. Read thousands of times a second: no arrays. */
export function parseKey(text: string, key: string): number | null {
  const at = text.startsWith(`${key} `) ? 0 : text.indexOf(`\n${key} `) + 1;
  if (at === 0 && !text.startsWith(`${key} `)) return null;
  const from = at + key.length + 1;
  const end = text.indexOf("\n", from);
  return parseNumber(end < 0 ? text.slice(from) : text.slice(from, end));
}

/** v2 `cpu.stat`: microseconds throughout. */
export function parseCpuStat(text: string): Partial<ContainerUsage> {
  return {
    cpuUsageUs: parseKey(text, "usage_usec"),
    cpuPeriods: parseKey(text, "nr_periods"),
    cpuPeriodsThrottled: parseKey(text, "nr_throttled"),
    cpuThrottledUs: parseKey(text, "throttled_usec"),
  };
}

/** v1 `cpu.stat`: `throttled_time` is in nanoseconds, and no use is told. */
export function parseCpuStatV1(text: string): Partial<ContainerUsage> {
  const throttledNs = parseKey(text, "throttled_time");
  return {
    cpuPeriods: parseKey(text, "nr_periods"),
    cpuPeriodsThrottled: parseKey(text, "nr_throttled"),
    cpuThrottledUs: throttledNs === null ? null : Math.floor(throttledNs / 1_000),
  };
}

export function parseMemoryStat(text: string, version: "v1" | "v2"): Partial<ContainerUsage> {
  return {
    memoryAnonBytes: parseKey(text, version === "v2" ? "anon" : "total_rss"),
    memoryFileBytes: parseKey(text, version === "v2" ? "file" : "total_cache"),
  };
}

/** v2 `memory.events`. */
export function parseMemoryEvents(text: string): Partial<ContainerUsage> {
  return { oomKills: parseKey(text, "oom_kill") };
}

/** v1 `memory.oom_control`; `failcnt` is no evidence, it stayed 0 through real kills (measured). */
export function parseOomControl(text: string): Partial<ContainerUsage> {
  return { oomKills: parseKey(text, "oom_kill") };
}

export function parsePidsEvents(text: string): Partial<ContainerUsage> {
  return { pidsRefused: parseKey(text, "max") };
}

/** v2 `io.stat`: `8:0 rbytes=1 wbytes=2 …`, a line for each device; no line, no io. */
export function parseIoStat(text: string): Partial<ContainerUsage> {
  const sum = (key: string): number =>
    [...text.matchAll(new RegExp(`(?:^| )${key}=(\\d+)`, "gm"))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  return { ioReadBytes: sum("rbytes"), ioWriteBytes: sum("wbytes") };
}

/** v1 `blkio.throttle.io_service_bytes`: `8:0 Read 1`, `8:0 Write 2`, …, `Total 3`. */
export function parseIoServiceBytes(text: string): Partial<ContainerUsage> {
  const sum = (word: string): number =>
    [...text.matchAll(new RegExp(`^\\d+:\\d+ ${word} (\\d+)$`, "gm"))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  return { ioReadBytes: sum("Read"), ioWriteBytes: sum("Write") };
}

/** A sample in which nothing has been counted yet. */
export function emptyUsage(containerId: string, atMs: number): ContainerUsage {
  return {
    containerId,
    atMs,
    cpuUsageUs: null,
    cpuPeriods: null,
    cpuPeriodsThrottled: null,
    cpuThrottledUs: null,
    memoryBytes: null,
    memoryPeakBytes: null,
    memoryAnonBytes: null,
    memoryFileBytes: null,
    oomKills: null,
    pids: null,
    pidsRefused: null,
    cpuPressureUs: null,
    memoryPressureUs: null,
    ioPressureUs: null,
    ioReadBytes: null,
    ioWriteBytes: null,
  };
}

/**
 * Cpus used between two samples of one container, in thousandths; null when either did not count
 * or no time passed.
 */
export function cpuMilliBetween(earlier: ContainerUsage, later: ContainerUsage): number | null {
  const elapsedMs = later.atMs - earlier.atMs;
  if (earlier.cpuUsageUs === null || later.cpuUsageUs === null || elapsedMs <= 0) return null;
  return Math.max(0, Math.round((later.cpuUsageUs - earlier.cpuUsageUs) / elapsedMs));
}

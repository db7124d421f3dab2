/**
 * Pressure stall information: how long processes waited for cpu, memory or disk. Works on the
 * growing totals; the kernel's own averages lag and are not used.
 */

/**
 * The `total=` (microseconds) of the line `some` or `full`; null when the text has no such line
 * (a kernel without PSI, or `full` of cpu on older ones).
 */
export function parsePressureTotal(text: string, line: "some" | "full"): number | null {
  for (const row of text.split("\n")) {
    if (!row.startsWith(`${line} `)) continue;
    const total = /(?:^| )total=(\d+)(?: |$)/.exec(row)?.[1];
    return total === undefined ? null : Number(total);
  }
  return null;
}

/** Share of the time between two samples in which somebody waited, 0 to 1; null without time. */
export function pressureShare(spent: {
  readonly beforeUs: number | null;
  readonly afterUs: number | null;
  readonly elapsedMs: number;
}): number | null {
  const { beforeUs, afterUs, elapsedMs } = spent;
  if (beforeUs === null || afterUs === null || elapsedMs <= 0) return null;
  return Math.min(1, Math.max(0, (afterUs - beforeUs) / (elapsedMs * 1_000)));
}

/**
 * Pressure stall information: how long processes waited for cpu, memory or disk. Works on the
 * growing totals; the kernel's own averages lag and are not used.
 */

/**
 * The `total=` (microseconds) of the line `some` or `full`; null when the text has no such line
 * (a kernel without PSI, or `full` of cpu on older ones).
 */
export function parsePressureTotal(text: string, line: "some" | "full"): number | null {
  const at = text.startsWith(`${line} `) ? 0 : text.indexOf(`\n${line} `);
  if (at < 0) return null;
  const total = text.indexOf(" total=", at);
  const end = text.indexOf("\n", at + 1);
  if (total < 0 || (end >= 0 && total > end)) return null;
  const digits = text.slice(total + " total=".length, end < 0 ? undefined : end);
  return /^\d+$/.test(digits) ? Number(digits) : null;
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

/**
 * What makes a process the same one as before: its id, when it started and in which boot. Ids
 * alone are given again. Ends only processes whose mark still fits.
 */
import { readFile } from "node:fs/promises";

const POLL_INTERVAL_MS = 20;

export interface ProcessMark {
  readonly pid: number;
  /** Start time in clock ticks since the boot, as the kernel counts. */
  readonly startTicks: number;
  readonly bootId: string;
}

/** The mark of a running process; undefined when there is none, or only its remains. */
export async function processMark(pid: number): Promise<ProcessMark | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name in parentheses may itself hold parentheses and spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return { pid, startTicks: Number(fields[19]), bootId };
}

export async function isSameProcess(mark: ProcessMark): Promise<boolean> {
  const now = await processMark(mark.pid);
  return now !== undefined && now.startTicks === mark.startTicks && now.bootId === mark.bootId;
}

/** SIGTERM, and SIGKILL when it is still there after `graceMs`; returns when it is gone. */
export async function endProcess(mark: ProcessMark, graceMs: number): Promise<void> {
  if (await isSameProcess(mark)) signal(mark.pid, "SIGTERM");
  const hardMs = performance.now() + graceMs;
  let killed = false;
  while (await isSameProcess(mark)) {
    if (!killed && performance.now() > hardMs) {
      signal(mark.pid, "SIGKILL");
      killed = true;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It ended in the meantime, which is what was wanted.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

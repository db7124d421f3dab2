/**
 * The acceptance table of isolation: what each isolator must be seen to do and to refuse. Tests
 * write down the figure or the sentence that they measured; the table is printed at the end, and
 * a row that nobody has shown makes the run fail. Owns the list of what is known to be missing.
 */
import { machine } from "./rig.ts";

type Kind = "effect" | "refusal";
type Claim = readonly [isolator: string, kind: Kind, what: string];

/** Every row, in the order of the table. What is shown is named by its words. */
export const CLAIMS = [
  ["cpu shares, CFS", "effect", "4:1 shares give 4:1 work on one cpu"],
  ["cpu shares, CFS", "effect", "a quota of 20 % gives 20 % ± 3"],
  ["cpu shares, CFS", "refusal", "more cpus than the agent has"],
  ["cpu shares, CFS", "refusal", "cpus below the minimum"],
  ["cpuset, NUMA", "effect", "a pinned task sees only its cpus"],
  ["cpuset, NUMA", "effect", "two exclusive tasks never overlap"],
  ["cpuset, NUMA", "refusal", "no cpu left to pin"],
  ["mem", "effect", "out of memory at the limit, with reason, peak and memory.stat"],
  ["mem", "effect", "shrinking never kills"],
  ["mem", "effect", "swap is bounded"],
  ["mem", "effect", "memory.high slows and never kills"],
  ["mem", "effect", "the task of the lower request dies first"],
  ["mem", "refusal", "a memory limit below the request"],
  ["mem", "refusal", "memory below 32 MB"],
  ["io", "effect", "direct writes are held to ± 10 %"],
  ["io", "effect", "buffered writes are held to ± 10 %"],
  ["io", "refusal", "a device that is not there"],
  ["pids", "effect", "a fork bomb is held, others are unharmed"],
  ["hugetlb", "effect", "an allocation past the limit fails"],
  ["hugetlb", "refusal", "a page size that the kernel does not offer"],
  ["devices, gpu", "effect", "an unlisted device gives EPERM, a granted one works"],
  ["devices, gpu", "effect", "gpu indices are handed out exclusively"],
  ["devices, gpu", "refusal", "a device that is not on the agent"],
  ["disk", "effect", "du: a write past the limit ends the task with its reason"],
  ["disk", "effect", "loop image: a write past the limit fails"],
  ["disk", "effect", "XFS project quota: a write past the limit fails"],
  ["disk", "effect", "a persistent volume is counted on its own"],
  ["disk", "refusal", "strict quota where there is none"],
  ["filesystem", "effect", "own root, and nothing of the host"],
  ["filesystem", "effect", "read-only root"],
  ["filesystem", "effect", "bind, tmpfs, secret, host path, sandbox path seen from inside"],
  ["filesystem", "effect", "persistent and shared volumes seen from inside"],
  ["filesystem", "refusal", "a path outside the allow-list"],
  ["filesystem", "refusal", "a path with .."],
  ["filesystem", "refusal", "a symbolic link that leads out"],
  ["namespaces", "effect", "host processes are unseen"],
  ["namespaces", "effect", "root inside is nobody outside"],
  ["namespaces", "effect", "nsenter from the host finds it"],
  ["namespaces", "effect", "ipc, uts and net are its own"],
  ["namespaces", "refusal", "a user namespace with a volume that it cannot map"],
  ["cni, ports, bandwidth", "effect", "two containers on a bridge talk, a third does not"],
  ["cni, ports, bandwidth", "effect", "a listener outside its ports ends the task with its reason"],
  ["cni, ports, bandwidth", "effect", "10 Mbit/s hold ± 15 %"],
  ["cni, ports, bandwidth", "refusal", "a plugin that is missing or fails"],
  ["capabilities, nnp, seccomp, rlimits, oom score", "effect", "a denied call gives EPERM"],
  ["capabilities, nnp, seccomp, rlimits, oom score", "effect", "a setuid file gains nothing"],
  ["capabilities, nnp, seccomp, rlimits, oom score", "effect", "a profile from a file"],
  ["capabilities, nnp, seccomp, rlimits, oom score", "effect", "nofile bites"],
  ["capabilities, nnp, seccomp, rlimits, oom score", "refusal", "a profile that does not parse"],
  ["secrets", "effect", "present inside, absent everywhere else"],
  ["secrets", "refusal", "an unknown secret"],
  ["usage, pressure", "effect", "cpu within 5 % of a known load"],
  ["usage, pressure", "effect", "memory within 5 % of a known load"],
  ["usage, pressure", "effect", "io within 5 % of a known load"],
  ["usage, pressure", "effect", "pids of a known load"],
  ["usage, pressure", "effect", "pressure of a known load"],
] as const satisfies readonly Claim[];

export type What = (typeof CLAIMS)[number][2];

/** What nobody shows yet. A row that is shown must leave this list: it shrinks to nothing. */
export const KNOWN_MISSING: ReadonlySet<What> = new Set<What>([]);

const shown = new Map<What, string>();
const skipped = new Map<What, string>();

/** Writes down what was measured: a figure with its unit, or the sentence of a refusal. */
export function show(what: What, seen: string): void {
  shown.set(what, seen);
}

/** This machine cannot show it; the reason stands in the table. */
export function cannotShow(what: What, reason: string): void {
  skipped.set(what, reason);
}

export interface Verdict {
  readonly lines: readonly string[];
  /** Rows that were neither shown, nor skipped with a reason, nor known to be missing. */
  readonly missing: readonly string[];
  /** Rows that are shown and still stand in the list of what is missing. */
  readonly stale: readonly string[];
}

/** The table as lines, and what of it does not hold. */
export function verdict(): Verdict {
  const mode = machine.cgroupMode;
  const lines: string[] = [];
  const missing: string[] = [];
  const stale: string[] = [];
  let last = "";
  for (const [isolator, kind, what] of CLAIMS) {
    const seen = shown.get(what);
    const reason = skipped.get(what);
    if (isolator !== last) lines.push(`${isolator} (${mode})`);
    last = isolator;
    if (seen === undefined && reason === undefined && !KNOWN_MISSING.has(what)) missing.push(what);
    if (seen !== undefined && KNOWN_MISSING.has(what)) stale.push(what);
    const told = seen ?? (reason === undefined ? "MISSING" : `skipped: ${reason}`);
    lines.push(`  ${kind.padEnd(7)}  ${what}: ${told}`);
  }
  const of = CLAIMS.length;
  const counts = `${shown.size} of ${of} shown, ${skipped.size} skipped with a reason`;
  lines.push(`${counts}, ${of - new Set([...shown.keys(), ...skipped.keys()]).size} missing`);
  return { lines, missing, stale };
}

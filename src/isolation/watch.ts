/**
 * Bounds that no kernel keeps: what must be measured of a container while it runs, and whether a
 * measure is past them. Pure; the isolator of the node measures and ends.
 */
import type { Limitation } from "#protocol";
import type { Measure, MeasureWish } from "#runtime";

export type Watched = "disk" | "ports";

export interface WatchedDirectory {
  /** For people: `the sandbox`, `persistent volume data`. */
  readonly name: string;
  readonly path: string;
  readonly limitBytes: number;
}

export interface Watch {
  /** Directories, each with the bytes on disk that it may have. */
  readonly disk?: readonly WatchedDirectory[];
  /** Ports on which it may listen, as ranges with both ends in them. */
  readonly ports?: readonly (readonly [first: number, last: number])[];
}

/** Time between two rounds, ms; absent: there are none. */
export interface WatchIntervals {
  readonly diskMs?: number;
  readonly portsMs?: number;
}

/** What is to be measured; null where this container has no such bound. */
export function wishOf(containerId: string, watch: Watch, watched: Watched): MeasureWish | null {
  if (watched === "ports") {
    return watch.ports === undefined ? null : { containerId, directories: [], listeners: true };
  }
  const directories = (watch.disk ?? []).map(({ path }) => path);
  return directories.length === 0 ? null : { containerId, directories, listeners: false };
}

const BYTES_PER_MIB = 1_048_576;
const mib = (bytes: number): string => `${Math.round((bytes / BYTES_PER_MIB) * 10) / 10} MiB`;

/** The bound that a measure is past; null where it keeps them all. */
export function overstepped(watch: Watch, watched: Watched, measure: Measure): Limitation | null {
  return watched === "disk" ? diskOverstepped(watch, measure) : portsOverstepped(watch, measure);
}

function diskOverstepped({ disk = [] }: Watch, { bytes }: Measure): Limitation | null {
  for (const [index, { name, limitBytes }] of disk.entries()) {
    const used = bytes[index] ?? 0;
    if (used <= limitBytes) continue;
    const detail = `Disk limit exceeded: ${name} has ${mib(used)}, its limit is ${mib(limitBytes)}`;
    return { resource: "disk", detail, limitBytes, peakBytes: used };
  }
  return null;
}

function portsOverstepped({ ports = [] }: Watch, { listeners }: Measure): Limitation | null {
  const stranger = listeners.find(
    ({ port }) => !ports.some(([first, last]) => port >= first && port <= last),
  );
  if (stranger === undefined) return null;
  const own = ports.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  const detail =
    `It listens on port ${stranger.port} (${stranger.protocol}), ` +
    `which is none of its ports: ${own.join(", ") || "it has none"}`;
  return { resource: "ports", detail };
}

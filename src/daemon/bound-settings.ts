/**
 * The settings of an agent about the bounds that it keeps itself, because no cgroup does: what
 * tasks take on the disk, and on which ports they listen.
 */
import type { Config } from "#config";
import {
  DISK_ISOLATORS,
  type DiskOptions,
  type InsideOptions,
  type PortsOptions,
  type WatchIntervals,
} from "#isolation";
import { whyNoProjectQuota } from "./probe-quota.ts";

export interface BoundSettings {
  readonly isDiskEnforced: boolean;
  readonly diskIsolator: DiskOptions["isolator"];
  readonly projects: DiskOptions["projects"];
  readonly diskWatchMs: number;
  readonly arePortsEnforced: boolean;
  readonly portsWatchMs: number;
  readonly portsRange: PortsOptions["isolatedRange"];
}

/** @throws Error in one sentence that names the setting and the value. */
export function boundSettings(config: Config): BoundSettings {
  return {
    isDiskEnforced: config.boolean("enforce-container-disk-quota"),
    diskIsolator: diskIsolator(config.need("disk-isolator")),
    projects: rangeOf("xfs-project-range", config, PROJECT_LAST) ?? PROJECTS_DEFAULT,
    diskWatchMs: config.durationMs("container-disk-watch-interval"),
    arePortsEnforced: config.boolean("enforce-container-ports"),
    portsWatchMs: config.durationMs("container-ports-watch-interval"),
    portsRange: rangeOf("container-ports-isolated-range", config, PORT_LAST),
  };
}

const PORT_LAST = 65_535;
const PROJECT_LAST = 2 ** 32 - 2;
const PROJECTS_DEFAULT = [5_000, 10_000] as const;

function diskIsolator(text: string): DiskOptions["isolator"] {
  const known = DISK_ISOLATORS.find((one) => one === text);
  if (known !== undefined) return known;
  throw new Error(`--disk-isolator: ${text} is none of ${DISK_ISOLATORS.join(", ")}`);
}

function rangeOf(
  name: "container-ports-isolated-range" | "xfs-project-range",
  config: Config,
  most: number,
): readonly [number, number] | null {
  const text = config.text(name);
  if (text === undefined) return null;
  const match = /^\[?(\d+)-(\d+)\]?$/.exec(text);
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && first <= last && last <= most) return [first, last];
  throw new Error(`--${name}: ${text} is not FIRST-LAST of numbers up to ${most}`);
}

/** Why the kernel does not bound the disk here as `--disk-isolator` asks; null: it does. */
function whyNot(isolator: DiskOptions["isolator"], { workDir, inside }: BoundFacts): string | null {
  if (isolator === "loop") return inside.unavailable;
  return isolator === "xfs" ? whyNoProjectQuota(workDir) : null;
}

export interface BoundFacts {
  readonly workDir: string;
  readonly inside: Pick<InsideOptions, "volumesDir" | "unavailable">;
}

/**
 * What is not enforced is not measured.
 * @throws Error in one sentence when the kernel is to bound the disk and cannot
 */
export function boundsOf(
  settings: BoundSettings,
  facts: BoundFacts,
): {
  readonly disk?: DiskOptions;
  readonly ports?: PortsOptions;
  readonly watch?: WatchIntervals;
} {
  const { isDiskEnforced, diskIsolator: isolator, diskWatchMs, projects } = settings;
  const { arePortsEnforced, portsWatchMs, portsRange } = settings;
  const why = isDiskEnforced ? whyNot(isolator, facts) : null;
  if (why !== null) {
    throw new Error(`--disk-isolator: ${isolator} cannot bound ${facts.workDir}: ${why}`);
  }
  const { volumesDir } = facts.inside;
  return {
    ...(isDiskEnforced ? { disk: { isolator, volumesDir, projects } } : {}),
    ...(arePortsEnforced ? { ports: { isolatedRange: portsRange } } : {}),
    watch: {
      ...(isDiskEnforced ? { diskMs: diskWatchMs } : {}),
      ...(arePortsEnforced ? { portsMs: portsWatchMs } : {}),
    },
  };
}

/** Of an agent that was told nothing. */
export const BOUND_SETTINGS_DEFAULT: BoundSettings = {
  isDiskEnforced: false,
  diskIsolator: "du",
  projects: PROJECTS_DEFAULT,
  diskWatchMs: 15_000,
  arePortsEnforced: false,
  portsWatchMs: 30_000,
  portsRange: null,
};

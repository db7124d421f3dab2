/**
 * The settings of an agent about the bounds that it keeps itself, because no cgroup does: what
 * tasks take on the disk, and on which ports they listen.
 */
import type { Config } from "#config";
import type { DiskOptions, PortsOptions, WatchIntervals } from "#isolation";

export interface BoundSettings {
  readonly isDiskEnforced: boolean;
  readonly diskWatchMs: number;
  readonly arePortsEnforced: boolean;
  readonly portsWatchMs: number;
  readonly portsRange: PortsOptions["isolatedRange"];
}

/** @throws Error in one sentence that names the setting and the value. */
export function boundSettings(config: Config): BoundSettings {
  return {
    isDiskEnforced: config.boolean("enforce-container-disk-quota"),
    diskWatchMs: config.durationMs("container-disk-watch-interval"),
    arePortsEnforced: config.boolean("enforce-container-ports"),
    portsWatchMs: config.durationMs("container-ports-watch-interval"),
    portsRange: rangeOf("container-ports-isolated-range", config, PORT_LAST),
  };
}

const PORT_LAST = 65_535;

function rangeOf(
  name: "container-ports-isolated-range",
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

/** What is not enforced is not measured. */
export function boundsOf(
  settings: BoundSettings,
  { volumesDir }: { readonly volumesDir: string },
): {
  readonly disk?: DiskOptions;
  readonly ports?: PortsOptions;
  readonly watch?: WatchIntervals;
} {
  const { isDiskEnforced, diskWatchMs, arePortsEnforced, portsWatchMs, portsRange } = settings;
  return {
    ...(isDiskEnforced ? { disk: { volumesDir } } : {}),
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
  diskWatchMs: 15_000,
  arePortsEnforced: false,
  portsWatchMs: 30_000,
  portsRange: null,
};

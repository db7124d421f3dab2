/**
 * `disk/du`, `disk/xfs`, `disk/loop`: what the sandbox and each persistent volume of a task take
 * on the disk. Measured now and then, and a task that is past its disk is ended (`du`); or bounded
 * by the file system, so that the write itself fails: by project quotas (`xfs`), or by an image in
 * the place of the sandbox (`loop`). A sandbox without disk is not bounded, as in Mesos.
 */
import type { Quotas } from "#runtime";
import type { ContainerSpec } from "../container.ts";
import type { Fragment, Isolator } from "../isolator.ts";
import type { WatchedDirectory } from "../watch.ts";
import { persistentPath } from "./volumes.ts";

export const DISK_ISOLATORS = ["du", "xfs", "loop"] as const;

export interface DiskOptions {
  readonly isolator: (typeof DISK_ISOLATORS)[number];
  /** Where persistent volumes lie. */
  readonly volumesDir: string;
  /** Project ids that quotas may take, both ends in it (`--xfs-project-range`). */
  readonly projects: readonly [first: number, last: number];
}

const BYTES_PER_MIB = 1_048_576;
/** Below this an image has no room for a file system. */
const IMAGE_MIB_MIN = 2;

/** The volumes of its task, each counted on its own: what is in them is not in the sandbox. */
function volumesOf(spec: ContainerSpec, { volumesDir }: DiskOptions): WatchedDirectory[] {
  return (spec.persistentVolumes ?? []).flatMap((volume) => {
    if (volume.mib === undefined) return [];
    const path = persistentPath(volumesDir, volume);
    const limitBytes = volume.mib * BYTES_PER_MIB;
    return [{ name: `persistent volume ${volume.id}`, path, limitBytes }];
  });
}

function byDu({ sandbox, resources }: ContainerSpec, volumes: WatchedDirectory[]): Fragment {
  const { diskMib } = resources;
  const limitBytes = (diskMib ?? 0) * BYTES_PER_MIB;
  const own = diskMib === undefined ? [] : [{ name: "the sandbox", path: sandbox, limitBytes }];
  const disk = [...own, ...volumes];
  return disk.length === 0 ? {} : { watch: { disk } };
}

function byQuota(
  { sandbox, resources }: ContainerSpec,
  volumes: WatchedDirectory[],
  { projects: [first, last], volumesDir }: DiskOptions,
): Fragment {
  const { diskMib } = resources;
  const directories: Quotas["directories"] = [
    ...(diskMib === undefined
      ? []
      : [{ path: sandbox, within: null, bytes: diskMib * BYTES_PER_MIB }]),
    ...volumes.map(({ path, limitBytes }) => ({ path, within: volumesDir, bytes: limitBytes })),
  ];
  return directories.length === 0 ? {} : { quotas: { first, last, directories } };
}

function byImage({ resources }: ContainerSpec, volumes: WatchedDirectory[]): Fragment {
  const { diskMib } = resources;
  const watch = volumes.length === 0 ? {} : { watch: { disk: volumes } };
  if (diskMib === undefined) return watch;
  if (diskMib < IMAGE_MIB_MIN) {
    return { refused: `disk: ${diskMib} MiB has no room for an image; ask for ${IMAGE_MIB_MIN}` };
  }
  return { ...{}, ...watch, inside: { imageBytes: diskMib * BYTES_PER_MIB } };
}

export function diskIsolator(options: DiskOptions): Isolator {
  const { isolator } = options;
  return {
    name: `disk/${isolator}`,
    fragment(spec) {
      const volumes = volumesOf(spec, options);
      if (isolator === "xfs") return byQuota(spec, volumes, options);
      return isolator === "loop" ? byImage(spec, volumes) : byDu(spec, volumes);
    },
  };
}

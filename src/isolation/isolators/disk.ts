/**
 * `disk/du`: what the sandbox and each persistent volume of a task take on the disk. They are
 * measured now and then; a task that is past its disk is ended. A sandbox without disk of its own
 * is not bounded, as in Mesos.
 */
import type { ContainerSpec } from "../container.ts";
import type { Isolator } from "../isolator.ts";
import type { WatchedDirectory } from "../watch.ts";
import { persistentPath } from "./volumes.ts";

export interface DiskOptions {
  /** Where persistent volumes lie. */
  readonly volumesDir: string;
}

const BYTES_PER_MIB = 1_048_576;

/** The volumes of its task, each counted on its own: what is in them is not in the sandbox. */
function volumesOf(spec: ContainerSpec, { volumesDir }: DiskOptions): WatchedDirectory[] {
  return (spec.persistentVolumes ?? []).flatMap((volume) =>
    volume.mib === undefined
      ? []
      : [
          {
            name: `persistent volume ${volume.id}`,
            path: persistentPath(volumesDir, volume),
            limitBytes: volume.mib * BYTES_PER_MIB,
          },
        ],
  );
}

export function diskIsolator(options: DiskOptions): Isolator {
  return {
    name: "disk/du",
    fragment(spec) {
      const { diskMib } = spec.resources;
      const disk = volumesOf(spec, options);
      if (diskMib !== undefined) {
        const limitBytes = diskMib * BYTES_PER_MIB;
        disk.unshift({ name: "the sandbox", path: spec.sandbox, limitBytes });
      }
      return disk.length === 0 ? {} : { watch: { disk } };
    },
  };
}

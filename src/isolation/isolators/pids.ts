/**
 * `cgroups/pids`: bounds the processes and threads of a container. Mesos sets no limit here; a
 * fork bomb then takes the machine, so we always set one.
 */
import type { Isolator } from "../isolator.ts";

/** Processes and threads of a container that names no other bound. */
export const PIDS_MAX_DEFAULT = 4_096;

export interface PidsOptions {
  readonly max: number;
}

export function pidsIsolator(options: PidsOptions): Isolator {
  return {
    name: "cgroups/pids",
    fragment: ({ limits }) => ({ cgroups: { pids: { max: limits.pids ?? options.max } } }),
  };
}

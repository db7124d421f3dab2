/**
 * `cgroups/devices`: a container may use the devices that harm nobody, those that the task asks
 * for and the agent grants, and the GPUs that it was given; every other one is denied.
 */
import type { Isolator } from "../isolator.ts";

/** null, zero, full, random, urandom, tty, console, ptmx, and the terminals of devpts. */
export const DEVICES_ALWAYS: readonly string[] = [
  "c 1:3 rwm",
  "c 1:5 rwm",
  "c 1:7 rwm",
  "c 1:8 rwm",
  "c 1:9 rwm",
  "c 5:0 rwm",
  "c 5:1 rwm",
  "c 5:2 rwm",
  "c 136:* rwm",
];

export const devicesIsolator: Isolator = {
  name: "cgroups/devices",
  fragment({ limits, assigned }, { cgroupMode, hardware }) {
    const wanted = limits.devices ?? [];
    if (cgroupMode === "none") {
      return wanted.length === 0 ? {} : { refused: "devices: this agent has no cgroups" };
    }
    const granted: string[] = [];
    const known = hardware?.devices ?? [];
    for (const path of wanted) {
      const device = known.find((one) => one.path === path);
      if (device === undefined) {
        const paths = known.map((one) => one.path).join(", ") || "none";
        return { refused: `devices: ${path} is not granted by this agent; it grants ${paths}` };
      }
      granted.push(`${device.node} rw`);
    }
    const mine = hardware?.gpus.filter(({ index }) => assigned?.gpus.includes(index)) ?? [];
    const gpus = mine.flatMap(({ nodes }) => nodes.map((node) => `${node} rw`));
    return { cgroups: { devices: [...new Set([...DEVICES_ALWAYS, ...granted, ...gpus])] } };
  },
};

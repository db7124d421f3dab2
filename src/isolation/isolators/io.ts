/**
 * `cgroups/blkio`: bytes and operations in a second of a block device, for a task that names
 * them. Mesos' isolator only counts. v1 does not see buffered writes; the unified tree does.
 */
import type { IoLimit } from "../cgroups/driver.ts";
import type { Isolator } from "../isolator.ts";

export const ioIsolator: Isolator = {
  name: "cgroups/blkio",
  fragment({ limits }, { cgroupMode, hardware }) {
    if (limits.io === undefined || limits.io.length === 0) return {};
    if (cgroupMode === "none") return { refused: "io: this agent has no cgroups" };
    const known = hardware?.blockDevices ?? {};
    const io: IoLimit[] = [];
    for (const { device: name, readBps, writeBps, readIops, writeIops } of limits.io) {
      const device = Object.hasOwn(known, name) ? known[name] : undefined;
      if (device === undefined) {
        const names = Object.keys(known).join(", ") || "none";
        return { refused: `io: ${name} is no block device of this agent; it has ${names}` };
      }
      io.push({
        device,
        readBps: readBps ?? null,
        writeBps: writeBps ?? null,
        readIops: readIops ?? null,
        writeIops: writeIops ?? null,
      });
    }
    return { cgroups: { io } };
  },
};

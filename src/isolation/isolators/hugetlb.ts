/**
 * `cgroups/hugetlb`: how much memory of each huge page size a task may have. Mesos' isolator
 * only joins. A task that names none is not limited: the pages are the administrator's to make.
 */
import type { Isolator } from "../isolator.ts";

const BYTES_PER_MIB = 1024 * 1024;

export const hugetlbIsolator: Isolator = {
  name: "cgroups/hugetlb",
  fragment({ limits }, { cgroupMode, hardware }) {
    const wanted = Object.entries(limits.hugetlbMib ?? {});
    if (wanted.length === 0) return {};
    if (cgroupMode === "none") return { refused: "hugetlb: this agent has no cgroups" };
    const sizes = hardware?.hugePages ?? [];
    const stranger = wanted.find(([size]) => !sizes.includes(size))?.[0];
    if (stranger !== undefined) {
      const offered = sizes.join(", ") || "none";
      return { refused: `hugetlb: this kernel has no pages of ${stranger}; it has ${offered}` };
    }
    return {
      cgroups: { hugetlb: wanted.map(([size, mib]) => ({ size, bytes: mib * BYTES_PER_MIB })) },
    };
  },
};

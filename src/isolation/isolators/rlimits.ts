/** `posix/rlimits`: the limits of `setrlimit` that a task names. The kernel judges them. */
import { RLIMIT_TYPES } from "#protocol";
import type { Rlimit } from "#runtime";
import type { Isolator } from "../isolator.ts";

export const rlimitsIsolator: Isolator = {
  name: "posix/rlimits",
  fragment({ container }) {
    const wished = container?.rlimitInfo?.rlimits ?? [];
    const rlimits: Rlimit[] = [];
    for (const { type, soft, hard } of wished) {
      if ((soft === undefined) !== (hard === undefined)) {
        return { refused: `rlimitInfo: ${type} has soft or hard, it needs both or neither` };
      }
      if (soft !== undefined && hard !== undefined && soft > hard) {
        return { refused: `rlimitInfo: ${type}: soft ${soft} is above hard ${hard}` };
      }
      const resource = RLIMIT_TYPES.indexOf(type);
      rlimits.push({ resource, soft: soft ?? "infinite", hard: hard ?? "infinite" });
    }
    return rlimits.length === 0 ? {} : { inside: { rlimits } };
  },
};

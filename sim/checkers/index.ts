/** All checkers, as a table. */
export type * from "./checker.ts";
import { allocationChecker } from "./allocation.ts";
import { boundChecker } from "./bounds.ts";
import type { MakeChecker } from "./checker.ts";
import { deathChecker } from "./deaths.ts";
import { epochChecker } from "./epochs.ts";
import { livenessChecker } from "./liveness.ts";
import { logChecker } from "./log.ts";
import { taskChecker } from "./tasks.ts";
import { updateChecker } from "./updates.ts";

export const CHECKERS: readonly MakeChecker[] = [
  allocationChecker,
  epochChecker,
  logChecker,
  taskChecker,
  updateChecker,
  boundChecker,
  livenessChecker,
  deathChecker,
];

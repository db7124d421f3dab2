/** All checkers, as a table. */
export type * from "./checker.ts";
import { absenceChecker } from "./absence.ts";
import { allocationChecker } from "./allocation.ts";
import { boundChecker } from "./bounds.ts";
import { callChecker } from "./calls.ts";
import type { CheckedWorld, Checker, MakeChecker, Violate } from "./checker.ts";
import { deadlineChecker } from "./deadlines.ts";
import { deathChecker, poisonChecker } from "./deaths.ts";
import { durableChecker } from "./durable.ts";
import { epochChecker } from "./epochs.ts";
import { silenceChecker } from "./silence.ts";
import { fairnessChecker } from "./fairness.ts";
import { keptLogChecker } from "./kept-log.ts";
import { kindChecker } from "./kinds.ts";
import { ledLogChecker } from "./led-log.ts";
import { leadChecker } from "./lead.ts";
import { lifeChecker } from "./lives.ts";
import { livenessChecker } from "./liveness.ts";
import { logChecker } from "./log.ts";
import { promiseChecker } from "./promises.ts";
import { removalChecker } from "./removals.ts";
import { quotaChecker } from "./quota.ts";
import { returnChecker } from "./return.ts";
import { reservationChecker } from "./reservations.ts";
import { sessionChecker } from "./sessions.ts";
import { taskChecker } from "./tasks.ts";
import { updateChecker } from "./updates.ts";
import { versionChecker } from "./versions.ts";

export { PENDING } from "./pending.ts";
export { Watch } from "./watch.ts";

export const CHECKERS: readonly MakeChecker[] = [
  allocationChecker,
  quotaChecker,
  fairnessChecker,
  absenceChecker,
  returnChecker,
  removalChecker,
  silenceChecker,
  deadlineChecker,
  epochChecker,
  leadChecker,
  promiseChecker,
  logChecker,
  keptLogChecker,
  ledLogChecker,
  versionChecker,
  taskChecker,
  updateChecker,
  durableChecker,
  reservationChecker,
  sessionChecker,
  kindChecker,
  lifeChecker,
  callChecker,
  boundChecker,
  livenessChecker,
  deathChecker,
  poisonChecker,
];

/** Those of all checkers that have one of these ids. */
export function checkersNamed(
  ids: readonly string[],
  world: CheckedWorld,
  violate: Violate,
): Checker[] {
  return CHECKERS.map((make) => make(world, violate)).filter(({ id }) => ids.includes(id));
}

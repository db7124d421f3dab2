/**
 * Makes a failure smaller: leaves out faults by delta debugging (ddmin), then work and members,
 * as long as the same statement is still violated. Each candidate is one run.
 */
import { type Failure, failureOf, rerun } from "./failure.ts";

export interface Shrunk {
  readonly failure: Failure;
  readonly runs: number;
}

type Try = (candidate: Pick<Failure, "scenario" | "faults">) => boolean;

/** @param budget most runs. @param progress told of each smaller failure. */
export function shrink(
  failure: Failure,
  budget: number,
  progress: (failure: Failure) => void = () => undefined,
): Shrunk {
  let best = failure;
  let runs = 0;
  const attempt: Try = ({ scenario, faults }) => {
    if (runs >= budget) return false;
    runs += 1;
    const { id } = failure.violation;
    const cluster = rerun(scenario, faults, [id]);
    const found = cluster.violations.find((violation) => violation.id === id);
    const again = found === undefined ? undefined : failureOf(cluster);
    if (found === undefined || again === undefined) return false;
    best = { ...again, violation: found };
    progress(best);
    return true;
  };
  attempt(best);
  fewerFaults(() => best, attempt);
  for (const part of ["items", "agents", "frameworks"] as const) {
    for (;;) {
      const { scenario, faults } = best;
      const fewer = Math.floor(scenario[part] / 2);
      if (fewer < 1 || !attempt({ scenario: { ...scenario, [part]: fewer }, faults })) break;
    }
  }
  fewerFaults(() => best, attempt);
  return { failure: best, runs };
}

/** ddmin over complements: leaves out ever smaller parts until no single fault can go. */
function fewerFaults(best: () => Failure, attempt: Try): void {
  if (best().faults.length > 0 && attempt({ scenario: best().scenario, faults: [] })) return;
  let parts = 2;
  while (best().faults.length > 1) {
    const { scenario, faults } = best();
    const size = Math.ceil(faults.length / parts);
    let smaller = false;
    for (let from = 0; from < faults.length && !smaller; from += size) {
      const rest = faults.filter((_, index) => index < from || index >= from + size);
      smaller = attempt({ scenario, faults: rest });
    }
    if (smaller) parts = Math.max(2, parts - 1);
    else if (size === 1) return;
    else parts = Math.min(faults.length, parts * 2);
  }
}

/** The allocator as people are told of it: its runs, what it hands out, and what is refused. */
import type { Allocator } from "#allocator";
import { type AllocatorView, FILTER_ROLES_MAX } from "#protocol";
import { Quantities } from "#resources";
import { wireOf } from "./role-views.ts";
import type { RunTimes } from "./run-times.ts";

export function allocatorView({
  allocator,
  runTimes,
}: {
  readonly allocator: Pick<Allocator, "activeFilters" | "runs" | "shares">;
  readonly runTimes: RunTimes;
}): AllocatorView {
  const { total, roles } = allocator.shares();
  const filters = [...allocator.activeFilters()].map(([role, active]) => ({ role, active }));
  // Those with most first: what is told together is the least of them.
  if (filters.length > FILTER_ROLES_MAX) filters.sort((a, b) => b.active - a.active);
  const others = filters.splice(FILTER_ROLES_MAX);
  const run = runTimes.run.view();
  const latency = runTimes.latency.view();
  return {
    runs: allocator.runs(),
    ...(run === undefined ? {} : { runTimes: run }),
    ...(latency === undefined ? {} : { latencies: latency }),
    total: wireOf(total),
    taken: wireOf(Quantities.of(roles.flatMap(({ allocated }) => [...allocated]))),
    filters,
    otherFilters: others.reduce((sum, { active }) => sum + active, 0),
  };
}

/**
 * The leader's allocator for monitoring, out of the views: under Mesos' own names (mesos.md §19,
 * `GET /metrics/snapshot`), and as Prometheus metrics.
 */
import { Counter, Gauge, type Registry } from "prom-client";
import type { TimerView } from "#protocol";
import type { ClusterView } from "#views";

const PREFIX = "allocator/mesos";
const MILLI = 1000;

/** Quantiles of a timer: Prometheus' label, Mesos' suffix, the view's field. */
const QUANTILES = [
  ["0.5", "p50", "p50Ms"],
  ["0.9", "p90", "p90Ms"],
  ["0.95", "p95", "p95Ms"],
  ["0.99", "p99", "p99Ms"],
  ["0.999", "p999", "p999Ms"],
  ["0.9999", "p9999", "p9999Ms"],
] as const;

/** Flat, each name one number; names of what does not exist are absent, as in Mesos. */
export function mesosMetrics(
  view: Pick<ClusterView, "allocator" | "roles">,
): Record<string, number> {
  const { allocator } = view;
  if (allocator === undefined) return {};
  const metrics: Record<string, number> = { [`${PREFIX}/allocation_runs`]: allocator.runs };
  timer(metrics, `${PREFIX}/allocation_run_ms`, allocator.runTimes);
  timer(metrics, `${PREFIX}/allocation_run_latency_ms`, allocator.latencies);
  const taken = new Map(allocator.taken.map(({ name, milli }) => [name, milli]));
  for (const { name, milli } of allocator.total) {
    metrics[`${PREFIX}/resources/${name}/total`] = milli / MILLI;
    metrics[`${PREFIX}/resources/${name}/offered_or_allocated`] = (taken.get(name) ?? 0) / MILLI;
  }
  for (const { role, active } of allocator.filters) {
    metrics[`${PREFIX}/offer_filters/roles/${role}/active`] = active;
  }
  for (const { name, share, frameworks, quota, consumed } of view.roles.values()) {
    if (frameworks.length > 0) metrics[`${PREFIX}/roles/${name}/shares/dominant`] = share;
    if (quota === undefined) continue;
    const of = (resource: string): string => `${PREFIX}/quota/roles/${name}/resources/${resource}`;
    for (const [resource, amount] of Object.entries(quota.guarantee)) {
      metrics[`${of(resource)}/guarantee`] = amount;
      metrics[`${of(resource)}/offered_or_allocated`] = consumed[resource] ?? 0;
    }
    for (const [resource, amount] of Object.entries(quota.limit)) {
      metrics[`${of(resource)}/limit`] = amount;
      metrics[`${of(resource)}/offered_or_allocated`] = consumed[resource] ?? 0;
    }
  }
  return metrics;
}

function timer(metrics: Record<string, number>, name: string, times: TimerView | undefined): void {
  if (times === undefined) return;
  metrics[name] = times.lastMs;
  metrics[`${name}/count`] = times.count;
  metrics[`${name}/min`] = times.minMs;
  metrics[`${name}/max`] = times.maxMs;
  for (const [, suffix, field] of QUANTILES) metrics[`${name}/${suffix}`] = times[field];
}

/** Registers them; each is read from the views when it is asked for. */
export function allocatorMetrics(registry: Registry, view: ClusterView): void {
  const gauge = (name: string, help: string, labelNames: string[], collect: (g: Gauge) => void) =>
    new Gauge({
      name: `meseta_allocator_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        collect(this);
      },
    });
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name: `meseta_allocator_${name}`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  counter("runs_total", "Allocation runs of this leader", () => view.allocator?.runs ?? 0);
  for (const [name, help, read] of [
    ["run_ms", "How long an allocation run takes", () => view.allocator?.runTimes],
    ["run_latency_ms", "How long a run was waited for", () => view.allocator?.latencies],
  ] as const) {
    gauge(name, `${help}: quantiles of the last runs, in ms`, ["quantile"], (g) => {
      const times = read();
      if (times === undefined) return;
      for (const [quantile, , field] of QUANTILES) g.set({ quantile }, times[field]);
    });
    counter(`${name}_sum`, `${help}: ms of all runs together`, () => read()?.sumMs ?? 0);
    counter(`${name}_count`, `${help}: how many runs were measured`, () => read()?.total ?? 0);
  }
  gauge("resources", "What agents have, offered or allocated", ["resource", "what"], (g) => {
    for (const what of ["total", "taken"] as const) {
      for (const { name, milli } of view.allocator?.[what] ?? []) {
        g.set({ resource: name, what }, milli / MILLI);
      }
    }
  });
  gauge("offer_filters", "Refusals in force", ["role"], (g) => {
    for (const { role, active } of view.allocator?.filters ?? []) g.set({ role }, active);
    const others = view.allocator?.otherFilters ?? 0;
    if (others > 0) g.set({ role: "(others)" }, others);
  });
  gauge("quota", "Quotas and what counts to them", ["role", "resource", "what"], (g) => {
    for (const { name: role, quota, consumed } of view.roles.values()) {
      if (quota === undefined) continue;
      for (const [what, amounts] of Object.entries({
        guarantee: quota.guarantee,
        limit: quota.limit,
        consumed,
      })) {
        for (const [resource, amount] of Object.entries(amounts)) {
          g.set({ role, resource, what }, amount);
        }
      }
    }
  });
}

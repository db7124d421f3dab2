/**
 * What the allocator's runs are counted and timed as: Mesos' metrics of its allocator, under the
 * names of its own tests, as the leader tells them and as monitoring reads them.
 */
import t from "tap";
import { TimerMetric, TIMES_KEPT_MAX } from "#actors/master";
import { mesosMetrics } from "#gateway";
import { ClusterView } from "#views";
import { frameworkOf, offersOf, register, subscribe } from "./cluster.ts";
import { Stage } from "./stage.ts";

/** Counters and metrics are told this often. */
const TOLD_MS = 5000;
const QUANTILES = ["count", "min", "max", "p50", "p90", "p95", "p99", "p999", "p9999"];

function metricsOf(stage: Stage): Record<string, number> {
  const view = new ClusterView();
  view.apply({ epoch: stage.state.epoch, first: 1, atMs: 0, events: stage.events });
  return mesosMetrics(view);
}

/** Those of one timer that are there. */
function timerOf(metrics: Record<string, number>, name: string): string[] {
  const begin = `allocator/mesos/${name}`;
  return Object.keys(metrics).filter((each) => each === begin || each.startsWith(`${begin}/`));
}

for (const [test, name] of [
  ["AllocationRunTimerMetrics", "allocation_run_ms"],
  ["AllocationRunLatencyMetrics", "allocation_run_latency_ms"],
] as const) {
  t.test(test, async (t) => {
    // No batch comes in between: each run has a cause in the story.
    const stage = new Stage({ allocationIntervalMs: 1e9, countersIntervalMs: TOLD_MS }).lead();
    stage.elapse(TOLD_MS);
    t.same(timerOf(metricsOf(stage), name), [], "nothing before the first run");
    stage.workMs = 3;
    register(stage, "a1");
    subscribe(stage, "f", { info: { roles: ["role1"] } });
    t.equal(offersOf(stage, "f").length, 1);
    stage.elapse(TOLD_MS);
    const metrics = metricsOf(stage);
    const all = ["", ...QUANTILES.map((each) => `/${each}`)];
    t.same(
      timerOf(metrics, name),
      all.map((each) => `allocator/mesos/${name}${each}`),
    );
    t.equal(metrics[`allocator/mesos/${name}/count`], metrics["allocator/mesos/allocation_runs"]);
    t.ok((metrics[`allocator/mesos/${name}/min`] ?? 0) >= 3, "each took its time");
  });
}

t.test(
  "a run is waited for from its cause on, and only what the allocator does is its time",
  async (t) => {
    const stage = new Stage({ allocationIntervalMs: 1e9 }).lead();
    register(stage, "a1");
    stage.workMs = 7;
    const before = stage.state.runTimes.run.view()?.total ?? 0;
    subscribe(stage, "f", { info: { roles: ["role1"] } });
    const run = stage.state.runTimes.run.view();
    t.equal((run?.total ?? 0) - before, 1, "one run for all that happened");
    t.equal(run?.lastMs, 7);
    stage.mail(frameworkOf("f"), "DECLINE", { offerIds: offersOf(stage, "f") });
    t.equal(stage.state.runTimes.run.view()?.total, (run?.total ?? 0) + 1);
  },
);

t.test("a batch that comes late was waited for since it was due", async (t) => {
  const stage = new Stage({ allocationIntervalMs: 100 }).lead();
  register(stage, "a1");
  stage.elapse(1050);
  stage.standStill(450);
  const latency = stage.state.runTimes.latency.view();
  t.ok((latency?.lastMs ?? 0) >= 350, `it waited for ${latency?.lastMs} ms`);
  t.equal(latency?.minMs, 0);
});

t.test("a run that the allocator's pause keeps back is none", async (t) => {
  const first = new Stage().lead();
  for (const name of ["a1", "a2"]) register(first, name);
  const guarantee = [{ name: "cpus", milli: 1000 }];
  const body = { role: "q", guarantee, limit: [], lends: false, force: true, dryRun: false };
  first.mail("operator.root" as never, "OPERATOR_UPDATE_QUOTA", body, { reply: "inbox", id: 1 });
  const second = new Stage({ name: "m2", log: first.log }).lead();
  second.elapse(3000);
  t.equal(second.state.allocator.runs(), 0);
  t.equal(second.state.runTimes.run.view(), undefined);
  for (const name of ["a1", "a2"]) register(second, name);
  second.elapse(1500);
  t.equal(second.state.runTimes.run.view()?.total, second.state.allocator.runs());
  t.ok(second.state.allocator.runs() > 0);
});

t.test("resources, filters, quotas and shares have Mesos' names", async (t) => {
  const stage = new Stage({ allocationIntervalMs: 1000, countersIntervalMs: TOLD_MS }).lead();
  register(stage, "a1");
  const guarantee = [{ name: "cpus", milli: 1000 }];
  const limit = [{ name: "mem", milli: 512_000 }];
  const body = { role: "q", guarantee, limit, lends: false, force: true, dryRun: false };
  stage.mail("operator.root" as never, "OPERATOR_UPDATE_QUOTA", body, { reply: "inbox", id: 1 });
  subscribe(stage, "f", { info: { roles: ["f"] } });
  stage.elapse(1500);
  stage.mail(frameworkOf("f"), "DECLINE", {
    offerIds: offersOf(stage, "f"),
    filters: { refuseMs: 60_000 },
  });
  subscribe(stage, "q", { info: { roles: ["q"] } });
  stage.elapse(TOLD_MS + 1500);
  const metrics = metricsOf(stage);
  const named = (name: string) => metrics[`allocator/mesos/${name}`];
  t.equal(named("resources/cpus/total"), 4);
  t.equal(
    named("resources/cpus/offered_or_allocated"),
    named("quota/roles/q/resources/cpus/offered_or_allocated"),
  );
  t.equal(named("quota/roles/q/resources/cpus/guarantee"), 1);
  t.equal(named("quota/roles/q/resources/mem/limit"), 512);
  t.equal(named("quota/roles/q/resources/mem/guarantee"), undefined, "what is not set is absent");
  t.equal(named("offer_filters/roles/f/active"), 1);
  t.ok((named("roles/q/shares/dominant") ?? 0) > 0);
  t.equal(named("roles/f/shares/dominant"), 0);
});

t.test("a timer keeps its last thousand times, and counts all of them", async (t) => {
  const timer = new TimerMetric();
  t.equal(timer.view(), undefined);
  timer.note(5);
  t.match(timer.view(), {
    total: 1,
    count: 1,
    minMs: 5,
    p50Ms: 5,
    p9999Ms: 5,
    maxMs: 5,
    lastMs: 5,
  });
  for (let i = 1; i <= 3 * TIMES_KEPT_MAX; i++) timer.note(i);
  const view = timer.view();
  t.match(view, { total: 3 * TIMES_KEPT_MAX + 1, count: TIMES_KEPT_MAX, lastMs: 3000 });
  t.match(view, { minMs: 2001, maxMs: 3000, p50Ms: 2500.5, sumMs: 5 + (3000 * 3001) / 2 });
});

/** What monitoring reads: the views' sums and this process's counts, as Prometheus text. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { allocatorMetrics } from "./allocator-metrics.ts";
import type { GatewayContext } from "./context.ts";

/** A function that renders all metrics as they are now. */
export function metricsText(context: GatewayContext): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { view } = context;
  const gauge = (name: string, help: string, labelNames: string[], collect: (g: Gauge) => void) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        collect(this);
      },
    });
  gauge("meseta_tasks", "Live tasks by state", ["state"], (g) => {
    for (const task of view.tasks.values()) g.inc({ state: task.state });
  });
  gauge("meseta_agents", "Agents by condition", ["condition"], (g) => {
    for (const agent of view.agents.values()) g.inc({ condition: agent.condition });
  });
  gauge("meseta_frameworks", "Frameworks by connection", ["connected"], (g) => {
    for (const one of view.frameworks.values()) g.inc({ connected: String(one.connected) });
  });
  gauge("meseta_offers", "Outstanding offers", [], (g) => g.set(view.offers.size));
  gauge("meseta_role_share", "Dominant share of a role", ["role"], (g) => {
    for (const role of view.roles.values()) g.set({ role: role.name }, role.share);
  });
  gauge("meseta_leader_epoch", "Epoch of the leader that the views follow", [], (g) =>
    g.set(view.leader?.epoch ?? 0),
  );
  gauge("meseta_resources", "Sums over registered agents", ["resource", "what"], (g) => {
    for (const [what, sums] of Object.entries(view.sums())) {
      g.set({ resource: "cpus", what }, sums.cpus);
      g.set({ resource: "mem_mib", what }, sums.memMib);
      g.set({ resource: "disk_mib", what }, sums.diskMib);
      g.set({ resource: "gpus", what }, sums.gpus);
    }
  });
  allocatorMetrics(registry, view);
  new Counter({
    name: "meseta_count_total",
    help: "Refusals, drops and other counted events of this process",
    labelNames: ["name", "label"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [name, label, count] of context.counts()) this.inc({ name, label }, count);
      for (const [name, count] of view.counters) this.inc({ name, label: "leader" }, count);
    },
  });
  return () => registry.metrics();
}

/**
 * How long nobody offers: the leader is killed with SIGKILL, or gives the lead away, while tasks
 * run; the time from there to the first offer of the next leader, as a framework sees it.
 */
import { loadavg } from "node:os";
import { measureFailover } from "./failover-load.ts";
import { print, quantile, type Row } from "./harness.ts";

const OPTIONS = { masters: 3, agents: 10, tasks: 200, kills: 20, transfers: 20 };
const KILLED_MS_P50_BELOW = 2_500;
const KILLED_MS_P99_BELOW = 6_000;
const TRANSFERRED_MS_BELOW = 500;

/** `--kills 5`, `--transfers 5`, `--tasks 50`, `--agents 3` for less. */
export async function run(args: readonly string[]): Promise<boolean> {
  const options: Record<keyof typeof OPTIONS, number> = { ...OPTIONS };
  for (const name of Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]) {
    const at = args.indexOf(`--${name}`);
    if (at >= 0) options[name] = Number(args[at + 1]);
  }
  const { killedMs, transferredMs, ended } = await measureFailover(options);
  const [load = 0] = loadavg();
  const rows: Row[] = [
    {
      name: "killed: to the first offer, p50",
      value: quantile(killedMs, 0.5),
      unit: "ms",
      below: KILLED_MS_P50_BELOW,
    },
    {
      name: "killed: p99",
      value: quantile(killedMs, 0.99),
      unit: "ms",
      below: KILLED_MS_P99_BELOW,
    },
    { name: "transferred: p50", value: quantile(transferredMs, 0.5), unit: "ms" },
    {
      name: "transferred: longest",
      value: quantile(transferredMs, 1),
      unit: "ms",
      below: TRANSFERRED_MS_BELOW,
    },
    { name: "tasks that ended", value: ended, unit: "", below: 1 },
    { name: "load of the machine, 1 min", value: load, unit: "" },
  ];
  const { masters, agents, tasks } = options;
  const workload = `${masters} masters, ${agents} agents, ${tasks} tasks that run`;
  const all = `${killedMs.length} kills, ${transferredMs.length} transfers`;
  return print({ benchmark: "failover", workload: `${workload}; ${all}`, rows });
}

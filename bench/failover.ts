/**
 * How long nobody offers: the leader is killed with SIGKILL, alone or with the broker that leads
 * the stream of the log, or gives the lead away, while tasks run; the time from there to the first
 * offer of the next leader, as a framework sees it.
 */
import { loadavg } from "node:os";
import { measureBrokerFailover } from "./failover-brokers-load.ts";
import { measureFailover } from "./failover-load.ts";
import { print, quantile, type Row } from "./harness.ts";

const OPTIONS = { masters: 3, agents: 10, tasks: 200, kills: 20, transfers: 20, both: 10 };
const KILLED_MS_P50_BELOW = 2_500;
const KILLED_MS_P99_BELOW = 6_000;
const BOTH_MS_P99_BELOW = 12_000;
const TRANSFERRED_MS_BELOW = 500;

/** `--kills 5`, `--transfers 5`, `--both 5`, `--tasks 50`, `--agents 3` for less. */
export async function run(args: readonly string[]): Promise<boolean> {
  const options: Record<keyof typeof OPTIONS, number> = { ...OPTIONS };
  for (const name of Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]) {
    const at = args.indexOf(`--${name}`);
    if (at >= 0) options[name] = Number(args[at + 1]);
  }
  const none = { killedMs: [], transferredMs: [], bothMs: [], ended: 0 };
  const isAsked = options.kills + options.transfers > 0;
  const one = isAsked ? await measureFailover(options) : none;
  const three = options.both > 0 ? await measureBrokerFailover(options) : none;
  const { killedMs, transferredMs } = one;
  const { bothMs } = three;
  const [load = 0] = loadavg();
  const rows: Row[] = [
    ...timed("killed", killedMs, [0.5, KILLED_MS_P50_BELOW], [0.99, KILLED_MS_P99_BELOW]),
    ...timed("killed with the stream's leader", bothMs, [0.5], [0.99, BOTH_MS_P99_BELOW]),
    ...timed("transferred", transferredMs, [0.5], [1, TRANSFERRED_MS_BELOW]),
    { name: "tasks that ended", value: one.ended + three.ended, unit: "", below: 1 },
    { name: "load of the machine, 1 min", value: load, unit: "" },
  ];
  const { masters, agents, tasks } = options;
  const workload = `${masters} masters, ${agents} agents, ${tasks} tasks that run`;
  const kills = `${killedMs.length} kills, ${bothMs.length} with a broker`;
  const all = `${kills}, ${transferredMs.length} transfers`;
  return print({ benchmark: "failover", workload: `${workload}; ${all}`, rows });
}

/** Rows of the times to the first offer; none of what was not measured. */
function timed(
  what: string,
  ms: readonly number[],
  ...wanted: (readonly [number, number?])[]
): Row[] {
  if (ms.length === 0) return [];
  return wanted.map(([share, below]) => ({
    name: `${what}: ${share === 1 ? "longest" : `p${share * 100}`}`,
    value: quantile(ms, share),
    unit: "ms",
    ...(below === undefined ? {} : { below }),
  }));
}

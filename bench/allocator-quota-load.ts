/**
 * The workloads with quota (W10, W11), of frameworks that compete (W12), and of operations on an
 * agent of very many resource objects (W13).
 */
import { AGENT_CAPABILITIES } from "#protocol";
import { Limits, Quantities, Resources } from "#resources";
import { agentId, frameworkId, Load, seeded, unused } from "./allocator-load.ts";
import type { Meter, Size, Workload } from "./allocator-meter.ts";

/** The benchmark ends when as many tasks run, or as much time is over. */
const TASKS = 19_500;
const TIME_MS_MAX = 30_000;

function setQuotas(meter: Meter, load: Load, roles: number, textOf: (i: number) => string): void {
  const quotas = Array.from({ length: roles }, (_, i) => {
    const text = textOf(i);
    return { guarantee: Quantities.parse(text), limit: Limits.parse(text) };
  });
  meter.time(
    "set quota",
    () => {
      for (const [i, quota] of quotas.entries()) load.allocator.setQuota(`role${i}`, quota);
    },
    () => roles,
  );
}

/** `frameworks` is the number of roles: five small ones for each large one. */
export function largeAndSmallQuota(meter: Meter, { frameworks: roles, agents }: Size): void {
  const load = new Load(meter);
  load.agents(agents, unused("cpus:2;mem:2048;disk:2048"));
  load.frameworks(roles, (i) => `role${i}`);
  const small = (roles * 5) / 6;
  setQuotas(meter, load, roles, (i) =>
    i < small ? "cpus:1;mem:1024;disk:1024" : "cpus:4;mem:4096;disk:4096",
  );
  load.cycle("cycle 1");
  load.cycle("cycle 2");
}

export function quotaOrNot(withQuota: boolean): Workload["run"] {
  return (meter, { agents, frameworks }) => {
    const load = new Load(meter);
    const roles = frameworks / 2;
    load.agents(agents, unused("cpus:2;mem:2048;disk:2048"));
    load.frameworks(frameworks, (i) => `role${i % roles}`);
    if (withQuota) setQuotas(meter, load, roles, () => "cpus:4;mem:4096;disk:4096");
    load.cycle("cycle 1");
    load.cycle("cycle 2");
  };
}

type Kind = { readonly task: Resources; readonly perOffer: number; left: number };

/** Four greedy frameworks, 500 small ones in one role, 50 between in roles of their own. */
export function multiFramework(meter: Meter, { rounds }: Size): void {
  const load = new Load(meter);
  load.agents(80, unused("cpus:64;mem:488000"));
  const roleOf = (i: number): string =>
    i < 4 ? `roleA-${i + 1}` : i < 504 ? "roleB" : `roleC-${i - 503}`;
  load.frameworks(554, roleOf);
  const kindOf = (i: number): Kind =>
    i < 4
      ? { task: Resources.of("cpus:0.07;mem:400"), perOffer: 100, left: 4000 }
      : i < 504
        ? { task: Resources.of("cpus:0.1;mem:4000"), perOffer: 1, left: 5 }
        : { task: Resources.of("cpus:1;mem:1000"), perOffer: 5, left: 20 };
  const kinds = new Map(Array.from({ length: 554 }, (_, i) => [frameworkId(i), kindOf(i)]));
  const launchedAfter: number[] = [];
  const beganMs = performance.now();
  let launched = 0;
  while (launched < TASKS && launchedAfter.length < rounds) {
    if (performance.now() - beganMs > TIME_MS_MAX) break;
    load.cycle();
    const offers = load.takeOffers();
    launched += meter.time(
      "launch and recover",
      () => {
        let tasks = 0;
        for (const { frameworkId: id, agentId: agent, resources, role } of offers) {
          const kind = kinds.get(id);
          let rest = resources;
          const task = kind?.task.allocate(role) ?? Resources.EMPTY;
          for (let n = 0; kind !== undefined && n < kind.perOffer && kind.left > 0; n++) {
            if (!rest.contains(task)) break;
            rest = rest.subtract(task);
            kind.left -= 1;
            tasks += 1;
          }
          load.allocator.recoverResources(id, agent, rest, undefined, load.nowMs);
        }
        return tasks;
      },
      (tasks) => tasks,
    );
    launchedAfter.push(launched);
  }
  meter.notes.push(`tasks launched after each round: ${shortened(launchedAfter).join(", ")}`);
}

function shortened(list: readonly number[]): (number | string)[] {
  return list.length <= 12 ? [...list] : [...list.slice(0, 10), "…", list.at(-1) ?? 0];
}

/** `frameworks` is the number of roles, each with four reserved objects on the one agent. */
export function updates(meter: Meter, { frameworks: roles }: Size): void {
  const load = new Load(meter);
  const random = seeded();
  const letters = (): string =>
    Array.from({ length: 36 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join("");
  const names = Array.from({ length: roles }, () => `role-${letters()}`);
  const roleOf = (i: number): string => names[i] ?? "*";
  const part = (i: number): Resources =>
    Resources.of("cpus:100;mem:100;disk:100;port:[2-2]").pushReservation({
      type: "DYNAMIC",
      role: roleOf(i),
      labels: [{ key: "Label", value: letters() }],
    });
  const parts = Array.from({ length: roles }, (_, i) => part(i));
  const total = Resources.fromWire(parts.flatMap((each) => each.toWire()));
  load.frameworks(roles, roleOf);
  const used = new Map(parts.map((each, i) => [frameworkId(i), each.allocate(roleOf(i))]));
  const spec = { total, attributes: [], capabilities: AGENT_CAPABILITIES };
  load.allocator.addAgent(agentId(0), spec, used);
  const consumed = parts[0] ?? Resources.EMPTY;
  const converted = consumed.popReservation();
  const convert = (name: string, from: Resources, to: Resources): void =>
    meter.time(name, () => {
      const change = [{ consumed: from, converted: to }];
      load.allocator.updateAllocation(frameworkId(0), agentId(0), roleOf(0), change);
    });
  for (let i = 0; i < 20; i++) {
    convert("unreserve", consumed, converted);
    convert("reserve", converted, consumed);
  }
}

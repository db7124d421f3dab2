/**
 * The workloads of frameworks that do not want what they are offered (W4 to W8): declines with
 * filters that outlive the benchmark, suppression, reservations, volumes.
 */
import { type Resource, Resources } from "#resources";
import { bags, BIG, frameworkId, Load, ODD_PORTS, usedInTurn } from "./allocator-load.ts";
import type { Meter, Size, Workload } from "./allocator-meter.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;

/** What each agent has in use, allocated to the default role. */
export function used(text: string): () => Resources {
  const bag = bags(`${text};ports:${ODD_PORTS}`);
  return () => bag().allocate("*");
}

/** Rounds are named by how many filters there are by then. */
function roundName(round: number, frameworks: number): string {
  if (round < 10) return "cycle";
  if (round === frameworks) return "middle cycle";
  return round >= 2 * frameworks - 2 ? "late cycle" : "later cycle";
}

export function declines(role: string, usedOf: (i: number) => Resources): Workload["run"] {
  return (meter, { agents, frameworks, rounds }) => {
    const load = new Load(meter);
    load.frameworks(frameworks, () => role);
    load.agents(agents, usedInTurn(BIG, frameworks, usedOf));
    for (let round = 0; round < Math.min(rounds, 2 * frameworks); round++) {
      load.declineAll(YEAR_MS);
      load.cycle(roundName(round, frameworks));
    }
  };
}

const plainOfLabelled = bags(`mem:2014;disk:1024;ports:${ODD_PORTS}`);

/** Two reservations of unlike labels; both unique ones stand in the first, an upstream slip. */
export const labelled = (i: number): Resources => {
  const keys = Array.from({ length: 11 }, (_, k) => ({ key: `key${k}`, value: `value${k}` }));
  const unique = ["unique_key_1", "unique_key_2"].map((key) => ({ key, value: `value_${i}` }));
  const reservation = (labels: { key: string; value: string }[]): Resource => ({
    name: "cpus",
    type: "SCALAR",
    scalar: { milli: 8000 },
    reservations: [{ type: "DYNAMIC", role: "role1", principal: "principal1", labels }],
  });
  return plainOfLabelled()
    .add(Resources.fromWire([reservation([...keys, ...unique]), reservation(keys)]))
    .allocate("role1");
};

export function suppression(extreme: boolean): Workload["run"] {
  return (meter, { agents, frameworks }) => {
    const load = new Load(meter);
    load.frameworks(frameworks, () => "*");
    load.agents(agents, usedInTurn(BIG, frameworks, used("cpus:16;mem:1024;disk:1024")));
    const part = extreme ? Math.floor(0.99 * frameworks) : frameworks / 5;
    for (let round = 0; round < 5; round++) {
      load.declineAll();
      if (round === 0 || !extreme) {
        const from = Math.round(round * part);
        const to = Math.min(Math.round((round + 1) * part), frameworks);
        meter.time("suppress", () => {
          for (let i = from; i < to; i++) load.allocator.suppress(frameworkId(i));
        });
      }
      load.cycle(extreme ? "cycle" : `cycle ${round + 1}`);
    }
  };
}

export function volumes(meter: Meter, { agents, frameworks, rounds }: Size): void {
  const load = new Load(meter);
  load.frameworks(frameworks, () => "test");
  const reserve = (bag: Resources): Resources =>
    bag.pushReservation({ type: "STATIC", role: "test" });
  const volume = (i: number): Resource => ({
    name: "disk",
    type: "SCALAR",
    scalar: { milli: 1_024_000 },
    reservations: [{ type: "STATIC", role: "test" }],
    disk: {
      persistence: { id: `id${i}` },
      volume: { containerPath: `path${i}`, mode: "RW" },
    },
  });
  const plain = bags("cpus:24;mem:4096;disk:3072;ports:[31000-32000]");
  const inUse = bags(`cpus:16;mem:1024;disk:1024;ports:${ODD_PORTS}`);
  load.agents(agents, (i) => ({
    total: reserve(plain()).add(Resources.fromWire([volume(i)])),
    used: {
      by: frameworkId(i % frameworks),
      // Under the default role, as upstream has it.
      resources: reserve(inUse()).allocate("*"),
    },
  }));
  for (let round = 0; round < rounds; round++) {
    load.declineAll();
    load.cycle();
  }
}

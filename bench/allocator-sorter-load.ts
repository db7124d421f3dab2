/**
 * The workloads of parts alone: orders by fairness (W14, W15) and the arithmetic of resources (W16).
 */
import { type AgentId, asId } from "#protocol";
import {
  coalesceRanges,
  type Resource,
  ResourceNames,
  Resources,
  addRanges,
  subtractRanges,
} from "#resources";
import { FairOrder } from "../src/allocator/order.ts";
import { chargeOf, Totals } from "../src/allocator/shares.ts";
import type { Meter, Size } from "./allocator-meter.ts";

const NO_OP_SORTS = 1000;
const SMALL_ALLOCATIONS = 200;

/** `frameworks` is the number of clients. */
export function fullSort(meter: Meter, { agents, frameworks }: Size): void {
  sortAll(
    meter,
    agents,
    Array.from({ length: frameworks }, (_, i) => `${i}`),
  );
}

/** `frameworks` is the number of children of each node, `rounds` the height of the tree. */
export function hierarchyFullSort(meter: Meter, { agents, frameworks, rounds }: Size): void {
  const names: string[] = [];
  const enter = (path: string, height: number): void => {
    if (height > 1) {
      for (let i = 0; i < frameworks; i++) {
        enter(path === "" ? `${i}` : `${path}/${i}`, height - 1);
      }
    }
    if (path !== "") names.push(path);
  };
  enter("", rounds);
  sortAll(meter, agents, names);
}

function sortAll(meter: Meter, agents: number, clientNames: readonly string[]): void {
  const names = new ResourceNames();
  const totals = new Totals(names, []);
  const order = new FairOrder<string>(totals, { tree: true });
  const clients = meter.time("add clients", () => clientNames.map((name) => order.add(name, name)));
  const total = names.vectorOf(
    Resources.of("cpus:24;mem:4096;disk:4096;ports:[31000-32000]").quantities(),
  );
  meter.time("add agents", () => {
    for (let i = 0; i < agents; i++) totals.change([], total);
  });
  const odd = Array.from({ length: 100 }, (_, i) =>
    i < 99 ? `${31000 + 2 * i}-${31000 + 2 * i}` : "31198-32000",
  );
  const given = Array.from({ length: agents }, (_, i) => {
    const bag = Resources.of(`cpus:16;mem:2014;disk:1024;ports:[${odd.join()}]`);
    return { bag, agentId: asId<AgentId>(`agent${i}`), client: clients[i % clients.length] };
  });
  meter.time("add allocations", () => {
    for (const { bag, agentId, client } of given) {
      if (client !== undefined) order.allocated(client, chargeOf(names, agentId, bag));
    }
  });
  meter.time("inactive sort", () => order.sort());
  for (const client of clients) order.activate(client);
  meter.time("full sort", () => order.sort());
  meter.time(
    `no-op sorts`,
    () => {
      for (let i = 0; i < NO_OP_SORTS; i++) order.sort();
    },
    () => NO_OP_SORTS,
  );
  const small = chargeOf(names, asId<AgentId>("agent0"), Resources.of("cpus:1;mem:10"));
  meter.time("small allocations", () => {
    for (let i = 0; i < SMALL_ALLOCATIONS; i++) {
      const client = clients[i % clients.length];
      if (client !== undefined) order.allocated(client, small);
      order.sort();
    }
  });
  meter.time("take back", () => {
    for (const { bag, agentId, client } of given) {
      if (client !== undefined) order.unallocated(client, chargeOf(names, agentId, bag));
    }
  });
  meter.time("remove agents", () => {
    for (let i = 0; i < agents; i++) totals.change(total, []);
  });
  meter.time("remove clients", () => {
    for (const client of clients) order.remove(client);
  });
}

/** `rounds` is how often the cheap operations are repeated. */
export function arithmetic(meter: Meter, { rounds }: Size): void {
  const shared = Resources.fromWire([
    {
      name: "disk",
      type: "SCALAR",
      scalar: { milli: 256_000 },
      reservations: [{ type: "STATIC", role: "role1" }],
      disk: { persistence: { id: "id1" } },
      shared: {},
    },
  ]);
  const four = Resources.of("cpus:1;gpus:1;mem:128;disk:256");
  sums(meter, "4 scalars", four, rounds);
  sums(meter, "with a shared disk", Resources.of("cpus:1;mem:128").add(shared), rounds);
  sums(meter, "4,000 reservations", labelledBag(1000), 10);
  const repeat = (name: string, times: number, work: () => unknown): void => {
    meter.time(
      name,
      () => {
        for (let i = 0; i < times; i++) work();
      },
      () => times,
    );
  };
  const mixed = four.add(Resources.of("cpus(role1):1;mem(role1):128"));
  repeat("filter nonRevocable", rounds, () => mixed.nonRevocable());
  repeat("filter unreserved", rounds, () => mixed.unreserved());
  repeat("filter reserved", rounds, () => mixed.reserved("role1"));
  const twice = four.add(four);
  repeat("contains scalars", rounds / 10, () => twice.contains(four));
  const text = Array.from({ length: 100 }, (_, i) => `name${i}:${i + 1}`).join(";");
  repeat("parse 100 names", rounds / 50, () => Resources.of(text));
  for (const n of [10, 100, 1000]) {
    const steps = (from: number) =>
      Array.from({ length: n }, (_, i) => ({ begin: from + 10 * i, end: from + 10 * i + 5 }));
    const [a, b] = [coalesceRanges(steps(1)), coalesceRanges(steps(3))];
    repeat(`${n} ranges a+b`, rounds / 50, () => addRanges(a, b));
    repeat(`${n} ranges a-b`, rounds / 50, () => subtractRanges(a, b));
  }
}

function sums(meter: Meter, name: string, bag: Resources, times: number): void {
  let total = Resources.EMPTY;
  meter.time(
    `${name} +`,
    () => {
      for (let i = 0; i < times; i++) total = total.add(bag);
    },
    () => times,
  );
  meter.time(
    `${name} -`,
    () => {
      for (let i = 0; i < times; i++) total = total.subtract(bag);
    },
    () => times,
  );
}

/** Four scalars for each of many reservations that differ in a label. */
function labelledBag(count: number): Resources {
  const objects: Resource[] = [];
  for (let i = 0; i < count; i++) {
    for (const name of ["cpus", "gpus", "mem", "disk"]) {
      const labels = [{ key: "key", value: `value${i}` }];
      const reservations = [{ type: "DYNAMIC" as const, role: "role1", labels }];
      objects.push({ name, type: "SCALAR", scalar: { milli: 1000 }, reservations });
    }
  }
  return Resources.fromWire(objects);
}

/** RESERVE, UNRESERVE, CREATE and DESTROY as what they do to a bag, and what they may not be. */
import t from "tap";
import type { ResourceOperation } from "#protocol";
import {
  checkpointedPart,
  conversionFault,
  conversionOf,
  Resources,
  withCheckpointed,
} from "#resources";

type Wire = ResourceOperation["resources"];

export function reserved(text: string, role: string, principal = "p"): Wire {
  return Resources.of(text).pushReservation({ type: "DYNAMIC", role, principal }).toWire();
}

export function volume(id: string, mib: number, role: string, principal = "p"): Wire {
  return reserved(`disk:${mib}`, role, principal).map((resource) => ({
    ...resource,
    disk: { persistence: { id, principal }, volume: { containerPath: "data", mode: "RW" } },
  }));
}

const TOTAL = Resources.of("cpus:4;mem:1024;disk:100");

function after(total: Resources, ...operations: ResourceOperation[]): Resources {
  let now = total;
  for (const operation of operations) {
    t.equal(conversionFault(operation), undefined);
    const { consumed, converted } = conversionOf(operation);
    t.ok(now.contains(consumed), `${now} has ${consumed}`);
    now = now.subtract(consumed).add(converted);
  }
  return now;
}

t.test("each operation undoes its opposite", async (t) => {
  const reserve = { type: "RESERVE", resources: reserved("cpus:2;disk:60", "eng") } as const;
  const create = { type: "CREATE", resources: volume("v1", 40, "eng") } as const;
  const there = after(TOTAL, reserve, create);
  t.equal(there.reserved("eng").get("disk"), 60_000, "a volume is reserved disk like any other");
  t.equal([...there].filter(({ disk }) => disk?.persistence?.id === "v1").length, 1);
  const back = after(there, { ...create, type: "DESTROY" }, { ...reserve, type: "UNRESERVE" });
  t.ok(back.equals(TOTAL), `${back}`);
});

t.test("what exists by operations is found in the flags' resources again", async (t) => {
  const fixed = Resources.of("cpus:4;disk(eng):100");
  const refined = Resources.of("disk(eng):30")
    .pushReservation({ type: "DYNAMIC", role: "eng/web", principal: "p" })
    .toWire();
  const there = after(
    fixed,
    { type: "RESERVE", resources: reserved("cpus:1", "ops") },
    { type: "RESERVE", resources: refined },
  );
  const part = checkpointedPart(there);
  t.equal(part.get("cpus"), 1000);
  t.equal(part.get("disk"), 30_000);
  t.ok(withCheckpointed(fixed, part)?.equals(there));
  t.equal(withCheckpointed(Resources.of("cpus:4;disk:100"), part), undefined, "not of that role");
  t.ok(withCheckpointed(fixed, Resources.EMPTY)?.equals(fixed));
});

const FAULTS: readonly (readonly [ResourceOperation, RegExp])[] = [
  [{ type: "RESERVE", resources: Resources.of("cpus:1").toWire() }, /cpus is not reserved/],
  [
    { type: "UNRESERVE", resources: Resources.of("cpus(eng):1").toWire() },
    /eng by the agent's own flags/,
  ],
  [
    { type: "UNRESERVE", resources: volume("v1", 1, "eng") },
    /persistent volume v1; destroy it first/,
  ],
  [{ type: "CREATE", resources: reserved("disk:1", "eng") }, /no disk.persistence.id/],
  [
    { type: "CREATE", resources: [...volume("v1", 1, "eng"), ...volume("v1", 2, "eng")] },
    /persistent volume v1 occurs twice/,
  ],
  [
    {
      type: "CREATE",
      resources: volume("v1", 1, "eng").map(({ reservations: _, ...rest }) => rest),
    },
    /disk is not reserved; a volume is made/,
  ],
  [
    { type: "CREATE", resources: volume("v1", 1, "eng").map((each) => ({ ...each, shared: {} })) },
    /makes no shared volumes/,
  ],
  [
    {
      type: "RESERVE",
      resources: reserved("cpus:1", "eng").map((each) => ({ ...each, revocable: {} })),
    },
    /cpus is revocable/,
  ],
  [
    { type: "RESERVE", resources: [{ name: "cpus", type: "SCALAR", scalar: { milli: 0 } }] },
    /nothing is named/,
  ],
];

t.test("what an operation cannot be about is named", async (t) => {
  for (const [operation, sentence] of FAULTS) t.match(conversionFault(operation), sentence);
});

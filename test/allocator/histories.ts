/** Random histories: clusters, frameworks and what happens to them, as fast-check draws them. */
import type { Placement } from "#allocator";
import { AGENT_CAPABILITIES } from "#protocol";
import { Resources } from "#resources";
import fc from "fast-check";
import type { AgentKind, FrameworkKind } from "./model-eligibility.ts";
import { sharedVolume } from "./sorter.ts";

export const ROLES = ["*", "r1", "r2", "r1/s", "r1/s/t", "r1/u", "r2/v/w"];
export const PLACEMENTS: readonly Placement[] = ["random", "pack", "spread"];
/** Guarantee and limit; an empty pair removes the quota. */
export const QUOTAS = [
  ["", ""],
  ["cpus:1;mem:64", "cpus:1;mem:64"],
  ["cpus:2", "cpus:3;mem:256"],
  ["mem:300;cpus:0.5", ""],
  ["", "cpus:0;mem:40"],
  ["", "cpus:1.5"],
  ["cpus:4;mem:512;disk:50", "cpus:6"],
] as const;

const mount = Resources.of(
  '[{"name":"disk","type":"SCALAR","scalar":{"value":60},"disk":{"source":{"type":"MOUNT","mount":{"root":"/m"}}}}]',
);
const oversubscribed = Resources.of(
  '[{"name":"cpus","type":"SCALAR","scalar":{"value":2},"revocable":{}}]',
);
const volume = Resources.fromWire(
  [...sharedVolume(20)].map((each) => ({
    ...each,
    reservations: [{ type: "STATIC" as const, role: "r1" }],
  })),
);
export const TOTALS: readonly Resources[] = [
  Resources.of("cpus:1;mem:64"),
  Resources.of("cpus:2;mem:512;ports:[1-20]"),
  Resources.of("cpus:4;mem:256;cpus(r1):2;mem(r1):64"),
  Resources.of("cpus(r2):1;mem(r2):32;disk:100"),
  Resources.of("cpus:0.005;mem:16"),
  Resources.of("cpus:4;mem:512;ports:[5-9, 20-24]").add(oversubscribed),
  Resources.of("cpus:3;mem:300").add(volume),
  Resources.of("cpus:1;mem:128;disk:40").add(mount),
  Resources.of("cpus:2;mem:128;gpus:1"),
];

const rack = (text: string): AgentKind["attributes"] => [{ name: "rack", type: "TEXT", text }];
export const AGENT_KINDS: readonly AgentKind[] = [
  { capabilities: AGENT_CAPABILITIES, attributes: rack("x") },
  { capabilities: AGENT_CAPABILITIES, attributes: rack("y") },
  { capabilities: AGENT_CAPABILITIES, attributes: [], domain: { region: "far", zone: "z" } },
  { capabilities: ["MULTI_ROLE"], attributes: [] },
  { capabilities: [], attributes: rack("x") },
];
export const FRAMEWORK_KINDS: readonly FrameworkKind[] = [
  { capabilities: ["MULTI_ROLE"] },
  { capabilities: ["MULTI_ROLE", "REVOCABLE_RESOURCES", "SHARED_RESOURCES"] },
  { capabilities: ["MULTI_ROLE", "REVOCABLE_RESOURCES", "GPU_RESOURCES", "REGION_AWARE"] },
  { capabilities: ["MULTI_ROLE", "SHARED_RESOURCES"], rack: "x" },
  { capabilities: [], anySize: true },
];

export type Step =
  | { do: "addAgent"; n: number; kind: number; total: number; usedBy?: number; role: number }
  | { do: "removeAgent" | "flipAgent"; n: number }
  | { do: "resize"; n: number; total: number }
  | { do: "addFramework"; n: number; kind: number; roles: number[]; suppressed: number[] }
  | { do: "updateFramework"; n: number; roles: number[]; suppressed: number[] }
  | { do: "removeFramework" | "flipFramework"; n: number }
  | { do: "timeOut" | "answer"; n: number }
  | { do: "suppress" | "revive"; n: number; role: number }
  | { do: "lend"; role: number; lends: boolean }
  | { do: "weight"; role: number; weight: number }
  | { do: "quota"; role: number; quota: number }
  | { do: "recover"; offer: number; part: number; refuseMs?: number }
  | { do: "batch" | "event" | "plan" };

const n = fc.nat(3);
export const role = fc.nat(ROLES.length - 1);
const total = fc.nat(TOTALS.length - 1);
const roleSet = fc.uniqueArray(role, { minLength: 1, maxLength: 3 });
const is = <T extends string>(word: T) => fc.constant(word);
const few = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(4) });
const agentKind = few;
const frameworkKind = fc.nat(FRAMEWORK_KINDS.length - 1);
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      { do: is("addAgent"), n, kind: agentKind, total, usedBy: n, role },
      { requiredKeys: ["do", "n", "kind", "total", "role"] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("removeAgent", "flipAgent"), n }) },
  { weight: 1, arbitrary: fc.record({ do: is("resize"), n, total }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: is("addFramework"),
      n,
      kind: frameworkKind,
      roles: roleSet,
      suppressed: fc.uniqueArray(role, { maxLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: is("updateFramework"),
      n,
      roles: roleSet,
      suppressed: fc.uniqueArray(role, { maxLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("removeFramework", "flipFramework"), n }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("suppress", "revive"), n, role }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: is("weight"), role, weight: fc.constantFrom(0.5, 1, 2, 3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: is("quota"), role, quota: fc.nat(QUOTAS.length - 1) }),
  },
  {
    weight: 6,
    arbitrary: fc.record(
      {
        do: is("recover"),
        offer: fc.nat(9),
        part: fc.nat(2),
        refuseMs: fc.constantFrom(0, 500, 1500, 3000),
      },
      { requiredKeys: ["do", "offer", "part"] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("timeOut", "answer"), n }) },
  { weight: 1, arbitrary: fc.record({ do: is("lend"), role, lends: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("batch", "event") }) },
  { weight: 1, arbitrary: fc.record({ do: is("plan") }) },
);

/** The history of a seed. */
export function history(seed: number, operations: number): Step[] {
  return fc.sample(step, { seed, numRuns: operations });
}

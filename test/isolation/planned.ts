/**
 * Containers for the acceptance table, planned as the agent plans them: resources and limits
 * through the default isolators into a plan, or into the sentence of a refusal.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test as Tap } from "tap";
import {
  assign,
  type Assigned,
  type ContainerLimits,
  type ContainerResources,
  type ContainerSpec,
  defaultIsolators,
  emptyUsage,
  type Machine,
  planLaunch,
} from "#isolation";
import type { ContainerUsage, LaunchPlan, PidFacts } from "#runtime";
import { ask } from "../contracts/launcher.cases.ts";
import { dropRig, machine, makeRig, nativePrograms, type RealRig, shell } from "./rig.ts";

export const isVm = process.env["MESETA_VM"] === "1";
export const MIB = 1024 * 1024;
const PIDS_MAX = 512;

export interface Wanted {
  readonly run: string;
  readonly resources?: Partial<ContainerResources>;
  readonly limits?: Partial<ContainerLimits>;
  readonly machine?: Machine;
  /** What others hold of whole cpus and GPUs. */
  readonly held?: readonly Assigned[];
  readonly env?: Readonly<Record<string, string>>;
}

export type Planned =
  | { readonly ok: true; readonly plan: LaunchPlan; readonly assigned: Assigned | undefined }
  | { readonly ok: false; readonly message: string };

let count = 0;

/** Refused by the assignment or by an isolator, or a plan that the launcher can carry out. */
export function planned(rig: RealRig, wanted: Wanted): Planned {
  const on = wanted.machine ?? machine;
  const resources = { cpuMilli: 100, cpuMilliRevocable: 0, memMib: 64, ...wanted.resources };
  const limits = { cpuMilli: null, memMib: null, pids: null, ...wanted.limits };
  const chosen = assign({ resources, limits }, on, () => wanted.held ?? []);
  if (!chosen.ok) return chosen;
  const containerId = `row-${++count}`;
  const spec: ContainerSpec = {
    v: 1,
    containerId,
    nonce: `row-nonce-${count}`,
    agentId: "a1",
    bootId: machine.bootId,
    createdAtMs: 1,
    sandbox: join(rig.directory, "sandboxes", containerId),
    user: null,
    resources,
    limits,
    ...(chosen.assigned === undefined ? {} : { assigned: chosen.assigned }),
    cgroupMode: on.cgroupMode,
    graceMs: 100,
    owner: null,
    argv: shell(wanted.run),
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...wanted.env },
    logs: { bytes: 1_000_000, files: 1 },
  };
  const isolators = defaultIsolators({ pidsMax: PIDS_MAX });
  const result = planLaunch({ spec, machine: on, driver: rig.driver, isolators });
  if (!result.ok) return { ok: false, message: result.message };
  return { ok: true, plan: result.plan, assigned: chosen.assigned };
}

/** The plan, where no refusal is expected. */
export function planOf(rig: RealRig, wanted: Wanted): LaunchPlan {
  const result = planned(rig, wanted);
  if (!result.ok) throw new Error(result.message);
  return result.plan;
}

export async function launch(rig: RealRig, plan: LaunchPlan): Promise<PidFacts> {
  const answer = await ask<{ readonly pids: PidFacts }>(rig, (done) =>
    rig.launcher.launch(plan, done),
  );
  if (!answer.ok) throw new Error(`${answer.reason}: ${answer.message}`);
  return answer.pids;
}

/** What the launcher's port tells of a container. */
export async function usageOf(rig: RealRig, { containerId }: LaunchPlan): Promise<ContainerUsage> {
  const answer = await ask<{ readonly usages: readonly ContainerUsage[] }>(rig, (done) =>
    rig.launcher.usage([containerId], done),
  );
  const usage = answer.ok ? answer.usages[0] : undefined;
  if (usage === undefined) throw new Error(`no usage of ${containerId}`);
  return usage;
}

/** What the kernel counts of a container at this moment. */
export function usageNow(rig: RealRig, { containerId }: LaunchPlan): ContainerUsage {
  let usage = emptyUsage(containerId, Date.now());
  for (const { path, parse } of rig.driver.usageFiles(containerId)) {
    if (existsSync(path)) usage = { ...usage, ...parse(readFileSync(path, "utf8")) };
  }
  return usage;
}

export const output = (plan: LaunchPlan, name = "stdout"): string =>
  readFileSync(join(plan.sandbox, name), "utf8");

/** A test on a launcher of its own with real cgroups; skipped where there are none. */
export function row(
  title: string,
  run: (t: Tap, rig: RealRig) => Promise<void>,
  skip: string | false = false,
): void {
  const why = skip || machine.unenforcedBecause || false;
  void t.test(title, { skip: why, timeout: 600_000 }, async (t) => {
    const rig = await makeRig({ programs: nativePrograms, enforced: true });
    t.teardown(() => dropRig(rig));
    await run(t, rig);
  });
}

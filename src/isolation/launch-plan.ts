/**
 * Merges what the isolators want into one plan for the launcher, refuses contradictions by name,
 * and prints a plan for people. Pure: only the launcher writes.
 */
import { idFault } from "#protocol";
import type { CgroupStep, Inside, LaunchPlan, Quotas } from "#runtime";
import type { CgroupDriver, CgroupValues } from "./cgroups/driver.ts";
import { type ContainerSpec, checkpointOf, encodeCheckpoint } from "./container.ts";
import { insideFacts, mergeInside, printInside } from "./inside.ts";
import type { Fragment, Isolator, Machine } from "./isolator.ts";
import type { Watch } from "./watch.ts";

/** Two isolators (or an isolator and the task) that want different things. */
export interface Contradiction {
  /** `cgroups.memory`, `env.PATH`, `oomScoreAdj`. */
  readonly what: string;
  /** Who said what, in the order of the isolators. */
  readonly said: readonly { readonly by: string; readonly value: string }[];
}

export interface Merged {
  readonly cgroups: CgroupValues;
  readonly env: Readonly<Record<string, string>>;
  readonly oomScoreAdj: number | null;
  readonly inside?: Inside;
  readonly watch: Watch;
  readonly quotas?: Quotas;
}

export type MergeResult =
  | { readonly ok: true; readonly merged: Merged }
  | { readonly ok: false; readonly contradictions: readonly Contradiction[] };

export interface Named {
  readonly by: string;
  readonly fragment: Fragment;
}

/** The fields of a fragment as one flat list of names, so that one rule finds every clash. */
function flatten(fragment: Fragment): [string, unknown][] {
  const { cgroups, env, oomScoreAdj, inside, quotas, watch } = fragment;
  const flat: [string, unknown][] = [];
  if (cgroups !== undefined) flattenInto(flat, "cgroups", cgroups);
  if (env !== undefined) flattenInto(flat, "env", env);
  if (oomScoreAdj !== undefined) flat.push(["oomScoreAdj", oomScoreAdj]);
  if (inside !== undefined) flat.push(...insideFacts(inside));
  if (quotas !== undefined) flat.push(["quotas", quotas]);
  if (watch !== undefined) flattenInto(flat, "watch", watch);
  return flat;
}

function flattenInto(flat: [string, unknown][], group: string, fields: object): void {
  for (const [key, value] of Object.entries(fields)) flat.push([`${group}.${key}`, value]);
}

/** Secrets may stand in the environment: a contradiction tells that values differ, not which. */
function shown(what: string, value: unknown): string {
  return what.startsWith("env.") ? "(hidden)" : JSON.stringify(value);
}

export function mergeFragments(parts: readonly Named[]): MergeResult {
  const said = new Map<string, { by: string; value: unknown }[]>();
  for (const { by, fragment } of parts) {
    for (const [what, value] of flatten(fragment)) {
      const list = said.get(what);
      if (list === undefined) said.set(what, [{ by, value }]);
      else list.push({ by, value });
    }
  }
  const contradictions: Contradiction[] = [];
  for (const [what, list] of said) {
    if (list.length === 1) continue;
    if (new Set(list.map(({ value }) => JSON.stringify(value))).size < 2) continue;
    contradictions.push({
      what,
      said: list.map(({ by, value }) => ({ by, value: shown(what, value) })),
    });
  }
  if (contradictions.length > 0) return { ok: false, contradictions };
  const cgroups: CgroupValues = { cpu: null, memory: null, pids: null };
  const env: Record<string, string> = {};
  let oomScoreAdj: number | null = null;
  const watch: Watch = {};
  for (const { fragment } of parts) {
    Object.assign(cgroups, fragment.cgroups);
    Object.assign(env, fragment.env);
    oomScoreAdj = fragment.oomScoreAdj ?? oomScoreAdj;
    Object.assign(watch, fragment.watch);
  }
  const inside = mergeInside(parts.flatMap(({ fragment }) => fragment.inside ?? []));
  const quotas = parts.map(({ fragment }) => fragment.quotas).find((one) => one !== undefined);
  const merged = {
    ...{},
    ...{ cgroups, env, oomScoreAdj, watch },
    ...(quotas === undefined ? {} : { quotas }),
  };
  return { ok: true, merged: inside === undefined ? merged : { ...{}, ...merged, inside } };
}

export interface PlanInputs {
  readonly spec: ContainerSpec;
  readonly machine: Machine;
  readonly driver: CgroupDriver;
  readonly isolators: readonly Isolator[];
}

export interface PlanFault {
  readonly ok: false;
  readonly contradictions: readonly Contradiction[];
  readonly message: string;
}

export type PlanResult =
  | {
      readonly ok: true;
      readonly plan: LaunchPlan;
      readonly values: CgroupValues;
      readonly watch: Watch;
    }
  | PlanFault;

/** What a spec leads to with all isolators, before it is a plan; also what an update compares. */
export function mergeFor({
  spec,
  machine,
  isolators,
}: Omit<PlanInputs, "driver">): { readonly ok: true; readonly merged: Merged } | PlanFault {
  const parts: Named[] = [{ by: "task", fragment: { env: spec.env } }];
  for (const isolator of isolators) {
    const fragment = isolator.fragment(spec, machine);
    const { refused } = fragment;
    if (refused !== undefined) {
      return { ok: false, contradictions: [], message: `${isolator.name}: ${refused}` };
    }
    parts.push({ by: isolator.name, fragment });
  }
  const result = mergeFragments(parts);
  if (result.ok) return result;
  const { contradictions } = result;
  return {
    ok: false,
    contradictions,
    message: contradictions.map(printContradiction).join("; "),
  };
}

/** What the launcher is asked for, and the values and watches that go with it. */
export function planLaunch({ spec, machine, driver, isolators }: PlanInputs): PlanResult {
  const result = mergeFor({ spec, machine, isolators });
  if (!result.ok) return result;
  const { cgroups, env, oomScoreAdj, inside, watch, quotas } = result.merged;
  const plan: LaunchPlan = {
    containerId: spec.containerId,
    nonce: spec.nonce,
    argv: spec.argv,
    env,
    sandbox: spec.sandbox,
    user: spec.user,
    cgroups: driver.plan(spec.containerId, cgroups),
    oomScoreAdj,
    ...(inside === undefined ? {} : { inside }),
    ...(quotas === undefined ? {} : { quotas }),
    logs: spec.logs,
    graceMs: spec.graceMs,
    config: encodeCheckpoint(checkpointOf(spec)),
  };
  return { ok: true, plan, values: cgroups, watch };
}

export function printContradiction({ what, said }: Contradiction): string {
  return `${what}: ${said.map(({ by, value }) => `${by} wants ${value}`).join(", ")}`;
}

/** The plan as lines for people. Names of the environment, never its values. */
export function printPlan(plan: LaunchPlan): string {
  const { user, cgroups } = plan;
  const lines = [
    `container ${plan.containerId} (launch ${plan.nonce})`,
    `run ${plan.argv.map((word) => JSON.stringify(word)).join(" ")}`,
    `in ${plan.sandbox}`,
    user === null
      ? "as the agent's own user"
      : `as uid ${user.uid} gid ${user.gid} groups ${user.groups.join(",") || "none"}`,
    `env ${Object.keys(plan.env).sort().join(" ") || "empty"}`,
    `logs ${plan.logs.files + 1} files of ${plan.logs.bytes} bytes each`,
  ];
  if (plan.oomScoreAdj !== null) lines.push(`oom_score_adj ${plan.oomScoreAdj}`);
  for (const step of cgroups.steps) {
    lines.push(printStep(step));
  }
  for (const { path, bytes } of plan.quotas?.directories ?? []) {
    lines.push(`quota ${path} ${bytes}`);
  }
  for (const path of cgroups.join) lines.push(`join ${path}`);
  if (plan.inside !== undefined) lines.push(...printInside(plan.inside));
  const { kill } = cgroups;
  lines.push(kill.kind === "descendants" ? "kill by descent" : `kill by ${kill.path}`);
  return lines.join("\n");
}

function printStep(step: CgroupStep): string {
  if (step.kind === "make") return `make ${step.path}`;
  if (step.kind === "write") return `write ${step.path} ${step.value}`;
  return `devices ${step.path} ${step.rules.join(", ")}`;
}

const LOG_BYTES_MIN = 4_096;
const LOG_FILES_MAX = 100;

/** Why a plan may not be carried out, as a sentence with field, value and limit; null if it may. */
export function planFault(plan: LaunchPlan): string | null {
  const id = idFault(plan.containerId);
  if (id !== undefined) return `containerId: ${id}`;
  const nonce = idFault(plan.nonce);
  if (nonce !== undefined) return `nonce: ${nonce}`;
  if (!plan.sandbox.startsWith("/") || plan.sandbox.split("/").includes("..")) {
    return `sandbox: ${plan.sandbox} must be absolute and without ..`;
  }
  if (!Number.isInteger(plan.logs.bytes) || plan.logs.bytes < LOG_BYTES_MIN) {
    return `logs.bytes: ${plan.logs.bytes} is below ${LOG_BYTES_MIN}`;
  }
  const { files } = plan.logs;
  if (!Number.isInteger(files) || files < 0 || files > LOG_FILES_MAX) {
    return `logs.files: ${files} is not within 0..${LOG_FILES_MAX}`;
  }
  if (!Number.isInteger(plan.graceMs) || plan.graceMs < 0) {
    return `graceMs: ${plan.graceMs} is no number of milliseconds`;
  }
  for (const name of Object.keys(plan.env)) {
    if (name === "" || name.includes("=")) return `env: ${JSON.stringify(name)} is no name`;
  }
  const texts = [...plan.argv, ...Object.entries(plan.env).flat(), plan.sandbox, plan.config];
  return texts.some((text) => text.includes("\0")) ? "argv, env or config contains NUL" : null;
}

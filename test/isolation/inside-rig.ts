/** Containers with the isolators of their inside, on the real launcher: run, and what they said. */
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ContainerSpec, type InsideOptions, insideIsolators, planLaunch } from "#isolation";
import { CAPABILITIES_DEFAULT } from "#protocol";
import type { ContainerExit, LaunchPlan, LauncherAnswer, PidFacts } from "#runtime";
import { ask, collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { machine, NO_LIMITS, type RealRig, shell } from "./rig.ts";

export type Wish = Partial<
  Pick<
    ContainerSpec,
    "container" | "user" | "secretEnv" | "persistentVolumes" | "env" | "argv" | "sandbox"
  >
>;

export function insideOptions(rig: RealRig, change: Partial<InsideOptions> = {}): InsideOptions {
  return {
    arch: process.arch === "arm64" ? "arm64" : "x86-64",
    launcher: "native",
    unavailable: machine.isRoot ? null : "the tests do not run as root",
    hidden: [rig.directory],
    masked: [],
    hostPaths: [],
    volumesDir: join(rig.directory, "volumes"),
    secretsDir: null,
    boundingCapabilities: CAPABILITIES_DEFAULT,
    seccompProfiles: {},
    userIds: null,
    ...change,
  };
}

let count = 0;

/** The plan of a container as an agent makes it, or the sentence that refuses it. */
export function insidePlan(
  rig: RealRig,
  script: string,
  wish: Wish = {},
  change: Partial<InsideOptions> = {},
): LaunchPlan | string {
  const spec = insideSpec(rig, script, wish);
  chmodSync(rig.directory, 0o755);
  const isolators = insideIsolators(insideOptions(rig, change));
  const planned = planLaunch({ spec, machine, driver: rig.driver, isolators });
  if (!planned.ok) return planned.message;
  return { ...planned.plan, cgroups: rig.driver.plan(spec.containerId, NO_LIMITS) };
}

/** What an agent would ask for. */
export function insideSpec(rig: RealRig, script: string, wish: Wish = {}): ContainerSpec {
  const containerId = `inside-${++count}`;
  return {
    v: 1,
    containerId,
    nonce: `nonce-${containerId}`,
    agentId: "agent",
    bootId: "boot",
    createdAtMs: 0,
    sandbox: join(rig.directory, "sandboxes", containerId),
    user: null,
    resources: { cpuMilli: 100, cpuMilliRevocable: 0, memMib: 32 },
    limits: { cpuMilli: null, memMib: null, pids: null },
    cgroupMode: rig.driver.mode,
    graceMs: 100,
    owner: null,
    argv: shell(script),
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    logs: { bytes: 1_000_000, files: 1 },
    ...wish,
  };
}

export interface Ran {
  readonly exit: ContainerExit;
  readonly out: string;
  readonly err: string;
  readonly sandbox: string;
}

/** Runs to its end. A refusal, of the isolators or of the launcher, is its sentence. */
export async function runInside(
  rig: RealRig,
  script: string,
  wish: Wish = {},
  change: Partial<InsideOptions> = {},
  /** Whether it still has its own logs at the end. */
  hasLogs = true,
): Promise<Ran | string> {
  const plan = insidePlan(rig, script, wish, change);
  if (typeof plan === "string") return plan;
  const { exitOf } = collectExits(rig);
  const answer = await launchPlan(rig, plan);
  if (!answer.ok) return answer.message;
  const exit = await exitOf(plan.containerId);
  const text = (name: string): string =>
    hasLogs ? readFileSync(join(plan.sandbox, name), "utf8") : "";
  const ran = { exit, out: text("stdout"), err: text("stderr"), sandbox: plan.sandbox };
  await destroyAndForget(rig, plan.containerId);
  return ran;
}

export function launchPlan(
  rig: RealRig,
  plan: LaunchPlan,
): Promise<LauncherAnswer<{ readonly pids: PidFacts }>> {
  return ask<{ readonly pids: PidFacts }>(rig, (done) => rig.launcher.launch(plan, done));
}

/** What it wrote, by lines; fails loudly when it was refused or complained. */
export async function linesInside(
  rig: RealRig,
  script: string,
  wish: Wish = {},
  change: Partial<InsideOptions> = {},
): Promise<string[]> {
  const ran = await runInside(rig, script, wish, change);
  if (typeof ran === "string") throw new Error(ran);
  if (ran.exit.code !== 0) throw new Error(`it ended ${ran.exit.code}: ${ran.err}`);
  return ran.out.trimEnd().split("\n");
}

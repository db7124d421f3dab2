/**
 * Lives of one agent, one after the other, each a process: started with or without a fault point,
 * killed, waited for. Owns their directory and cgroups, and takes both away.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { driverOf } from "#daemon";
import { type CgroupDriver, LAUNCHER_CGROUP } from "#isolation";
import { isTerminal, type TaskStatus } from "#protocol";
import { machine } from "../isolation/rig.ts";
import { until } from "../support/until.ts";
import { heardIn, type Orders, type TaskOrder } from "./a-life.ts";
import { leftovers } from "./leftovers.ts";
import { rmdirSync, existsSync } from "node:fs";

const PROGRAM = fileURLToPath(new URL("a-life.js", import.meta.url));
/** Of one life from its beginning to its end by itself. */
export const LIFE_MS_MAX = 90_000;

let count = 0;

export class Lives {
  readonly dir = mkdtempSync(join(tmpdir(), "meseta-lives-"));
  readonly driver: CgroupDriver;
  readonly #orders: Orders;
  readonly #path: string;
  #child: ChildProcess | undefined;
  #said = "";

  constructor(tasks: readonly TaskOrder[], atOnce: number) {
    const place = { root: `meseta-test-${process.pid}`, agentId: `lives-${++count}` };
    this.driver = driverOf(machine, place);
    this.#orders = { dir: this.dir, ...place, tasks, atOnce };
    this.#path = join(this.dir, "orders.json");
    mkdirSync(join(this.dir, "starts"), { mode: 0o777 });
    writeFileSync(this.#path, JSON.stringify(this.#orders));
  }

  begin(faultPoint?: string): void {
    const { MESETA_FAULT_POINT: _, ...env } = process.env;
    if (faultPoint !== undefined) env["MESETA_FAULT_POINT"] = faultPoint;
    const child = spawn(process.execPath, [PROGRAM, this.#path], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr?.on("data", (data: Buffer) => {
      this.#said = `${this.#said}${data.toString()}`.slice(-4_000);
    });
    this.#child = child;
  }

  get hasEnded(): boolean {
    return this.#child?.exitCode !== null || this.#child.signalCode !== null;
  }

  /** SIGKILL, at once. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await until(() => this.hasEnded, "the agent has been killed");
  }

  /** The processes of launchers that this agent has now. */
  launcherPid(): number | undefined {
    const pid = this.#child?.pid;
    const path = `/proc/${pid}/task/${pid}/children`;
    const [first] = existsSync(path) ? readFileSync(path, "utf8").trim().split(" ") : [];
    return first === undefined || first === "" ? undefined : Number(first);
  }

  /** How this life ended: `over` by itself, `killed` by the point; or why neither. */
  async ended(): Promise<string> {
    await until(() => this.hasEnded, `a life ends (${this.#said})`, LIFE_MS_MAX);
    if (this.#child?.signalCode === "SIGKILL") return "killed";
    return this.#child?.exitCode === 0 ? "over" : `code ${this.#child?.exitCode}: ${this.#said}`;
  }

  heard(): TaskStatus[] {
    return heardIn(this.dir);
  }

  /** How often the task's program began. */
  starts(id: string): number {
    const path = join(this.dir, "starts", id);
    return existsSync(path) ? readFileSync(path, "utf8").length / 2 : 0;
  }

  /** What each task came to; a task whose end was told under two names has both. */
  outcomes(): Map<string, string[]> {
    const outcomes = new Map<string, string[]>();
    const uuids = new Set<string>();
    for (const { taskId, state, uuid, exitCode } of this.heard()) {
      if (!isTerminal(state) || uuid === undefined || uuids.has(uuid)) continue;
      uuids.add(uuid);
      const text = `${state} ${exitCode ?? "-"}`;
      outcomes.set(taskId, [...(outcomes.get(taskId) ?? []), text]);
    }
    return outcomes;
  }

  /** What is left once the last processes have had their moment to end. */
  async leftovers(): Promise<string[]> {
    await until(() => leftovers(this).length === 0, "nothing is left", 5_000).catch(
      () => undefined,
    );
    return leftovers(this);
  }

  async remove(): Promise<void> {
    if (!this.hasEnded) await this.kill();
    const paths = this.driver.directories.flatMap((path) => [join(path, LAUNCHER_CGROUP), path]);
    await until(() => paths.every((path) => gone(path)), "the cgroups of the agent are empty");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function gone(path: string): boolean {
  try {
    if (existsSync(path)) rmdirSync(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EBUSY") return false;
    throw error;
  }
}

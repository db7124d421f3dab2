/**
 * `npm run upgrade-test`: masters and agents of the commit before run tasks; then every master, one after the other, then every
 * agent is ended and started as this build. Ends with 0 only when all tasks went on in their processes, every update arrived once
 * in its order, and an older agent refused what it cannot read. `--from REF` names another commit, `--keep` leaves the folder.
 */
import { appendFileSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { frameRecords } from "#actors/agent";
import { encodePlain } from "#protocol";
import { runCommand } from "./command.ts";
import { buildCommit, NoOldBuild, type OldBuild, previousCommit } from "./old-build.ts";
import { type Part, startBrokerOf, until, type UpgradeCluster } from "./upgrade-cluster.ts";

type Sdk = typeof import("#sdk");
type TaskStatus = import("#sdk").TaskStatus;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MASTERS = 3;
const AGENTS = 2;
const TASKS_PER_AGENT = 20;
const AGENT_RESOURCES = "cpus:4;mem:4096";
const TASK_RESOURCES = "cpus:0.1;mem:32";
const UNAVAILABLE = 2;

const begunMs = performance.now();
function say(line: string): void {
  const atS = ((performance.now() - begunMs) / 1_000).toFixed(1);
  process.stdout.write(`${atS.padStart(5)} s  ${line}\n`);
}

/** A framework of the older build, which stays what it is: everything that it was told, in order. */
class Book {
  readonly told: TaskStatus[] = [];
  readonly #framework: import("#sdk").Framework;
  readonly #gates: string;
  readonly #wishes = new Map<string, number>();
  #count = 0;

  constructor(sdk: Sdk, credentials: string, gates: string) {
    this.#gates = gates;
    this.#framework = sdk.connect(
      { credentials, name: "upgrade" },
      {
        offers: (offers, driver) => {
          for (const offer of offers) {
            const pool = new sdk.OfferPool(offer);
            const taskInfos = this.#wanted(offer.agentId, (wish) => pool.take(wish));
            if (taskInfos.length === 0) driver.decline([offer.offerId], { refuseMs: 100 });
            else driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos }], 100);
          }
        },
        update: (status) => void this.told.push(status),
      },
    );
  }

  #wanted<Task>(
    agentId: string,
    take: (wish: import("#sdk").TaskWish) => Task | undefined,
  ): Task[] {
    const agent = [...this.#wishes.keys()].find((name) => agentId.startsWith(`${name}-`));
    const tasks: Task[] = [];
    for (
      let left = this.#wishes.get(agent ?? "") ?? 0;
      agent !== undefined && left > 0;
      left -= 1
    ) {
      const id = `${agent}-${this.#count + 1}`;
      // Ends when the gate is opened, with the number that stands in it.
      const command = `until [ -e ${join(this.#gates, id)} ]; do sleep 0.2; done; exit 0`;
      const task = take({ id, resources: TASK_RESOURCES, command });
      if (task === undefined) break;
      this.#count += 1;
      this.#wishes.set(agent, left - 1);
      tasks.push(task);
    }
    return tasks;
  }

  /** Launches so many tasks on each of the agents; returns when all run. */
  async launch(agents: readonly Part[], each: number): Promise<void> {
    for (const { name } of agents) this.#wishes.set(name, each);
    const wanted = this.running.length + agents.length * each;
    await until(() => this.running.length === wanted, `${wanted} tasks run`);
  }

  last(): ReadonlyMap<string, string> {
    return new Map(this.told.map(({ taskId, state }) => [taskId, state]));
  }

  get running(): string[] {
    return [...this.last()].flatMap(([id, state]) => (state === "TASK_RUNNING" ? [id] : []));
  }

  /** Lets some tasks end, and hears of it. */
  async finish(ids: readonly string[]): Promise<void> {
    for (const id of ids) writeFileSync(join(this.#gates, id), "");
    const ended = (id: string): boolean => this.last().get(id) === "TASK_FINISHED";
    await until(() => ids.every(ended), `${ids.length} tasks finish and it is told`);
  }

  /** What was told of a task otherwise than once each and in order. */
  faults(): string[] {
    const byTask = new Map<string, TaskStatus[]>();
    for (const status of this.told) {
      byTask.set(status.taskId, [...(byTask.get(status.taskId) ?? []), status]);
    }
    return [...byTask].flatMap(([id, all]) => {
      const states = all
        .map(({ state }) => state)
        .filter((state, at, list) => state !== list[at - 1]);
      const text = states.join(" ").replace("TASK_STARTING ", "");
      return text === "TASK_RUNNING TASK_FINISHED" ? [] : [`${id} was told ${text}`];
    });
  }

  close(): Promise<void> {
    return this.#framework.end();
  }
}

/** All tasks that were there before and have not been let go run on in the same processes. */
function checkPids(
  cluster: UpgradeCluster,
  before: ReadonlyMap<string, number>,
  ended: number,
): void {
  const now = cluster.pids();
  const same = [...before].filter(([id, pid]) => now.get(id) === pid && isAlive(pid)).length;
  if (same === before.size - ended) return;
  throw new Error(`of ${before.size} processes of tasks ${same} are left, ${ended} were let go`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

async function leads(cluster: UpgradeCluster): Promise<string> {
  let leader: string | undefined;
  await until(async () => {
    leader = await cluster.leader();
    const part = cluster.masters.find(({ name }) => name === leader);
    return part !== undefined && !part.isOver;
  }, "a master leads");
  return leader ?? "";
}

/** Standbys first; the leader gives the lead to a master of the newer build. */
async function upgradeMasters(cluster: UpgradeCluster, book: Book): Promise<void> {
  const first = await leads(cluster);
  const inOrder = [...cluster.masters].sort(
    (a, b) => Number(a.name === first) - Number(b.name === first),
  );
  for (const master of inOrder) {
    const stoppedMs = performance.now();
    await master.stop();
    const leader = master.name === first ? await leads(cluster) : first;
    const tookMs = Math.round(performance.now() - stoppedMs);
    master.start(ROOT);
    await master.says(/listens on/);
    await book.finish(book.running.slice(0, 1));
    const how =
      leader === first ? "stood by" : `led; ${leader} leads ${tookMs} ms after it was asked to end`;
    say(`${master.name} is upgraded; it ${how}`);
  }
}

/** An agent of the older build does not start on what a newer one wrote, and harms no task. */
async function refuseNewer(old: OldBuild, agent: Part, cluster: UpgradeCluster): Promise<void> {
  const journal = join(cluster.workDir(agent), "agent", "journal");
  const kept = `${journal}.kept`;
  copyFileSync(journal, kept);
  appendFileSync(journal, frameRecords([encodePlain({ k: "of-a-later-version" })]));
  agent.start(old.dir);
  await agent.says(/a newer agent wrote it/);
  await agent.stop();
  copyFileSync(kept, journal);
}

async function upgradeAgents(old: OldBuild, cluster: UpgradeCluster, book: Book): Promise<void> {
  for (const [index, agent] of cluster.agents.entries()) {
    await agent.stop();
    if (index === 0) {
      await refuseNewer(old, agent, cluster);
      say(`${agent.name} of the older build refuses a journal of a later version`);
    }
    const startedMs = performance.now();
    agent.start(ROOT);
    await agent.says(/is registered/);
    const tookMs = Math.round(performance.now() - startedMs);
    const own = book.running.filter((id) => id.startsWith(`${agent.name}-`));
    await book.finish(own.slice(0, 1));
    say(
      `${agent.name} is upgraded with ${own.length} tasks running; registered after ${tookMs} ms`,
    );
  }
}

async function upgrade(old: OldBuild, dir: string, gates: string): Promise<void> {
  const counts = { masters: MASTERS, agents: AGENTS, resources: AGENT_RESOURCES };
  const cluster = await startBrokerOf(old.dir, dir, counts);
  try {
    for (const part of [...cluster.masters, ...cluster.agents]) part.start(old.dir);
    await Promise.all(cluster.agents.map((agent) => agent.says(/is registered/)));
    const sdk = (await import(pathToFileURL(join(old.dir, "dist/src/sdk/index.js")).href)) as Sdk;
    const book = new Book(sdk, cluster.frameworkCredential, gates);
    await book.launch(cluster.agents, TASKS_PER_AGENT);
    const before = cluster.pids();
    say(`${before.size} tasks run on ${MASTERS} masters and ${AGENTS} agents of ${old.commit}`);
    await upgradeMasters(cluster, book);
    checkPids(cluster, before, MASTERS);
    await upgradeAgents(old, cluster, book);
    checkPids(cluster, before, MASTERS + AGENTS);
    await book.launch(cluster.agents, 1);
    await book.finish(book.running);
    const faults = book.faults();
    if (faults.length > 0) throw new Error(faults.join("; "));
    say(
      `${book.last().size} tasks ended as they should, ${book.told.length} updates, each in its order`,
    );
    await book.close();
  } finally {
    await cluster.end();
  }
}

function readArguments(): { readonly from: string | undefined; readonly keep: boolean } {
  const { values } = parseArgs({
    options: { from: { type: "string" }, keep: { type: "boolean" } },
  });
  return { from: values.from, keep: values.keep === true };
}

async function main(): Promise<number> {
  const { from, keep } = readArguments();
  const dir = mkdtempSync(join(tmpdir(), "meseta-upgrade-"));
  // Not below /tmp, which containers have of their own.
  const gates = mkdtempSync(join(homedir(), ".meseta-upgrade-gates-"));
  try {
    const old = buildCommit(ROOT, from ?? previousCommit(ROOT), join(dir, "old"));
    say(`${old.commit} is built: ${old.subject}`);
    await upgrade(old, dir, gates);
    say("upgraded: no task and no update was lost");
    return 0;
  } catch (error) {
    if (error instanceof NoOldBuild) {
      process.stderr.write(`upgrade-test: ${error.message}\n`);
      return UNAVAILABLE;
    }
    process.stderr.write(`upgrade-test: ${(error as Error).message}\n`);
    return 1;
  } finally {
    rmSync(gates, { recursive: true, force: true });
    if (keep) say(`kept: ${dir}`);
    else rmSync(dir, { recursive: true, force: true });
  }
}

await runCommand("npm run upgrade-test -- [--from REF] [--keep]", main);
// A framework that still dials a broker which is gone keeps nobody waiting.
process.exit();

/**
 * `npm run demo`: a real cluster on this machine runs a batch of two frameworks over the files of
 * node_modules, while one task eats too much memory and one agent is killed. Ends with 0 only
 * when everything was as it must be. `--report FILE` writes what became of each task;
 * `--sabotage result|lost|double` really causes that fault, which the checks must find.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCommand, UsageError } from "./command.ts";
import { type Batch, startBatch, type Volume } from "./demo/batch.ts";
import {
  type Check,
  checkKilled,
  checkLeftovers,
  checkMemory,
  checkOnce,
  checkResults,
  checkUpdates,
  type Killed,
  type TaskRow,
} from "./demo/checks.ts";
import { type DemoCluster, makeCredential, startCluster, writeJson } from "./demo/cluster.ts";
import { checksTable, progressLine, type Sample, sharesChart, tasksTable } from "./demo/tell.ts";
import { planWork, type Work } from "./demo/work.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const AGENTS = 3;
const CHUNKS = 40;
const TASK_RESOURCES = "cpus:0.1;mem:96";
const HOG_MEM_MIB = 48;
const SAMPLE_MS = 250;
const PROGRESS_MS = 2_000;
/** The whole batch must be over by then; it takes a fraction of this. */
const BATCH_MS_MAX = 180_000;
/** An agent is killed when this part of the tasks has finished. */
const KILL_AT = 0.2;
const SABOTAGES = ["result", "lost", "double"] as const;
type Sabotage = (typeof SABOTAGES)[number];

const begunMs = Date.now();
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function readArguments(): { report: string | undefined; sabotage: Sabotage | undefined } {
  const { values } = parseArgs({
    options: { report: { type: "string" }, sabotage: { type: "string" } },
  });
  const sabotage = SABOTAGES.find((one) => one === values.sabotage);
  if (values.sabotage !== undefined && sabotage === undefined) {
    throw new UsageError(`--sabotage: ${values.sabotage} is none of ${SABOTAGES.join(", ")}`);
  }
  return { report: values.report, sabotage };
}

async function tasksOf(cluster: DemoCluster, query = ""): Promise<TaskRow[]> {
  const all: TaskRow[] = [];
  let after = "";
  for (;;) {
    const path = `/v1/tasks?limit=1000${query}${after}`;
    const page = (await cluster.get(path)) as { items: TaskRow[]; next?: string };
    all.push(...page.items);
    if (page.next === undefined) return all;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

interface Story {
  readonly samples: Sample[];
  killed: Killed | undefined;
  hogExit: number | null;
  readonly pids: Set<number>;
}

/** Watches the batch to its end; kills an agent on the way. */
async function watch(
  cluster: DemoCluster,
  batches: readonly Batch[],
  story: Story,
  sabotage: Sabotage | undefined,
): Promise<void> {
  const endMs = Date.now() + BATCH_MS_MAX;
  let over = false;
  const ended = Promise.all(batches.map((batch) => batch.ended)).then(() => {
    over = true;
  });
  let toldMs = 0;
  while (!over && Date.now() < endMs) {
    const sample = await sampleShares(cluster);
    story.samples.push(sample);
    const running = await tasksOf(cluster, "&filter=state%3DTASK_RUNNING");
    const finished = batches.flatMap(({ states }) => [...states.values()]).length;
    if (story.killed === undefined && finished > KILL_AT * CHUNKS * batches.length) {
      story.killed = killAgent(cluster, running, sabotage);
    }
    if (Date.now() - toldMs > PROGRESS_MS) {
      toldMs = Date.now();
      say(`  ${progressLine(batches, running.length, sample)}`);
    }
    await Promise.race([pause(SAMPLE_MS), ended]);
  }
  if (!over) for (const batch of batches) batch.kill();
  for (const late = Date.now() + 15_000; Date.now() < late; await pause(SAMPLE_MS)) {
    if (story.killed === undefined || story.killed.backAtMs !== undefined) break;
  }
  for (const name of ["master", "agent-1", "agent-2", "agent-3"]) {
    const pid = cluster.pidOf(name);
    if (pid !== undefined) story.pids.add(pid);
  }
}

async function sampleShares(cluster: DemoCluster): Promise<Sample> {
  const page = (await cluster.get("/v1/roles")) as { items: { name: string; share: number }[] };
  const shares: Record<string, number> = {};
  for (const { name, share } of page.items) if (name !== "*") shares[name] = share;
  return { atMs: Date.now(), shares };
}

/** SIGKILL to the agent on which most of the chunks run. */
function killAgent(
  cluster: DemoCluster,
  running: readonly TaskRow[],
  sabotage: Sabotage | undefined,
): Killed | undefined {
  const names = ["agent-1", "agent-2", "agent-3"];
  const chunksOn = (name: string): TaskRow[] =>
    running.filter((task) => task.agentId.startsWith(`${name}-`) && /^(words|dig)/.test(task.id));
  const [agent] = names.sort((a, b) => chunksOn(b).length - chunksOn(a).length);
  const tasks = agent === undefined ? [] : chunksOn(agent);
  const pid = agent === undefined ? undefined : cluster.pidOf(agent);
  if (agent === undefined || pid === undefined || tasks.length === 0) return undefined;
  say(`  killing ${agent} (process ${pid}) with ${tasks.length} tasks running on it`);
  process.kill(pid, "SIGKILL");
  if (sabotage === "lost") loseOne(cluster, agent, tasks);
  const ids = tasks.map(({ id }) => id);
  return { agent, pid, atMs: Date.now(), tasks: ids, backAtMs: undefined };
}

/** Kills a task with its shim, so that nobody can ever tell how it ended. */
function loseOne(cluster: DemoCluster, agent: string, tasks: readonly TaskRow[]): void {
  for (const { id, containerId } of tasks) {
    const file = join(cluster.dir, "data", agent, "run", containerId ?? "", "pid");
    try {
      const { shim, pid } = JSON.parse(readFileSync(file, "utf8")) as { shim: number; pid: number };
      process.kill(shim, "SIGKILL");
      process.kill(pid, "SIGKILL");
      return say(`  sabotage: killed ${id} with its shim`);
    } catch (error) {
      // It ended a moment ago: the next one then.
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }
}

/** `up` says when an agent that it started again has registered. */
function heardOfUp(line: string, story: Story): void {
  const { killed } = story;
  if (killed === undefined || killed.backAtMs !== undefined) return;
  if (line.endsWith(`${killed.agent} is back`)) killed.backAtMs = Date.now();
}

async function isUnenforced(cluster: DemoCluster): Promise<boolean> {
  const { items } = (await cluster.get("/v1/agents")) as { items: { isolation: string }[] };
  return items.some(({ isolation }) => isolation === "none");
}

/** Asks for more memory than it may have, until the kernel ends it. */
function startHog(cluster: DemoCluster): Promise<number | null> {
  const eat = "const a=[];for(;;)a.push(Buffer.alloc(1e6,1))";
  const mem = String(HOG_MEM_MIB);
  const hog = cluster.start(
    "run",
    "--name",
    "hog",
    "--mem",
    mem,
    "--",
    process.execPath,
    "-e",
    eat,
  );
  return new Promise((resolve) => hog.once("exit", resolve));
}

/** Under the names that they have on the host: what tasks read, and where each leaves its mark. */
function volumesOf({ marks, manifest }: { marks: string; manifest: string }): Volume[] {
  const at = (path: string, mode: Volume["mode"]): Volume => {
    return { containerPath: path, hostPath: path, mode };
  };
  return [at(ROOT, "RO"), at(manifest, "RO"), at(marks, "RW")];
}

function startBatches(
  cluster: DemoCluster,
  work: Work,
  marks: string,
  { sabotage, unenforced }: { sabotage: Sabotage | undefined; unenforced: boolean },
): Batch[] {
  const { manifest, chunks } = work;
  const { dir } = cluster;
  const volumes = unenforced ? [] : volumesOf({ marks, manifest });
  const base = { manifest, chunks, marks, volumes, resources: TASK_RESOURCES, dir };
  const [counter, hasher] = ["counter", "hasher"].map((name) => makeCredential(cluster, name));
  if (counter === undefined || hasher === undefined) throw new Error("no credentials");
  return [
    startBatch({
      ...base,
      role: "counting",
      kind: "words",
      credentials: counter,
      ...(sabotage === "result" ? { short: 3 } : {}),
      ...(sabotage === "double" ? { twice: 5 } : {}),
    }),
    startBatch({
      ...base,
      role: "hashing",
      kind: "digests",
      credentials: hasher,
    }),
  ];
}

/** What each finished task printed. */
async function collect(cluster: DemoCluster, batches: readonly Batch[]) {
  const results = new Map<string, string>();
  for (const { states } of batches) {
    for (const [id, state] of states) {
      if (state === "TASK_FINISHED") results.set(id, await cluster.text(`/v1/tasks/${id}/logs`));
    }
  }
  return results;
}

function writeReport(
  path: string,
  found: { tasks: readonly TaskRow[]; results: ReadonlyMap<string, string>; checks: Check[] },
): void {
  const tasks = found.tasks.map((task) => {
    const result = found.results.get(task.id);
    const digest = result === undefined ? null : createHash("sha256").update(result).digest("hex");
    return {
      task: task.id,
      role: task.role,
      state: task.state,
      reason: task.reason ?? null,
      agent: task.agentId,
      container: task.containerId ?? null,
      cgroup: task.cgroup ?? null,
      start: task.startedAtMs ?? null,
      end: task.endedAtMs ?? null,
      digest,
    };
  });
  writeJson(path, { tookMs: Date.now() - begunMs, checks: found.checks, tasks });
}

/** Every cgroup that the tasks of the demo had, in every hierarchy there is. */
function cgroupsOf(tasks: readonly TaskRow[]): string[] {
  const mounts = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name));
  const paths = new Set(tasks.flatMap(({ cgroup }) => (cgroup === undefined ? [] : [cgroup])));
  return ["/sys/fs/cgroup", ...mounts].flatMap((mount) =>
    [...paths].map((path) => join(mount, path)),
  );
}

async function main(): Promise<number> {
  const { report, sabotage } = readArguments();
  const dir = mkdtempSync(join(tmpdir(), "meseta-demo-"));
  const marks = join(dir, "marks");
  mkdirSync(marks);
  say(`starting a cluster: 1 master, ${AGENTS} agents, a broker`);
  const story: Story = { samples: [], killed: undefined, hogExit: null, pids: new Set() };
  const cluster = await startCluster({ dir, agents: AGENTS, hostPaths: [dir, ROOT] }, (line) => {
    say(`  ${line}`);
    heardOfUp(line, story);
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void cluster.stop().then(() => process.exit(1)));
  }
  const checks: Check[] = [];
  let tasks: TaskRow[] = [];
  let results: ReadonlyMap<string, string> = new Map();
  let batches: Batch[] = [];
  try {
    const work = planWork(join(ROOT, "node_modules"), dir, CHUNKS);
    const mib = Math.round(work.bytes / 1024 ** 2);
    say(`${work.files.length} files of node_modules, ${mib} MiB, in ${work.chunks.length} chunks`);
    // Without limits nobody would stop it.
    const unenforced = await isUnenforced(cluster);
    const hog = unenforced ? undefined : startHog(cluster);
    batches = startBatches(cluster, work, marks, { sabotage, unenforced });
    await watch(cluster, batches, story, sabotage);
    story.hogExit = (await hog) ?? null;
    results = await collect(cluster, batches);
    tasks = await tasksOf(cluster);
    const eater = tasks.find(({ name }) => name === "hog");
    for (const batch of batches) checks.push(checkResults(work, batch, results));
    checks.push(
      checkOnce(marks, work, batches),
      checkUpdates(tasks, batches),
      checkKilled(story.killed, batches),
      checkMemory(eater, story.hogExit, unenforced),
    );
  } finally {
    for (const batch of batches) batch.kill();
    say("stopping the cluster");
    await cluster.stop();
    checks.push(checkLeftovers([...story.pids], cgroupsOf(tasks)));
    if (report !== undefined) writeReport(report, { tasks, results, checks });
  }
  say(`\n${tasksTable(batches, tasks)}\n\n${sharesChart(story.samples)}\n`);
  say(checksTable(checks));
  const failed = checks.filter(({ result }) => result === "FAILED").length;
  const took = ((Date.now() - begunMs) / 1000).toFixed(1);
  say(`\n${failed === 0 ? "everything was as it must be" : `${failed} checks FAILED`}, ${took} s`);
  rmSync(dir, { recursive: true, force: true });
  return failed === 0 ? 0 : 1;
}

await runCommand("npm run demo -- [--report FILE] [--sabotage result|lost|double]", main);

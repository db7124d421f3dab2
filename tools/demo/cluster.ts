/**
 * The cluster that the demo runs on: `meseta up` as anybody would start it, in a folder of its
 * own, with the way to its API. It kills what the demo wants killed, and nothing else.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MESETA = fileURLToPath(new URL("../../../bin/meseta.js", import.meta.url));
const UP_MS_MAX = 120_000;

export interface DemoCluster {
  readonly dir: string;
  /** One answer of the API. */
  get(path: string): Promise<unknown>;
  text(path: string): Promise<string>;
  /** Runs a command of the command line. */
  meseta(...args: string[]): { readonly code: number | null; readonly out: string };
  start(...args: string[]): ChildProcess;
  /** Process of a part: master, agent-1 … */
  pidOf(name: string): number | undefined;
  stop(): Promise<void>;
}

export async function startCluster(
  options: {
    readonly dir: string;
    readonly agents: number;
    /** Directories below which tasks may take volumes. */
    readonly hostPaths: readonly string[];
  },
  progress: (line: string) => void,
): Promise<DemoCluster> {
  const { dir, agents, hostPaths } = options;
  const env = { ...process.env, MESETA_CONFIG_DIR: join(dir, "config") };
  const data = join(dir, "data");
  const flags = ["--agents", `${agents}`, "--data", data];
  flags.push("--allowed-host-paths", hostPaths.join(","));
  const up = spawn(process.execPath, [MESETA, "up", ...flags], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  up.stderr.on("data", (bytes: Buffer) => {
    const text = bytes.toString();
    said += text;
    for (const line of text.trimEnd().split("\n")) progress(`up: ${line}`);
  });
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("meseta up took too long")), UP_MS_MAX);
    up.stdout.on("data", (bytes: Buffer) => {
      if (!bytes.toString().includes("Ctrl-C")) return;
      clearTimeout(late);
      resolve();
    });
    up.once("exit", (code) => reject(new Error(`meseta up ended with ${code}: ${said}`)));
  });
  const contexts = JSON.parse(readFileSync(join(dir, "config", "contexts.json"), "utf8")) as {
    contexts: Record<string, { server: string; token: string }>;
  };
  const [context] = Object.values(contexts.contexts);
  if (context === undefined) throw new Error("meseta up wrote no context");
  const ask = async (path: string): Promise<Response> => {
    const headers = { authorization: `Bearer ${context.token}` };
    const answer = await fetch(`${context.server}${path}`, { headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  return {
    dir,
    get: async (path) => (await ask(path)).json(),
    text: async (path) => (await ask(path)).text(),
    meseta(...args) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [MESETA, ...args], {
        env,
        encoding: "utf8",
      });
      return { code: status, out: stdout + stderr };
    },
    start: (...args) =>
      spawn(process.execPath, [MESETA, ...args], { env, stdio: ["ignore", "pipe", "pipe"] }),
    pidOf(name) {
      const record = JSON.parse(readFileSync(join(data, "up.json"), "utf8")) as {
        children: Record<string, { pid: number }>;
      };
      return record.children[name]?.pid;
    },
    stop: () =>
      new Promise((resolve) => {
        if (up.exitCode !== null || up.signalCode !== null) return resolve();
        up.once("exit", () => resolve());
        up.kill("SIGINT");
      }),
  };
}

/** A credential for a framework of the demo. */
export function makeCredential(cluster: DemoCluster, name: string): string {
  const out = join(cluster.dir, `${name}.creds`);
  const made = cluster.meseta("credential", "create", "framework", name, "--out", out);
  if (made.code !== 0) throw new Error(`no credential for ${name}: ${made.out}`);
  return out;
}

export function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

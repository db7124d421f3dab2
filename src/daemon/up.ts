/**
 * `meseta up` and `meseta down`: a whole cluster on this machine, from one data directory, and
 * its end without remains. Owns the order of starting, sweeping and stopping; the parts are
 * `up-parts.ts`.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pinoLogger } from "#adapters";
import type { Config } from "#config";
import { isLoopback } from "./addresses.ts";
import { endLeftBroker } from "./broker.ts";
import { parseListen } from "./broker-listener.ts";
import { type DataDir, dataDirOf, layoutOf, openDataDir, readUpRecord } from "./data-dir.ts";
import { endLeftNode } from "./node-end.ts";
import { endProcess, isSameProcess } from "./process-mark.ts";
import { recorderSettings } from "./recorder.ts";
import { clusterOf } from "./role-processes.ts";
import { catchSignals } from "./signals.ts";
import { agentResources, type Parts, startProcesses, startTogether } from "./up-parts.ts";

/** How long a leftover may take to end by itself. */
const LEFTOVER_END_MS = 10_000;
/** How long an `up` that was asked to end may take, before it is killed and swept up after. */
const UP_END_MS = 60_000;

export interface SavedContext {
  readonly server: string;
  readonly token: string;
  readonly data: string;
}

/** What the command line lends: how to speak, where contexts are, how to start itself again. */
export interface UpDoors {
  /** Progress and troubles, for standard error. */
  tell(sentence: string): void;
  /** What was asked for, for standard output. */
  print(text: string): void;
  saveContext(name: string, context: SavedContext): void;
  /** Takes the context away if it is of this data directory. */
  dropContext(name: string, data: string): void;
  /** Node's arguments that are the command line. */
  readonly program: readonly string[];
  /** How the person calls it: `meseta` or `npx meseta`. */
  readonly called: string;
}

/** @returns the exit code, when the cluster has been stopped. */
export async function runUp(config: Config, doors: UpDoors): Promise<number> {
  const signals = catchSignals(["SIGINT", "SIGTERM", "SIGHUP"]);
  const cluster = clusterOf(config);
  refuseBadSettings(config);
  const root = dataDirOf(config.text("data"), cluster, process.env);
  const data = await openDataDir(root, config.integer("agents"));
  let parts: Parts | undefined;
  try {
    agentResources(config, data)(1);
    await endLeftovers(data, config.integer("agents"), doors);
    await data.recordStart();
    const options = { config, data, program: doors.program, tell: doors.tell };
    const starting =
      config.need("bus") === "memory" ? startTogether(options) : startProcesses(options);
    parts = await starting;
    doors.saveContext(cluster, { server: parts.server, token: parts.token, data: root });
    doors.print(greeting(config, parts, root, doors.called));
    const why = await Promise.race([signals.first, parts.broken]);
    const asked = why.startsWith("SIG");
    doors.tell(asked ? "stopping, tasks included" : why);
    signals.onAgain(() => doors.tell("still stopping: tasks are being ended"));
    await parts.end();
    doors.dropContext(cluster, root);
    doors.tell("stopped: no process and no cgroup of this cluster is left");
    return asked ? 0 : 1;
  } finally {
    await data.release();
    signals.stop();
  }
}

/** Said before anything is started, rather than ten times by a child. */
function refuseBadSettings(config: Config): void {
  const host = config.need("host");
  if (!isLoopback(host) && !config.boolean("insecure")) {
    throw new Error(
      `--host: ${host} can be reached from other machines, and HTTP without TLS shows the token ` +
        "to whoever listens on the way; use 127.0.0.1, or add --insecure if the network is yours",
    );
  }
  if (config.need("bus") === "memory" && config.text("nats") !== undefined) {
    throw new Error("--bus memory and --nats exclude each other: choose one");
  }
  const listen = config.text("listen");
  if (listen !== undefined) {
    parseListen(listen);
    if (config.need("bus") === "memory" || config.text("nats") !== undefined) {
      throw new Error(
        "--listen is of the broker that up starts; with --bus memory or --nats there is none, " +
          "leave out one of the two",
      );
    }
  }
  if (config.need("bus") === "memory" && config.integer("masters") > 1) {
    throw new Error("--masters: with --bus memory there is one master; leave out one of the two");
  }
  recorderSettings(config, "");
}

/** An `up` that was killed left its children: they end here, their tasks go on. */
async function endLeftovers(data: DataDir, agents: number, { tell }: UpDoors): Promise<void> {
  const record = await readUpRecord(data.root);
  for (const [name, mark] of Object.entries(record?.children ?? {})) {
    if (!(await isSameProcess(mark))) continue;
    tell(`ending ${name}, left by an earlier meseta up (process ${mark.pid})`);
    await endProcess(mark, LEFTOVER_END_MS);
  }
  const logger = pinoLogger({ level: "warn", to: join(data.logs, "up.log") });
  for (const number of await agentNumbers(data.root)) {
    if (number <= agents) continue;
    const ended = await endLeftNode(data.agentDir(number), logger);
    if (ended > 0) tell(`ended ${ended} containers of agent-${number}, which is not started again`);
  }
}

async function agentNumbers(root: string): Promise<number[]> {
  const names = await readdir(root);
  return names.flatMap((name) => {
    const number = /^agent-(\d+)$/.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

function counted(count: number, what: string): string {
  return `${count} ${count === 1 ? what : `${what}s`}`;
}

function greeting(config: Config, parts: Parts, root: string, called: string): string {
  const agents = config.integer("agents");
  const masters = config.integer("masters");
  const rows: [string, string][] = [
    ["API", parts.server],
    ["broker", parts.broker],
    ...(parts.listens === undefined
      ? []
      : [
          ["listens", `${parts.listens} (others join by: ${called} token create agent)`] as [
            string,
            string,
          ],
        ]),
    ["limits", parts.unenforced === "" ? "enforced by cgroups" : `none: ${parts.unenforced}`],
    ["data", root],
  ];
  if (parts.frameworkCredential !== undefined) {
    rows.push(["credential", `${parts.frameworkCredential} (for a framework of your own)`]);
  }
  const lines = [
    `cluster ${clusterOf(config)} is up: ${counted(masters, "master")}, ${counted(agents, "agent")}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(10)}  ${value}`),
    "",
    "In another terminal:",
    `  ${called} status`,
    `  ${called} run -- echo hello`,
    `  ${called} ps`,
    `  ${called} down`,
    "",
    "Ctrl-C stops everything, tasks included.",
  ];
  return `${lines.join("\n")}\n`;
}

/** @returns the exit code. */
export async function runDown(
  config: Config,
  dataOfContext: string | undefined,
  doors: Pick<UpDoors, "tell" | "dropContext">,
): Promise<number> {
  const cluster = clusterOf(config);
  const named = config.text("data") ?? dataOfContext;
  const root = dataDirOf(named, cluster, process.env);
  const record = await readUpRecord(root);
  if (record === undefined) {
    doors.tell(`nothing runs from ${root}`);
    doors.dropContext(cluster, root);
    return 0;
  }
  if (await isSameProcess(record.up)) {
    doors.tell(`stopping the cluster in ${root}`);
    await endProcess(record.up, UP_END_MS);
  }
  // It may have been killed, now or before: then everything of it is still there.
  if ((await readUpRecord(root)) !== undefined) await sweep(root, doors);
  doors.dropContext(cluster, root);
  doors.tell("stopped: no process and no cgroup of this cluster is left");
  return 0;
}

async function sweep(root: string, { tell }: Pick<UpDoors, "tell">): Promise<void> {
  const record = await readUpRecord(root);
  const data = await openDataDir(root, 0);
  try {
    for (const [name, mark] of Object.entries(record?.children ?? {})) {
      if (!(await isSameProcess(mark))) continue;
      tell(`ending ${name} (process ${mark.pid})`);
      await endProcess(mark, LEFTOVER_END_MS);
    }
    const logger = pinoLogger({ level: "warn", to: join(data.logs, "up.log") });
    for (const number of await agentNumbers(root)) {
      const ended = await endLeftNode(layoutOf(root).agentDir(number), logger);
      if (ended > 0) tell(`ended ${ended} containers of agent-${number}`);
    }
    await endLeftBroker(data.broker);
  } finally {
    await data.release();
  }
}

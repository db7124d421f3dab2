/**
 * A nats-server as a child of ours: started on a port, of loopback unless it is told another address, watched, started again with
 * backoff when it dies, stopped in order. One folder belongs to one broker at a time; what an
 * earlier holder of the folder left running is ended before a new one starts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { BROKER_TLS_NAME, type ExclusiveLock, takeLock, writeFileDurably } from "#adapters";
import { addressText, listenFault, tryListen } from "./addresses.ts";
import type { BrokerBinary } from "./broker-binary.ts";
import { type BrokerRoutes, brokerConfigText, type TlsFiles } from "./broker-config.ts";
import type { BrokerTrust } from "./credentials.ts";
import { type Restart, type RestartPolicy, Restarts } from "./restarts.ts";
import { endProcess, isSameProcess, type ProcessMark, processMark } from "./process-mark.ts";

const HOST = "127.0.0.1";
const READY_TIMEOUT_MS = 15_000;
const PROBE_TIMEOUT_MS = 1_000;
const PROBE_INTERVAL_MS = 20;
/** How long a stopping broker may take to hand over and to sync before it is killed. */
const STOP_TIMEOUT_MS = 10_000;

const STORE_BYTES_MAX = 10 * 1024 ** 3;

export interface StartBroker {
  readonly binary: BrokerBinary;
  /** Folder of this broker alone: configuration, log, streams, process file. */
  readonly dir: string;
  readonly trust: BrokerTrust;
  /** Told of deaths and returns. */
  onEvent(event: BrokerEvent): void;
  readonly restarts?: RestartPolicy;
  /** One of several that hold the log together. */
  readonly member?: BrokerMember;
}

export interface BrokerMember {
  /** Its place among them, for ever. */
  readonly name: string;
  /** Where clients come to; default: loopback. */
  readonly host?: string;
  readonly port: number;
  readonly routes: Omit<BrokerRoutes, "tls">;
  /** What it proves itself with; absent where nothing of it leaves loopback. */
  readonly tls?: BrokerTls;
}

/** As PEM. Where it is there, clients and the other brokers speak TLS and nothing else. */
export interface BrokerTls {
  readonly key: string;
  readonly cert: string;
  readonly authority: string;
}

export type BrokerEvent =
  | { readonly kind: "died"; readonly why: string; readonly restart: Restart }
  | { readonly kind: "back"; readonly pid: number };

export interface Broker {
  readonly url: string;
  readonly port: number;
  readonly version: string;
  /** Process id of the child that runs now; undefined between a death and the next start. */
  readonly pid: number | undefined;
  /** Ends the child in order; another is started as after a death. */
  again(): void;
  /** Ends the child in order (SIGTERM, then SIGKILL) and gives the folder back. */
  stop(): Promise<void>;
}

/** @throws Error when the folder is in use or the child does not come up. */
export async function startBroker(options: StartBroker): Promise<Broker> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const lock = await takeLock(options.dir, "broker.lock");
  try {
    await endLeftBroker(options.dir);
    const runner = new BrokerRunner(options, lock, await portOf(options));
    await runner.begin();
    return runner;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class BrokerRunner implements Broker {
  readonly #options: StartBroker;
  readonly #lock: ExclusiveLock;
  readonly port: number;
  /** Told apart by name from whatever else may listen on the port. */
  readonly #serverName: string;
  #child: ChildProcess | undefined;
  #stopping = false;
  #restart: NodeJS.Timeout | undefined;
  /** A start that is under way; stopping waits for it, else its child would be left behind. */
  #starting: Promise<void> = Promise.resolve();
  readonly #restarts: Restarts;

  constructor(options: StartBroker, lock: ExclusiveLock, port: number) {
    this.#options = options;
    this.#lock = lock;
    this.port = port;
    this.#restarts = new Restarts(options.restarts);
    this.#serverName = options.member?.name ?? `meseta-${randomBytes(8).toString("hex")}`;
  }

  get url(): string {
    const { tls, host = HOST } = this.#options.member ?? {};
    return `${tls === undefined ? "nats" : "tls"}://${addressText({ host, port: this.port })}`;
  }

  get version(): string {
    return this.#options.binary.version;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async begin(): Promise<void> {
    await writeFileDurably(join(this.#options.dir, "port"), `${this.port}\n`, { mode: 0o600 });
    await this.#launch();
  }

  /** Anew for each start: keys may have been revoked since the last one. */
  async #writeConfig(): Promise<void> {
    const { dir, trust, member } = this.#options;
    const common = {
      serverName: this.#serverName,
      host: member?.host ?? HOST,
      port: this.port,
      storeDir: join(dir, "streams"),
      logFile: join(dir, "nats-server.log"),
      storeBytesMax: STORE_BYTES_MAX,
      trust,
    };
    const tls = member?.tls === undefined ? undefined : await writeTls(dir, member.tls);
    const text = brokerConfigText({
      ...common,
      ...(tls === undefined ? {} : { tls }),
      ...(member === undefined ? {} : { accountsDir: join(dir, "accounts") }),
      ...(member === undefined ? {} : { cluster: { ...member.routes, ...(tls && { tls }) } }),
    });
    await writeFileDurably(configOf(dir), text, { mode: 0o600 });
  }

  /** Starts the child and waits until it says its name on the port. */
  async #launch(): Promise<void> {
    const { binary, dir } = this.#options;
    await this.#writeConfig();
    // Its own session: a Ctrl-C in the terminal is for us, who stop things in order.
    const child = spawn(binary.path, ["--config", configOf(dir)], {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
      cwd: dir,
    });
    let said = "";
    child.stderr?.on("data", (bytes: Buffer) => {
      said = (said + bytes.toString("utf8")).slice(-2_000);
    });
    let ended: string | undefined;
    child.once("error", (error) => {
      ended ??= error.message;
    });
    child.once("exit", (code, signal) => {
      ended ??= `ended with ${signal ?? `code ${code}`}: ${lastLine(said)}`;
      if (this.#child === child) this.#died(ended);
    });
    if (child.pid !== undefined) {
      const mark = await processMark(child.pid);
      if (mark !== undefined) {
        await writeFileDurably(pidFileOf(dir), JSON.stringify(mark), { mode: 0o600 });
      }
    }
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    while (ended === undefined && performance.now() < deadlineMs) {
      if ((await this.#nameAtPort()) === this.#serverName) {
        // It may have ended while it was asked; then the exit has been seen already.
        if (ended !== undefined) break;
        this.#child = child;
        return;
      }
      await pause(PROBE_INTERVAL_MS);
    }
    await endChild(child);
    throw new Error(
      `nats-server did not come up on port ${this.port} within ${READY_TIMEOUT_MS} ms: ` +
        `${ended ?? "it gives no answer"}; its log is ${join(dir, "nats-server.log")}`,
    );
  }

  #nameAtPort(): Promise<string | undefined> {
    const { tls, host = HOST } = this.#options.member ?? {};
    const at = { host, port: this.port };
    return serverNameOf(
      tls === undefined
        ? createConnection(at)
        : connectTls({ ...at, ca: tls.authority, servername: BROKER_TLS_NAME }),
    );
  }

  #died(why: string): void {
    this.#child = undefined;
    if (this.#stopping) return;
    const restart = this.#restarts.died(performance.now());
    this.#options.onEvent({ kind: "died", why, restart });
    this.#restart = setTimeout(() => {
      this.#starting = this.#again();
    }, restart.inMs);
  }

  async #again(): Promise<void> {
    try {
      await this.#launch();
    } catch (error) {
      return this.#died(error instanceof Error ? error.message : String(error));
    }
    const pid = this.#child?.pid;
    if (pid !== undefined && !this.#stopping) this.#options.onEvent({ kind: "back", pid });
  }

  again(): void {
    this.#child?.kill("SIGTERM");
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearTimeout(this.#restart);
    await this.#starting;
    await this.#end();
    await this.#lock.release();
  }

  async #end(): Promise<void> {
    if (this.#child !== undefined) await endChild(this.#child);
    await rm(pidFileOf(this.#options.dir), { force: true });
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(hard);
}

/**
 * Ends the child of an earlier holder of this folder, which was killed before it could. It is
 * known by process id, start time and boot, so that a stranger under the same id is left alone.
 */
export async function endLeftBroker(dir: string): Promise<void> {
  const text = await readFile(pidFileOf(dir), "utf8").catch(() => undefined);
  if (text === undefined) return;
  const mark = parseMark(text);
  if (mark !== undefined && (await isSameProcess(mark))) {
    await endProcess(mark, STOP_TIMEOUT_MS);
  }
  await rm(pidFileOf(dir), { force: true });
}

function parseMark(text: string): ProcessMark | undefined {
  try {
    const { pid, startTicks, bootId } = JSON.parse(text) as Partial<ProcessMark>;
    if (pid === undefined || startTicks === undefined || bootId === undefined) return undefined;
    return { pid, startTicks, bootId };
  } catch (error) {
    // A torn file names nobody.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function portOf({ dir, member }: StartBroker): Promise<number> {
  if (member === undefined) return await choosePort(dir);
  // The others, and those who dial, were told these: no other would be of use.
  const { host = HOST, port, routes } = member;
  const places = [
    ["--listen", { host, port }],
    ["--cluster-listen", { host: routes.host ?? host, port: routes.port }],
  ] as const;
  for (const [flag, address] of places) {
    const tried = await tryListen(address);
    if (typeof tried !== "number") throw new Error(listenFault(flag, address, tried));
  }
  return port;
}

/** The port of the last time if it is free, so that contexts and credentials stay good. */
async function choosePort(dir: string): Promise<number> {
  const last = Number(await readFile(join(dir, "port"), "utf8").catch(() => ""));
  if (Number.isInteger(last) && last > 0 && last < 65_536) {
    const free = await freePort(last);
    if (free !== undefined) return free;
  }
  const any = await freePort(0);
  if (any === undefined) throw new Error(`no port is free on ${HOST}`);
  return any;
}

async function freePort(port: number): Promise<number | undefined> {
  const tried = await tryListen({ host: HOST, port });
  return typeof tried === "number" ? tried : undefined;
}

/** The name in the greeting of the server at the other end; undefined when none comes. */
function serverNameOf(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const end = (name: string | undefined): void => {
      socket.destroy();
      resolve(name);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(undefined));
    socket.once("error", () => end(undefined));
    socket.once("close", () => end(undefined));
    socket.on("data", (bytes) => {
      text += bytes.toString("utf8");
      if (text.includes("\r\n")) end(/"server_name":"([^"]*)"/.exec(text)?.[1]);
      else if (text.length > 65_536) end(undefined);
    });
  });
}

/** The server reads them from files alone. */
async function writeTls(dir: string, { key, cert, authority }: BrokerTls): Promise<TlsFiles> {
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(dir, name);
    await writeFileDurably(path, text, { mode: 0o600 });
    return path;
  };
  return {
    cert: await write("tls.crt", cert),
    key: await write("tls.key", key),
    authority: await write("authority.crt", authority),
  };
}

function configOf(dir: string): string {
  return join(dir, "nats-server.conf");
}

function pidFileOf(dir: string): string {
  return join(dir, "process.json");
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) || "it said nothing";
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Finds a nats-server that is new enough: the one that was named, then PATH, then the cache, then
 * one that is provisioned into the cache. It runs the file only to ask for its version.
 */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { BrokerUnavailable, provisionBroker } from "./broker-provision.ts";
import { run } from "./command.ts";

/** Below this the replicated log is not safe: 2.10.20 to 2.10.22 could lose whole streams. */
export const BROKER_VERSION_MIN = "2.10.23";

const VERSION_TIMEOUT_MS = 10_000;

export interface BrokerBinary {
  readonly path: string;
  readonly version: string;
  readonly origin: "named" | "path" | "cache" | "provisioned";
}

export interface FindBroker {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told one line per step, because provisioning takes seconds. */
  progress(line: string): void;
  /** False: never fetch anything, only look. */
  readonly mayProvision: boolean;
}

/** Where binaries are kept: `MESETA_CACHE_DIR`, else `~/.cache/meseta`. */
export function cacheDirOf(env: FindBroker["env"]): string {
  const { MESETA_CACHE_DIR: named } = env;
  return named || join(homedir(), ".cache", "meseta");
}

/** @throws BrokerUnavailable with the reason and what to do about it. */
export async function findBroker(options: FindBroker): Promise<BrokerBinary> {
  const { MESETA_NATS_SERVER: named, PATH: path = "" } = options.env;
  if (named !== undefined && named !== "") return namedBroker(named);
  for (const dir of path.split(delimiter)) {
    if (!isAbsolute(dir)) continue;
    const found = await usable(join(dir, "nats-server"), options.progress);
    if (found !== undefined) return { ...found, origin: "path" };
  }
  const cached = join(cacheDirOf(options.env), "nats-server");
  if (await isOurs(cached)) {
    const found = await usable(cached, options.progress);
    if (found !== undefined) return { ...found, origin: "cache" };
  }
  if (!options.mayProvision) {
    throw new BrokerUnavailable(
      `no nats-server of version ${BROKER_VERSION_MIN} or later was found in PATH or in the ` +
        "cache; name one with MESETA_NATS_SERVER, or start with --bus memory",
    );
  }
  await provisionBroker({ target: cached, check: versionOf, progress: options.progress });
  const made = await usable(cached, options.progress);
  if (made === undefined) {
    throw new BrokerUnavailable(
      `the nats-server put into ${cached} does not answer with a version of at least ` +
        `${BROKER_VERSION_MIN}; name another with MESETA_NATS_SERVER`,
    );
  }
  return { ...made, origin: "provisioned" };
}

async function namedBroker(path: string): Promise<BrokerBinary> {
  const version = await versionOf(path);
  if (version === undefined) {
    throw new BrokerUnavailable(
      `MESETA_NATS_SERVER: ${path} is no nats-server that runs here; name the program itself, ` +
        "or start with --bus memory",
    );
  }
  if (!isNewEnough(version)) {
    throw new BrokerUnavailable(
      `MESETA_NATS_SERVER: ${path} is version ${version}, the replicated log needs at least ` +
        `${BROKER_VERSION_MIN}; name a newer one, or start with --bus memory`,
    );
  }
  return { path, version, origin: "named" };
}

async function usable(path: string, progress: FindBroker["progress"]) {
  const version = await versionOf(path);
  if (version === undefined) return undefined;
  if (isNewEnough(version)) return { path, version };
  progress(`${path} is version ${version}, below ${BROKER_VERSION_MIN}: passed over`);
  return undefined;
}

/** What `path --version` says; undefined where it is no nats-server that runs. */
export async function versionOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await run(path, ["--version"], { timeoutMs: VERSION_TIMEOUT_MS });
    return /^nats-server: v(\d+\.\d+\.\d+\S*)/m.exec(stdout)?.[1];
  } catch (error) {
    // Absent, not executable, for another machine, or hanging: each means it cannot be used.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** A file in the cache is run only when nobody else could have put it there. */
async function isOurs(path: string): Promise<boolean> {
  const about = await stat(path).catch(() => undefined);
  if (about === undefined) return false;
  const uid = process.getuid?.() ?? 0;
  return (about.uid === uid || about.uid === 0) && (about.mode & 0o022) === 0;
}

/** Pre-releases count as older than their release. */
export function isNewEnough(version: string, min: string = BROKER_VERSION_MIN): boolean {
  const [release = "", ...pre] = version.split("-");
  const wanted = min.split(".").map(Number);
  const given = release.split(".").map(Number);
  for (const [index, want] of wanted.entries()) {
    const have = given[index] ?? 0;
    if (Number.isNaN(have) || have < want) return false;
    if (have > want) return true;
  }
  return pre.length === 0;
}

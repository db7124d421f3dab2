/**
 * Contexts: which cluster a command talks to, and with which token. One file, readable by its
 * owner alone, below MESETA_CONFIG_DIR or the user's configuration directory.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CliError, EXIT } from "./exit.ts";

export interface ClusterContext {
  /** Such as http://127.0.0.1:8080. */
  readonly server: string;
  readonly token: string;
  /** Data directory of the `up` that wrote it, for `down`. */
  readonly data?: string;
}

interface ContextFile {
  readonly current: string | undefined;
  readonly contexts: Readonly<Record<string, ClusterContext>>;
}

const EMPTY: ContextFile = { current: undefined, contexts: {} };

export function configDir(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment["MESETA_CONFIG_DIR"];
  if (own !== undefined && own !== "") return own;
  const home = environment["XDG_CONFIG_HOME"];
  return join(home !== undefined && home !== "" ? home : join(homedir(), ".config"), "meseta");
}

function fileOf(dir: string): string {
  return join(dir, "contexts.json");
}

export function readContexts(dir: string = configDir()): ContextFile {
  let text: string;
  try {
    text = readFileSync(fileOf(dir), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return EMPTY;
    throw error;
  }
  try {
    const file = JSON.parse(text) as Partial<ContextFile>;
    return { current: file.current, contexts: file.contexts ?? {} };
  } catch (error) {
    const why = (error as Error).message;
    throw new CliError(
      EXIT.usage,
      `${fileOf(dir)} is not JSON: ${why}`,
      "remove the file; meseta up writes a new one",
    );
  }
}

function write(dir: string, file: ContextFile): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = fileOf(dir);
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(fresh, 0o600);
  renameSync(fresh, path);
}

/** Adds or replaces a context and makes it the current one. */
export function saveContext(name: string, context: ClusterContext, dir = configDir()): void {
  const file = readContexts(dir);
  write(dir, { current: name, contexts: { ...file.contexts, [name]: context } });
}

/** Takes a context away; absent is fine. */
export function removeContext(name: string, dir = configDir()): void {
  const file = readContexts(dir);
  const { [name]: _gone, ...contexts } = file.contexts;
  const [other] = Object.keys(contexts);
  write(dir, { current: file.current === name ? other : file.current, contexts });
}

/** @throws CliError not found, with what to run. */
export function pickContext(name: string | undefined, dir = configDir()): ClusterContext {
  const file = readContexts(dir);
  const wanted = name ?? file.current;
  const found = wanted === undefined ? undefined : file.contexts[wanted];
  if (found !== undefined) return found;
  const known = Object.keys(file.contexts);
  if (name !== undefined) {
    const hint = known.length > 0 ? `contexts are ${known.join(", ")}` : "run meseta up first";
    throw new CliError(EXIT.notFound, `there is no context ${name}`, hint);
  }
  throw new CliError(
    EXIT.unreachable,
    "no cluster is known here",
    "start one with: meseta up   (or give --server and --token)",
  );
}

/**
 * The settings of an agent about the inside of its containers, and what its machine can do of it.
 * Reads profiles and kernel facts once, at the start; a profile that does not parse ends it.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir, release } from "node:os";
import { isAbsolute, join, normalize, resolve } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { type Document, LineCounter, parseDocument } from "yaml";
import type { LauncherPrograms } from "#adapters";
import type { Config } from "#config";
import {
  compileSeccomp,
  type InsideOptions,
  type SeccompProfile,
  SeccompProfileSchema,
} from "#isolation";
import { CAPABILITIES, CAPABILITIES_DEFAULT, type Capability } from "#protocol";
import { networkSettings } from "./network-settings.ts";

export interface InsideSettings {
  readonly hostPaths: readonly string[];
  readonly secretsDir: string | null;
  readonly boundingCapabilities: readonly Capability[];
  readonly seccompProfiles: Readonly<Record<string, SeccompProfile>>;
  readonly networks: NonNullable<InsideOptions["networks"]>;
  readonly userIds: InsideOptions["userIds"];
  /** Where whoever runs the agent keeps what no task should see, besides its work directory. */
  readonly hidden: readonly string[];
  readonly masked: readonly string[];
}

/** @throws Error in one sentence that names the setting, the file and line, and the value. */
export function insideSettings(config: Config, dataDir: string): InsideSettings {
  const secrets = config.text("secrets-dir");
  if (secrets !== undefined) checkSecrets(resolve(secrets));
  const profiles = config.text("seccomp-config-dir");
  return {
    hostPaths: hostPaths(config.need("allowed-host-paths")),
    secretsDir: secrets === undefined ? null : resolve(secrets),
    boundingCapabilities: capabilities(config.need("bounding-capabilities")),
    seccompProfiles: profiles === undefined ? {} : readProfiles(profiles),
    networks: networkSettings(config),
    userIds: userIds(config.text("userns-ids")),
    hidden: existsSync(dataDir) ? [dataDir] : [],
    masked: [secrets, config.text("credential"), operatorFiles()].flatMap((path) =>
      path === undefined ? [] : [resolve(path)],
    ),
  };
}

/** Where an operator of this machine keeps tokens, as the command line has it. */
function operatorFiles(): string {
  const { MESETA_CONFIG_DIR: named = "", XDG_CONFIG_HOME: home = "" } = process.env;
  if (named !== "") return named;
  return join(home === "" ? join(homedir(), ".config") : home, "meseta");
}

const words = (text: string): string[] =>
  text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");

function hostPaths(text: string): string[] {
  return words(text).map((path) => {
    const plain = normalize(path).replace(/(.)\/$/, "$1");
    if (isAbsolute(path) && plain !== "/") return plain;
    throw new Error(`--allowed-host-paths: ${path} is not absolute, or all there is`);
  });
}

function capabilities(text: string): Capability[] {
  return words(text).map((word) => {
    const name = CAPABILITIES.find((one) => one === word.toUpperCase().replace(/^CAP_/, ""));
    if (name !== undefined) return name;
    throw new Error(`--bounding-capabilities: there is no capability ${word}`);
  });
}

const ID_MAX = 2 ** 32 - 2;

function userIds(text: string | undefined): InsideOptions["userIds"] {
  if (text === undefined) return null;
  const match = /^(\d+):(\d+)$/.exec(text);
  const [first, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || count < 1 || first < 1 || first + count > ID_MAX) {
    throw new Error(`--userns-ids: ${text} is not FIRST:COUNT of ids from 1 to ${ID_MAX}`);
  }
  return { first, count };
}

/** What others can read is no secret. */
function checkSecrets(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) throw new Error(`--secrets-dir: ${path} is no directory`);
  if ((stat.mode & 0o077) === 0) return;
  const mode = (stat.mode & 0o777).toString(8);
  throw new Error(`--secrets-dir: ${path} is open to others (mode ${mode}); chmod 700 it`);
}

const SUFFIX = ".json";

function readProfiles(directory: string): Record<string, SeccompProfile> {
  const profiles: Record<string, SeccompProfile> = {};
  for (const file of readdirSync(directory).sort()) {
    if (!file.endsWith(SUFFIX)) continue;
    const path = join(directory, file);
    profiles[file.slice(0, -SUFFIX.length)] = parseProfile(readFileSync(path, "utf8"), path);
  }
  return profiles;
}

/** @throws Error with file and line. */
export function parseProfile(text: string, path: string): SeccompProfile {
  const lines = new LineCounter();
  // Every JSON text is a YAML text, and this reader knows where each value stands.
  const document = parseDocument(text, { lineCounter: lines, schema: "json" });
  const fault = (offset: number | undefined, what: string): Error => {
    const line = offset === undefined ? 1 : lines.linePos(offset).line;
    return new Error(`--seccomp-config-dir: ${path}:${line}: ${what}`);
  };
  const [broken] = document.errors;
  if (broken !== undefined) throw fault(broken.pos[0], broken.message.split("\n")[0] ?? "no JSON");
  const profile: unknown = document.toJS();
  const first = Value.Errors(SeccompProfileSchema, profile).First();
  if (first === undefined) return Value.Cast(SeccompProfileSchema, profile);
  const where = first.path === "" ? "the profile" : first.path.slice(1).replaceAll("/", ".");
  const value = JSON.stringify(first.value) ?? "nothing";
  throw fault(offsetOf(document, first.path), `${where}: ${value}: ${first.message}`);
}

/** Where the value of a path stands, or the nearest thing above it. */
function offsetOf(document: Document, path: string): number | undefined {
  const keys = path
    .split("/")
    .slice(1)
    .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  for (let length = keys.length; length >= 0; length -= 1) {
    const node: unknown = document.getIn(keys.slice(0, length), true);
    if (typeof node !== "object" || node === null || !("range" in node)) continue;
    const { range } = node;
    if (Array.isArray(range) && typeof range[0] === "number") return range[0];
  }
  return undefined;
}

const SYS_ADMIN = 21n;
/** `mount_setattr`, which closes a whole tree of mounts at once. */
const KERNEL_OLDEST = [5, 12] as const;

/** The effective capabilities in a text of `/proc/self/status`. */
export function parseCapabilities(status: string): bigint {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return digits === undefined ? 0n : BigInt(`0x${digits}`);
}

function whyUnavailable(isRoot: boolean, launcher: InsideOptions["launcher"], own: bigint) {
  if (launcher === "shell") return "the shell launcher makes none; a C compiler is needed";
  if (!isRoot) return "this agent does not run as root";
  if ((own & (1n << SYS_ADMIN)) === 0n) return "this agent does not have CAP_SYS_ADMIN";
  const [major = 0, minor = 0] = release().split(".").map(Number);
  const [least, below] = KERNEL_OLDEST;
  if (major > least || (major === least && minor >= below)) return null;
  return `this kernel (${release()}) is older than ${least}.${below}`;
}

export interface InsideFacts {
  readonly isRoot: boolean;
  readonly programs: LauncherPrograms;
  readonly workDir: string;
}

export function insideOptions(settings: InsideSettings, facts: InsideFacts): InsideOptions {
  const own = parseCapabilities(readFileSync("/proc/self/status", "utf8"));
  const launcher = facts.programs.kind;
  const has = (name: Capability): boolean =>
    (own & (1n << BigInt(CAPABILITIES.indexOf(name)))) > 0n;
  const { hidden, boundingCapabilities, ...rest } = settings;
  return {
    ...rest,
    arch: process.arch === "x64" ? "x86-64" : process.arch === "arm64" ? "arm64" : null,
    launcher,
    unavailable: whyUnavailable(facts.isRoot, launcher, own),
    // Nobody can hand on what it does not have.
    boundingCapabilities: boundingCapabilities.filter(has),
    hidden: [...new Set([...hidden, facts.workDir])],
    volumesDir: join(facts.workDir, "volumes"),
  };
}

/** Names of system calls that profiles know and this machine does not: a word for the log. */
export function unknownCalls({ seccompProfiles, arch }: InsideOptions): string[] {
  if (arch === null) return [];
  const subject = { arch, capabilities: new Set<string>() };
  return Object.entries(seccompProfiles).flatMap(([name, profile]) => {
    const { unknown } = compileSeccomp(profile, subject);
    return unknown.length === 0 ? [] : [`${name}: ${unknown.join(" ")}`];
  });
}

/** Of an agent that was told nothing. */
export const INSIDE_SETTINGS_DEFAULT: InsideSettings = {
  hostPaths: [],
  secretsDir: null,
  boundingCapabilities: CAPABILITIES_DEFAULT,
  seccompProfiles: {},
  networks: {},
  userIds: null,
  hidden: [],
  masked: [],
};

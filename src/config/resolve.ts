/**
 * Settings from four places — defaults < file < environment < flags — each with its origin. Pure:
 * whoever starts a process reads the file and the environment and gives them here.
 */
import {
  environmentName,
  type Setting,
  SETTING_NAMES,
  type SettingName,
  SETTINGS,
} from "./schema.ts";

export type Origin = "default" | "file" | "environment" | "flag";

export interface Resolved {
  readonly value: string | undefined;
  readonly origin: Origin;
}

export interface Sources {
  readonly file?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly flags?: Readonly<Record<string, string | undefined>>;
}

/** A setting that cannot be used: which, its value, where it stands, what would be right. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}

export class Config {
  readonly #resolved: ReadonlyMap<SettingName, Resolved>;

  constructor(resolved: ReadonlyMap<SettingName, Resolved>) {
    this.#resolved = resolved;
  }

  /** The setting as text; undefined where its default is computed. */
  text(name: SettingName): string | undefined {
    return this.#resolved.get(name)?.value;
  }

  /** The setting as text, one that has a default. */
  need(name: SettingName): string {
    const value = this.text(name);
    if (value === undefined)
      throw new ConfigError(`--${name} is needed: ${SETTINGS[name].meaning}`);
    return value;
  }

  integer(name: SettingName): number {
    return Number(this.need(name));
  }

  boolean(name: SettingName): boolean {
    return this.need(name) === "true";
  }

  durationMs(name: SettingName): number {
    return parseDuration(this.need(name)) ?? 0;
  }

  bytes(name: SettingName): number {
    return parseSize(this.need(name)) ?? 0;
  }

  /** All settings with their origins, for `config show --origin`. */
  *[Symbol.iterator](): IterableIterator<readonly [SettingName, Resolved]> {
    yield* this.#resolved;
  }
}

/** @throws ConfigError for an unknown name or a value that its setting does not take. */
export function resolveConfig({ file = {}, environment = {}, flags = {} }: Sources): Config {
  for (const name of Object.keys(file)) {
    if (!Object.hasOwn(SETTINGS, name)) {
      const near = nearest(name, SETTING_NAMES);
      throw new ConfigError(`the configuration file sets ${name}, which is no setting${near}`);
    }
  }
  const resolved = new Map<SettingName, Resolved>();
  for (const name of SETTING_NAMES) {
    const one = pickSource(name, file, environment, flags);
    if (one.value !== undefined) check(name, one);
    resolved.set(name, one);
  }
  return new Config(resolved);
}

function pickSource(
  name: SettingName,
  file: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, string | undefined>>,
): Resolved {
  const flag = flags[name];
  if (flag !== undefined) return { value: flag, origin: "flag" };
  const variable = environment[environmentName(name)];
  if (variable !== undefined && variable !== "") return { value: variable, origin: "environment" };
  const there = file[name];
  if (there !== undefined && there !== null) return { value: String(there), origin: "file" };
  return { value: SETTINGS[name].default, origin: "default" };
}

function check(name: SettingName, { value = "", origin }: Resolved): void {
  const setting: Setting = SETTINGS[name];
  const where = origin === "environment" ? environmentName(name) : `--${name}`;
  const refuse = (why: string): never => {
    throw new ConfigError(`${where}: ${JSON.stringify(value)} ${why} (from: ${origin})`);
  };
  const bounds = (number: number, unit: string): void => {
    const { min, max } = setting;
    if (min !== undefined && number < min) refuse(`is below the least, ${min}${unit}`);
    if (max !== undefined && number > max) refuse(`is above the most, ${max}${unit}`);
  };
  switch (setting.kind) {
    case "integer":
      if (!/^\d{1,15}$/.test(value)) refuse("is no whole number");
      return bounds(Number(value), "");
    case "boolean":
      if (value !== "true" && value !== "false") refuse("is neither true nor false");
      return;
    case "choice":
      if (!setting.choices?.includes(value)) refuse(`is none of ${setting.choices?.join(", ")}`);
      return;
    case "duration": {
      const ms = parseDuration(value);
      if (ms === undefined) return refuse("is no duration such as 500ms, 10s, 5m, 2h, 7d");
      return bounds(ms, " ms");
    }
    case "size": {
      const bytes = parseSize(value);
      if (bytes === undefined) return refuse("is no size such as 4096, 64KiB, 10MiB, 1GiB");
      return bounds(bytes, " bytes");
    }
    case "text":
      return;
  }
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `1m30s`, `500ms`, `7d` in milliseconds; undefined for other text. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number = "", , unit = ""] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d)/g)) {
    sum += Number(number) * (DURATION_UNITS[unit] ?? 0);
  }
  return Math.round(sum);
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

export function parseSize(text: string): number | undefined {
  const [, number, unit = ""] = /^(\d+)(KiB|MiB|GiB|TiB)?$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (SIZE_UNITS[unit] ?? 1);
}

/** `; did you mean X?` where one of the names is near; empty otherwise. */
export function nearest(text: string, names: readonly string[]): string {
  let best: { name: string; distance: number } | undefined;
  for (const name of names) {
    const distance = editDistance(text, name);
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  return best !== undefined && best.distance <= 3 ? `; did you mean ${best.name}?` : "";
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const left = next[j - 1] ?? 0;
      const up = row[j] ?? 0;
      const diagonal = row[j - 1] ?? 0;
      next.push(Math.min(left + 1, up + 1, diagonal + same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

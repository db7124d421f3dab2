/** What every command is given: settings with origins, output options, the server. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { parse } from "yaml";
import { type Config, ConfigError, resolveConfig, SETTING_NAMES } from "#config";
import { configDir } from "./contexts.ts";
import { CliError, EXIT } from "./exit.ts";
import { type Output, type OutputOptions, OUTPUTS } from "./output.ts";
import { Server } from "./server.ts";

export interface Invocation {
  readonly config: Config;
  readonly output: OutputOptions;
  server(): Server;
}

/** Reads the flags of a command and of those above it. @throws ConfigError, CliError. */
export function invocationOf(command: Command): Invocation {
  const flags = command.optsWithGlobals() as Record<string, unknown>;
  const settings: Record<string, string | undefined> = {};
  for (const name of SETTING_NAMES) {
    const value = flags[camel(name)];
    if (value !== undefined) settings[name] = String(value);
  }
  const config = resolveConfig({
    file: readConfigFile(flags["config"] as string | undefined),
    environment: process.env,
    flags: settings,
  });
  const output = (flags["output"] as string | undefined) ?? "table";
  if (!OUTPUTS.includes(output as Output)) {
    throw new CliError(EXIT.usage, `-o: ${output} is none of ${OUTPUTS.join(", ")}`);
  }
  const sortBy = flags["sortBy"] as string | undefined;
  return {
    config,
    output: {
      output: output as Output,
      headers: flags["headers"] !== false,
      ...(sortBy === undefined ? {} : { sortBy }),
    },
    server: () => Server.of(config),
  };
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `--config FILE`, or config.yaml of the configuration directory where there is one. */
function readConfigFile(named: string | undefined): Record<string, unknown> {
  const path = named ?? join(configDir(), "config.yaml");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (missing && named === undefined) return {};
    throw new ConfigError(`the configuration file cannot be read: ${(error as Error).message}`);
  }
  try {
    const settings: unknown = parse(text) ?? {};
    if (typeof settings === "object" && !Array.isArray(settings)) {
      return settings as Record<string, unknown>;
    }
  } catch (error) {
    throw new ConfigError(`${path}: ${(error as Error).message}`);
  }
  throw new ConfigError(`${path}: expected settings as "name: value" lines`);
}

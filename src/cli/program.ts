/**
 * The tree of commands. Knows which there are and the flags that all have; what each does is in
 * `commands/`.
 */
import { readFileSync } from "node:fs";
import { Command, type CommanderError } from "commander";
import { type Setting, SETTING_NAMES, SETTINGS } from "#config";
import { addAgentCommands } from "./commands/agents.ts";
import { addClusterCommands } from "./commands/cluster.ts";
import { addCredentialCommands } from "./commands/credentials.ts";
import { addDaemonCommands } from "./commands/daemons.ts";
import { addFileCommands } from "./commands/files.ts";
import { addListCommands } from "./commands/lists.ts";
import { addLogCommands } from "./commands/log.ts";
import { addMaintenanceCommands } from "./commands/maintenance.ts";
import { addMasterCommands } from "./commands/masters.ts";
import { addRoleCommands } from "./commands/roles.ts";
import { addRunCommands } from "./commands/run.ts";
import { addTaskCommands } from "./commands/tasks.ts";
import { addTokenCommands } from "./commands/tokens.ts";
import { addSimCommand } from "./commands/sim.ts";
import { addWhyCommand } from "./commands/why.ts";
import { CliError, EXIT } from "./exit.ts";
import { OUTPUTS } from "./output.ts";

export function version(): string {
  const file = new URL("../../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}

export function makeProgram(): Command {
  const program = new Command("meseta")
    .description("Shares the machines of a cluster between many frameworks.")
    .version(version(), "-V, --version", "print the version")
    .option("-o, --output <format>", OUTPUTS.join(", "), "table")
    .option("--no-headers", "tables without their head")
    .option("--sort-by <column>", "order of a table")
    .option("--config <file>", "settings, as name: value lines")
    .showHelpAfterError(false)
    .exitOverride()
    // What is wrong is said once, in our own way, by who catches it.
    .configureOutput({ outputError: () => undefined });
  for (const name of SETTING_NAMES) {
    const setting: Setting = SETTINGS[name];
    if (setting.for.includes("client")) program.option(`--${name} <text>`, setting.meaning);
  }
  addDaemonCommands(program);
  addRunCommands(program);
  addListCommands(program);
  addTaskCommands(program);
  addFileCommands(program);
  addRoleCommands(program);
  addAgentCommands(program);
  addMaintenanceCommands(program);
  addWhyCommand(program);
  addMasterCommands(program);
  addTokenCommands(program);
  addCredentialCommands(program);
  addLogCommands(program);
  addClusterCommands(program);
  addSimCommand(program);
  program
    .command("version")
    .description("print the version")
    .action(() => void process.stdout.write(`${version()}\n`));
  return program;
}

/** Errors of the parser in our words; undefined where nothing went wrong (help, version). */
export function usageError(error: CommanderError): CliError | undefined {
  if (error.exitCode === 0) return undefined;
  // A noun without its verb: its help has been printed.
  if (error.code === "commander.help") return new CliError(EXIT.usage, "which of these commands?");
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const near = /\(Did you mean (.*)\?\)/.exec(rest.join(" "))?.[1];
  const hint = near === undefined ? "meseta --help lists the commands" : `did you mean ${near}?`;
  return new CliError(EXIT.usage, first, hint);
}

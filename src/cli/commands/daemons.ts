/** Commands that start and stop processes of the cluster: up, down, master, agent, broker, registrar. */
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { type Setting, SETTING_NAMES, SETTINGS } from "#config";
import { readContexts, removeContext, saveContext } from "../contexts.ts";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { data, note } from "../output.ts";

type Role = Setting["for"][number];

/** The program itself, as Node's arguments. */
const PROGRAM = [...process.execArgv, fileURLToPath(new URL("../main.js", import.meta.url))];

/** A flag for every setting that the role reads. */
export function addSettings(command: Command, role: Role): Command {
  for (const name of SETTING_NAMES) {
    const setting: Setting = SETTINGS[name];
    if (!setting.for.includes(role)) continue;
    const text = [setting.meaning, setting.default && `(default: ${setting.default})`]
      .filter((part) => part !== undefined && part !== "")
      .join(" ");
    if (setting.kind === "boolean") command.option(`--${name}`, text);
    else command.option(`--${name} <${placeholderOf(setting)}>`, text);
  }
  return command;
}

function placeholderOf({ kind, choices }: Setting): string {
  return choices === undefined ? kind : choices.join("|");
}

/** Data directory of the `up` that wrote the current context. */
export function dataOfContext(): string | undefined {
  const { current, contexts } = readContexts();
  return current === undefined ? undefined : contexts[current]?.data;
}

/** For commands that act on the files of a cluster, and not on who runs. */
export function onDataOf(command: Command): Command {
  return command
    .option("--data <text>", SETTINGS.data.meaning)
    .option("--cluster <text>", SETTINGS.cluster.meaning);
}

function dropContext(name: string, dataDir: string): void {
  if (readContexts().contexts[name]?.data === dataDir) removeContext(name);
}

/**
 * Runs a process of the cluster to its end. What goes wrong at a start is a sentence for the
 * person, not a trace; what is over ends, whatever still dials a broker that is gone.
 */
export async function startOrSay(start: () => Promise<number>): Promise<void> {
  try {
    process.exit(await start());
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "Error") throw error;
    throw new CliError(EXIT.failed, error.message);
  }
}

export function addDaemonCommands(program: Command): void {
  const up = program.command("up").description("a whole cluster on this machine");
  addSettings(up, "up").action(async (_flags: object, command: Command) => {
    const { config } = invocationOf(command);
    const { runUp } = await import("#daemon");
    await startOrSay(() =>
      runUp(config, {
        tell: note,
        print: data,
        saveContext: (name, context) => saveContext(name, context),
        dropContext,
        program: PROGRAM,
        called: process.env["npm_command"] === "exec" ? "npx meseta" : "meseta",
      }),
    );
  });
  onDataOf(
    program.command("down").description("stops the cluster that up started, tasks included"),
  ).action(async (_flags: object, command: Command) => {
    const { config } = invocationOf(command);
    const { runDown } = await import("#daemon");
    await startOrSay(() => runDown(config, dataOfContext(), { tell: note, dropContext }));
  });
  const master = program.command("master").description("one master, in this process");
  addSettings(master, "master")
    .option("--masters <integer>", SETTINGS.masters.meaning)
    .action(async (_flags: object, command: Command) => {
      const { config } = invocationOf(command);
      const { runMaster } = await import("#daemon");
      await startOrSay(() => runMaster(config, { tell: note }));
    });
  const agent = program.command("agent").description("one agent in this process, or agent list");
  addSettings(agent, "agent").action(async (_flags: object, command: Command) => {
    const { config } = invocationOf(command);
    const { runAgent } = await import("#daemon");
    await startOrSay(() => runAgent(config, { tell: note }));
  });
  addClusterDaemons(program);
}

/** What `up` has within itself, for clusters whose parts have machines of their own. */
function addClusterDaemons(program: Command): void {
  const broker = program
    .command("broker")
    .description("one of the brokers of a cluster, in this process");
  addSettings(broker, "broker").action(async (_flags: object, command: Command) => {
    const { config } = invocationOf(command);
    const { runBroker } = await import("#daemon");
    await startOrSay(() => runBroker(config, { tell: note }));
  });
  const registrar = program
    .command("registrar")
    .description("lets machines join, beside the keys of the cluster, in this process");
  addSettings(registrar, "registrar").action(async (_flags: object, command: Command) => {
    const { config } = invocationOf(command);
    const { runRegistrar } = await import("#daemon");
    await startOrSay(() => runRegistrar(config, dataOfContext(), { tell: note }));
  });
}

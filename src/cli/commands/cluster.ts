/** Commands about the cluster as a whole: status, log level, config show, context. */
import type { Command } from "commander";
import type { ClusterStatus } from "#api";
import { environmentName, SETTINGS } from "#config";
import { readContexts } from "../contexts.ts";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { printList, printObject } from "../output.ts";
import { nounOf } from "./lists.ts";

/** Whoever reads them has what they open. */
const SECRET: ReadonlySet<string> = new Set(["token", "join"]);

export function addClusterCommands(program: Command): void {
  program
    .command("status")
    .description("the cluster in a few lines")
    .action(async (_flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const status = await server().call("status");
      printObject(status, statusLines(status), output);
    });
  nounOf(program, "log", "what the leader logs")
    .command("level <level>")
    .description("how much the leader logs: trace, debug, info, warn or error")
    .action(async (level: string, _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const levels = SETTINGS["log-level"].choices;
      if (!levels.some((one) => one === level)) {
        throw new CliError(EXIT.usage, `level: ${level} is none of ${levels.join(", ")}`);
      }
      const body = { level: level as (typeof levels)[number] };
      const answer = await server().call("setLogLevel", { body });
      printObject(answer, [["log level", answer.message]], output);
    });
  program
    .command("config")
    .description("settings")
    .command("show")
    .description("every setting with its value")
    .option("--origin", "where each value comes from, and its environment variable")
    .action((flags: { origin?: boolean }, command: Command) => {
      const { config, output } = invocationOf(command);
      const rows = [...config].map(([name, { value, origin }]) => ({
        name,
        value: SECRET.has(name) && value !== undefined ? "(set)" : value,
        origin,
        environment: environmentName(name),
        meaning: SETTINGS[name].meaning,
      }));
      const columns = [
        { head: "SETTING", value: (row: (typeof rows)[number]) => row.name },
        { head: "VALUE", value: (row: (typeof rows)[number]) => row.value },
        ...(flags.origin === true
          ? [
              { head: "ORIGIN", value: (row: (typeof rows)[number]) => row.origin },
              { head: "ENVIRONMENT", value: (row: (typeof rows)[number]) => row.environment },
            ]
          : []),
        { head: "MEANING", value: (row: (typeof rows)[number]) => row.meaning },
      ];
      printList(rows, columns, output);
    });
  program
    .command("context")
    .description("clusters that this user knows")
    .command("list")
    .description("all contexts; the current one is marked")
    .action((_flags: object, command: Command) => {
      const { output } = invocationOf(command);
      const { current, contexts } = readContexts();
      const rows = Object.entries(contexts).map(([name, { server }]) => ({
        name,
        server,
        current: name === current,
      }));
      const columns = [
        { head: "CONTEXT", value: (row: (typeof rows)[number]) => row.name },
        { head: "CURRENT", value: (row: (typeof rows)[number]) => (row.current ? "*" : "") },
        { head: "SERVER", value: (row: (typeof rows)[number]) => row.server },
      ];
      printList(rows, columns, output);
    });
}

function statusLines(status: ClusterStatus): (readonly [string, string | undefined])[] {
  const counts = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record)
      .map(([key, count]) => `${count} ${key.replace(/^TASK_/, "").toLowerCase()}`)
      .join(", ") || "none";
  const { total, used, offered } = status;
  const { leader } = status;
  return [
    ["cluster", `${status.cluster} (meseta ${status.build})`],
    ["leader", leader === undefined ? "none" : `${leader.masterId}, epoch ${leader.epoch}`],
    ["agents", counts(status.agents)],
    ["frameworks", String(status.frameworks)],
    ["tasks", counts(status.tasks)],
    ["cpus", `${used.cpus} used, ${offered.cpus} offered, of ${total.cpus}`],
    ["mem (MiB)", `${used.memMib} used, ${offered.memMib} offered, of ${total.memMib}`],
    ...status.warnings.map((warning) => ["warning", warning] as const),
  ];
}

/** Commands about maintenance: schedule, unschedule, status, down, up. */
import type { Command } from "commander";
import type { MachineObject } from "#api";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { printList, printObject } from "../output.ts";
import type { Server } from "../server.ts";
import type { Column } from "../table.ts";
import { durationMs, windowText } from "./agents.ts";
import { nounOf } from "./lists.ts";

const MACHINES: Column<MachineObject>[] = [
  { head: "MACHINE", value: ({ name }) => name },
  { head: "MODE", value: ({ mode }) => mode },
  { head: "WINDOW", value: windowText },
  { head: "AGENTS", value: ({ agents }) => agents.length },
  {
    head: "ACCEPTED",
    value: ({ answers }) => {
      const agreed = answers.filter(({ answer }) => answer === "ACCEPT").length;
      return `${agreed}/${answers.length}`;
    },
  },
  {
    head: "DECLINED-BY",
    wide: true,
    value: ({ answers }) => {
      const not = answers.filter(({ answer }) => answer === "DECLINE");
      return not.map(({ frameworkId }) => frameworkId).join(" ") || undefined;
    },
  },
];

type Window = { machines: string[]; startMs: number; durationMs?: number };

/** The schedule as it is, without some machines. */
async function windowsWithout(server: Server, left: readonly string[]): Promise<Window[]> {
  const without = new Set(left.map((name) => name.toLowerCase()));
  const { machines } = await server.call("showMaintenance");
  const windows = new Map<string, Window>();
  for (const { name, startMs, durationMs: lastsMs } of machines) {
    if (without.has(name)) continue;
    const key = `${startMs} ${lastsMs}`;
    const lasts = lastsMs === undefined ? {} : { durationMs: lastsMs };
    const window = windows.get(key) ?? { machines: [], startMs, ...lasts };
    window.machines.push(name);
    windows.set(key, window);
  }
  return [...windows.values()];
}

/** A time of day and date, or `+2h` from now on. */
function startOf(text: string, nowMs: number): number {
  if (text.startsWith("+")) return nowMs + durationMs("--start", text.slice(1));
  const startMs = Date.parse(text);
  if (!Number.isNaN(startMs)) return startMs;
  const hint = "write 2026-01-31T02:00Z, or +2h for two hours from now";
  throw new CliError(EXIT.usage, `--start: cannot read ${JSON.stringify(text)}`, hint);
}

export function addMaintenanceCommands(program: Command): void {
  const maintenance = nounOf(program, "maintenance", "machines that are to be away for a while");
  maintenance
    .command("schedule <machines...>")
    .description("plan a window for machines, by hostname; frameworks are asked to leave them")
    .option("--start <when>", "such as 2026-01-31T02:00Z, or +2h", "+0s")
    .option("--for <time>", "how long, such as 2h; default: open")
    .action(
      async (machines: string[], flags: { start: string; for?: string }, command: Command) => {
        const { server: serverOf, output } = invocationOf(command);
        const server = serverOf();
        const startMs = startOf(flags.start, Date.now());
        const lasts = flags.for === undefined ? {} : { durationMs: durationMs("--for", flags.for) };
        const windows = await windowsWithout(server, machines);
        windows.push({ machines, startMs, ...lasts });
        const answer = await server.call("scheduleMaintenance", { body: { windows } });
        printObject(answer, [["maintenance", answer.message]], output);
      },
    );
  maintenance
    .command("unschedule <machines...>")
    .description("take machines out of the schedule")
    .action(async (machines: string[], _flags: object, command: Command) => {
      const { server: serverOf, output } = invocationOf(command);
      const server = serverOf();
      const windows = await windowsWithout(server, machines);
      const answer = await server.call("scheduleMaintenance", { body: { windows } });
      printObject(answer, [["maintenance", answer.message]], output);
    });
  maintenance
    .command("status")
    .description("machines of the schedule, and what frameworks said when they were asked to leave")
    .action(async (_flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const { machines } = await server().call("showMaintenance");
      printList(machines, MACHINES, output);
    });
  const whitelist = nounOf(program, "whitelist", "the only hosts whose agents are offered");
  whitelist
    .command("set <machines...>")
    .description("offer agents of these hosts alone, by hostname")
    .action(async (machines: string[], _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const answer = await server().call("setWhitelist", { body: { machines } });
      printObject(answer, [["whitelist", answer.message]], output);
    });
  whitelist
    .command("clear")
    .description("offer agents of all hosts again")
    .action(async (_flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const answer = await server().call("clearWhitelist");
      printObject(answer, [["whitelist", answer.message]], output);
    });
  const moves = [
    ["down", "startMaintenance", "their agents are not admitted until they are up"],
    ["up", "stopMaintenance", "their windows are over"],
  ] as const;
  for (const [verb, route, about] of moves) {
    maintenance
      .command(`${verb} <machines...>`)
      .description(`machines are ${verb}: ${about}`)
      .action(async (machines: string[], _flags: object, command: Command) => {
        const { server, output } = invocationOf(command);
        const answer = await server().call(route, { body: { machines } });
        printObject(answer, [["maintenance", answer.message]], output);
      });
  }
}

/** Commands that start, follow and end tasks: run, batch, logs, kill. */
import { readFileSync } from "node:fs";
import { Value } from "@sinclair/typebox/value";
import type { Command } from "commander";
import { LineCounter, parseDocument } from "yaml";
import { type RunRequest, RunRequestSchema } from "#api";
import { CliError, EXIT } from "../exit.ts";
import { followRun } from "../follow.ts";
import { addContainerFlags, type ContainerFlags, containerWish } from "./container-flags.ts";
import { invocationOf } from "../invocation.ts";
import { copyLog, followLog, writerTo } from "../logs.ts";
import { data, note, printObject } from "../output.ts";

interface RunFlags extends ContainerFlags {
  readonly name?: string;
  readonly cpus?: string;
  readonly mem?: string;
  readonly disk?: string;
  readonly instances?: string;
  readonly role?: string;
  readonly env?: readonly string[];
  readonly user?: string;
  readonly ports?: string;
  readonly grace?: string;
  readonly revocable?: boolean;
  readonly detach?: boolean;
}

export function number(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !Number.isFinite(value)) {
    throw new CliError(EXIT.usage, `${flag}: ${JSON.stringify(text)} is no number`);
  }
  return value;
}

function environment(pairs: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at <= 0) {
      throw new CliError(EXIT.usage, `--env: ${JSON.stringify(pair)} is not NAME=VALUE`);
    }
    env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return env;
}

/** Flags as the request of the API; what is not given is left to the server's defaults. */
function requestOf(argv: readonly string[], flags: RunFlags): RunRequest {
  const given: Partial<Record<keyof RunRequest, unknown>> = {
    name: flags.name,
    instances: number("--instances", flags.instances),
    cpus: number("--cpus", flags.cpus),
    memMib: number("--mem", flags.mem),
    diskMib: number("--disk", flags.disk),
    ports: number("--ports", flags.ports),
    role: flags.role,
    user: flags.user,
    graceMs: flags.grace === undefined ? undefined : (number("--grace", flags.grace) ?? 0) * 1000,
    revocable: flags.revocable,
    env: flags.env === undefined ? undefined : environment(flags.env),
    ...containerWish(flags),
  };
  const request = { argv: [...argv] } as Record<string, unknown>;
  for (const [key, value] of Object.entries(given)) if (value !== undefined) request[key] = value;
  return checkRequest(request, "the command line");
}

function checkRequest(value: unknown, where: string): RunRequest {
  const fault = Value.Errors(RunRequestSchema, value).First();
  if (fault === undefined) return value as RunRequest;
  const field = fault.path.slice(1) || "the whole";
  const shown = JSON.stringify(fault.value) ?? "nothing";
  throw new CliError(EXIT.usage, `${where}: ${field}: ${shown}: ${fault.message}`);
}

export function addRunCommands(program: Command): void {
  const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value];
  const run = program
    .command("run")
    .description("run a command in the cluster; its output and exit code become ours")
    .argument("<command...>", "the command, behind --")
    .option("--name <name>", "name of the run; default: that of the program")
    .option("--cpus <number>", "cpus of each instance", "0.1")
    .option("--mem <MiB>", "memory of each instance", "64")
    .option("--disk <MiB>", "disk of each instance")
    .option("--instances <number>", "how many", "1")
    .option("--role <role>", "role whose offers are used")
    .option("--env <NAME=VALUE>", "variable of the environment; repeat it for more", collect)
    .option("--user <name>", "user that the command runs as")
    .option("--ports <number>", "how many ports; PORT0, PORT1 … tell them")
    .option("--grace <seconds>", "time between SIGTERM and SIGKILL")
    .option("--revocable", "only on what other roles lend; it is ended when they ask for it back")
    .option("--attach", "show its output and wait for its end (the default)")
    .option("--detach", "print the run's id and return");
  addContainerFlags(run).action(async (argv: string[], flags: RunFlags, command: Command) => {
    const { server, output } = invocationOf(command);
    const body = requestOf(argv, flags);
    const connected = server();
    const run = await connected.call("createRun", { body });
    if (flags.detach !== true) {
      process.exitCode = await followRun(connected, run);
      return;
    }
    printObject(run, [["run", run.id]], output);
  });
  program
    .command("batch <file>")
    .description("run the commands of a YAML file: a list, each with argv and what run takes")
    .option("--detach", "print the ids and return")
    .action(async (file: string, flags: { detach?: boolean }, command: Command) => {
      const { server } = invocationOf(command);
      const requests = readBatch(file);
      const connected = server();
      const runs = [];
      for (const body of requests) runs.push(await connected.call("createRun", { body }));
      for (const run of runs) note(`started ${run.id}`);
      if (flags.detach === true) return data(runs.map((run) => `${run.id}\n`).join(""));
      const exits = await Promise.all(runs.map((run) => followRun(connected, run)));
      process.exitCode = exits.find((exit) => exit !== 0) ?? EXIT.done;
    });
  addTaskCommands(program);
}

/** @throws CliError with file, line and what is wrong. */
function readBatch(file: string): RunRequest[] {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read: ${(error as Error).message}`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [fault] = document.errors;
  if (fault !== undefined) throw new CliError(EXIT.usage, `${file}: ${fault.message}`);
  const list: unknown = document.toJS();
  if (!Array.isArray(list) || list.length === 0) {
    throw new CliError(EXIT.usage, `${file}: expected a list of runs, each with argv`);
  }
  return list.map((one, index) => {
    const node = document.get(index, true) as { range?: [number, number, number] } | undefined;
    const line = node?.range === undefined ? "" : `:${lines.linePos(node.range[0]).line}`;
    return checkRequest(one, `${file}${line}: run ${index + 1}`);
  });
}

function addTaskCommands(program: Command): void {
  program
    .command("logs <task>")
    .description("what a task wrote")
    .option("-f, --follow", "go on until the task ends")
    .option("--stderr", "its errors instead of its output")
    .option("--tail <bytes>", "only the last bytes")
    .action(
      async (
        task: string,
        flags: { follow?: boolean; stderr?: boolean; tail?: string },
        command: Command,
      ) => {
        const { server } = invocationOf(command);
        const tail = number("--tail", flags.tail);
        const stop = new AbortController();
        process.once("SIGINT", () => stop.abort());
        const file = flags.stderr === true ? "stderr" : "stdout";
        const log = {
          file,
          write: writerTo(file),
          offset: tail === undefined ? 0 : -tail,
          signal: stop.signal,
        } as const;
        const copied =
          flags.follow === true
            ? followLog(server(), task, { ...log, isKnown: false })
            : copyLog(server(), task, { ...log, follow: false });
        await copied.catch((error: Error) => {
          if (!stop.signal.aborted) throw error;
        });
      },
    );
  program
    .command("kill <task>")
    .description("end a task: SIGTERM, and SIGKILL after its grace period")
    .option("--grace <seconds>", "another grace period")
    .action(async (task: string, flags: { grace?: string }, command: Command) => {
      const { server, output } = invocationOf(command);
      const grace = number("--grace", flags.grace);
      const body = grace === undefined ? {} : { graceMs: Math.round(grace * 1000) };
      const answer = await server().call("killTask", { path: { task }, body });
      printObject(answer, [["kill", answer.message]], output);
    });
}

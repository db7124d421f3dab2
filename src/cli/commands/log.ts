/**
 * Commands about the replicated log: log status, tail and verify; snapshot save, inspect and
 * restore. They read the log themselves, by a master's credential: no master need run.
 */
import { resolve } from "node:path";
import type { Command } from "commander";
import { SETTINGS } from "#config";
import { readContexts } from "../contexts.ts";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { data, note, printObject } from "../output.ts";
import { nounOf } from "./lists.ts";

const TAIL_MAX = 100_000;

export function addLogCommands(program: Command): void {
  const log = nounOf(program, "log", "the replicated log, and what the leader logs");
  reading(log.command("status"))
    .description("where the log stands, and whether it is whole")
    .action(async (_flags: object, command: Command) => {
      const { config, output } = invocationOf(command);
      const { logStatus } = await import("#daemon");
      const status = await said(() => logStatus(config, dataOfContext()));
      const { first, last, records, voids, leader, snapshotPosition, lastWrittenMs } = status;
      printObject(
        status,
        [
          ["log", `${status.logId}, generation ${status.generation}`],
          ["at", status.where],
          ["positions", `${first} to ${last}, ${records} records, ${size(status.bytes)}`],
          ["void", voids === 0 ? undefined : `${voids} positions that are no records`],
          ["leader", `${leader ?? "nobody"}, epoch ${status.epoch}`],
          ["last record", lastWrittenMs === undefined ? "none" : timeText(lastWrittenMs)],
          [
            "snapshot",
            snapshotPosition === undefined ? "none yet" : `of position ${snapshotPosition}`,
          ],
          ["version", `${status.minimumVersion}: older masters cannot read it`],
          ["holds", `${status.agents} agents, ${status.frameworks} frameworks`],
          ["whole", status.fault === undefined ? "yes" : `no: ${status.fault}`],
        ],
        output,
      );
      if (status.fault !== undefined) process.exitCode = EXIT.failed;
    });
  reading(log.command("tail"))
    .description("the last records, one a line")
    .option("-n, --lines <number>", "how many", "20")
    .option("-f, --follow", "and those that come, until Ctrl-C")
    .action(async (flags: { lines: string; follow?: boolean }, command: Command) => {
      const { config, output } = invocationOf(command);
      const lines = Number(flags.lines);
      if (!Number.isInteger(lines) || lines < 0 || lines > TAIL_MAX) {
        throw new CliError(
          EXIT.usage,
          `--lines: ${flags.lines} is no number from 0 to ${TAIL_MAX}`,
        );
      }
      const { logTail } = await import("#daemon");
      const stop = new AbortController();
      process.once("SIGINT", () => stop.abort());
      const asJson = output.output === "json" || output.output === "jsonl";
      await said(() =>
        logTail(
          config,
          dataOfContext(),
          lines,
          (record) => {
            const { position, writtenMs, writer, epoch, operations } = record;
            const time = writtenMs === undefined ? "-" : timeText(writtenMs);
            const text = `${position}  ${time}  ${writer || "-"}  epoch ${epoch ?? "-"}  ${operations}`;
            data(`${asJson ? JSON.stringify(record) : text}\n`);
          },
          flags.follow === true ? stop.signal : undefined,
        ),
      );
    });
  reading(log.command("verify"))
    .description("judges every record by the one before it, and by what masters have seen")
    .action(async (_flags: object, command: Command) => {
      const { config, output } = invocationOf(command);
      const { logVerify } = await import("#daemon");
      const verified = await said(() => logVerify(config, dataOfContext()));
      const { first, last, records, voids, faults } = verified;
      const span = `${first} to ${last}, ${records} records, ${voids} void`;
      printObject(
        verified,
        [
          ["positions", span],
          ...verified.witnesses.map(({ master, says }) => [master, says] as const),
          ["whole", faults.length === 0 ? "yes" : "no"],
        ],
        output,
      );
      for (const fault of faults) note(`meseta: ${fault}`);
      if (faults.length > 0) process.exitCode = EXIT.failed;
    });
  addSnapshotCommands(nounOf(program, "snapshot", "what the log holds, in a file"));
}

function addSnapshotCommands(snapshot: Command): void {
  reading(snapshot.command("save <file>"))
    .description("write what the log holds now into a file")
    .action(async (file: string, _flags: object, command: Command) => {
      const { config, output } = invocationOf(command);
      const { saveSnapshot } = await import("#daemon");
      const saved = await said(() => saveSnapshot(config, dataOfContext(), resolve(file)));
      printObject(
        saved,
        [
          ["file", saved.file],
          ["log", `${saved.logId}, generation ${saved.generation}, position ${saved.position}`],
          ["holds", `${saved.agents} agents, ${saved.frameworks} frameworks`],
        ],
        output,
      );
    });
  snapshot
    .command("inspect <file>")
    .description("what a file holds, and whether it is whole")
    .action(async (file: string, _flags: object, command: Command) => {
      const { output } = invocationOf(command);
      const { readSnapshotFile } = await import("#daemon");
      const { head, registry, savedMs } = await said(() => readSnapshotFile(resolve(file)));
      const { agents, frameworks, completed, weights, quotas, minimumVersion } = registry;
      const counts = {
        agents: agents.size,
        frameworks: frameworks.size,
        completed: completed.size,
      };
      const more = { weights: weights.size, quotas: quotas.size };
      printObject(
        { ...head, savedMs, minimumVersion, ...counts, ...more },
        [
          ["log", `${head.logId}, generation ${head.generation}, position ${head.position}`],
          ["saved", timeText(savedMs)],
          ...Object.entries({ ...counts, ...more }),
        ],
        output,
      );
    });
  reading(snapshot.command("restore <file>"))
    .description("begin the log anew from a file, as its next generation; no master may run")
    .option("--replace", "the log that is there may go, with what came after the snapshot")
    .action(async (file: string, flags: { replace?: boolean }, command: Command) => {
      const { config, output } = invocationOf(command);
      const { restoreSnapshot } = await import("#daemon");
      const asked = { file: resolve(file), replace: flags.replace === true };
      const restored = await said(() => restoreSnapshot(config, dataOfContext(), asked));
      printObject(
        restored,
        [
          ["log", `${restored.logId}, generation ${restored.generation}`],
          ["at", restored.where],
          ["holds", `${restored.agents} agents, ${restored.frameworks} frameworks`],
          ["next", "start the masters; agents and frameworks come back by themselves"],
        ],
        output,
      );
    });
}

function reading(command: Command): Command {
  return command
    .option("--data <text>", SETTINGS.data.meaning)
    .option("--cluster <text>", SETTINGS.cluster.meaning)
    .option("--credential <text>", "a master's credential; default: that of the data directory")
    .option("--nats <text>", "addresses of the brokers; default: those of the credential")
    .option("--log-replicas <number>", SETTINGS["log-replicas"].meaning);
}

/** Data directory of the `up` that wrote the current context. */
function dataOfContext(): string | undefined {
  const { current, contexts } = readContexts();
  return current === undefined ? undefined : contexts[current]?.data;
}

/** What goes wrong with a log or a file is a sentence for the person. */
async function said<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new CliError(EXIT.failed, (error as Error).message);
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

function size(bytes: number): string {
  return bytes < 1024 * 1024
    ? `${Math.ceil(bytes / 1024)} KiB`
    : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

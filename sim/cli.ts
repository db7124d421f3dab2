/**
 * The simulator's command: finds the command that was named in its table, and ends with the code
 * of its outcome. What a command does stands in `commands/`, one file each.
 */
import { EXIT, type SimCommand, say, UsageError } from "./commands/command.ts";
import { LIST } from "./commands/list.ts";
import { REPLAY } from "./commands/replay.ts";
import { RUN } from "./commands/run.ts";
import { SHRINK } from "./commands/shrink.ts";
import { SWARM } from "./commands/swarm.ts";
import { VIEW } from "./commands/view.ts";
import { FailureFileError } from "./failure.ts";
import { ScenarioError } from "./scenario.ts";
import { DrawLog } from "./kernel/draws.ts";
import { CLUSTER_USAGE } from "./options.ts";
import { RecordingFileError } from "./recording/file.ts";
import { TraceFileError } from "./trace-file.ts";

const COMMANDS: readonly SimCommand[] = [RUN, SWARM, REPLAY, SHRINK, VIEW, LIST];

function usage(): string {
  const lines = COMMANDS.flatMap((command) => command.usage).map((line) =>
    line.startsWith(" ") ? line : `  meseta sim ${line}`,
  );
  return ["usage:", ...lines, "flags of the cluster:", ...CLUSTER_USAGE].join("\n");
}

/** Runs what the arguments name; without a name, `run`. */
async function perform(args: readonly string[]): Promise<number> {
  if (args.some((arg) => arg === "--help" || arg === "-h")) {
    say(usage());
    return EXIT.pass;
  }
  const [name = ""] = args;
  if (name === "" || name.startsWith("-")) return RUN.run(args);
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command.run(args.slice(1));
  const names = COMMANDS.map((one) => one.name).join(", ");
  throw new UsageError(`${name}: there is no such command; there are ${names}`);
}

/** What the caller can mend: a flag, or a file that is not what it should be. */
function isUsage(error: unknown): error is Error {
  const kinds = [FailureFileError, RecordingFileError, ScenarioError, TraceFileError, UsageError];
  return kinds.some((kind) => error instanceof kind);
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader that has gone away (a closed pipe) is no error.
  if (error.code !== "EPIPE") throw error;
  process.exit(process.exitCode ?? EXIT.pass);
});

/** The command; answers with its exit code. */
async function main(args: readonly string[]): Promise<number> {
  try {
    return await perform(args);
  } catch (error) {
    if (DrawLog.isDivergence(error)) {
      say(error.message);
      return EXIT.nondeterminism;
    }
    if (isUsage(error)) {
      tell(error.message);
      return EXIT.usage;
    }
    if (error instanceof TypeError && "code" in error) {
      tell(`${error.message}\n${usage()}`);
      return EXIT.usage;
    }
    tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return EXIT.crash;
  }
}

process.exitCode = await main(process.argv.slice(2));

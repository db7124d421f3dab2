/** Commands that look into a task's sandbox: what a folder holds, the bytes of a file. */
import type { Command } from "commander";
import type { FolderObject } from "#api";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { readFile } from "../logs.ts";
import { note, printList } from "../output.ts";
import type { Column } from "../table.ts";
import { nounOf } from "./lists.ts";

const ENTRIES: Column<FolderObject["entries"][number]>[] = [
  { head: "NAME", value: ({ name, kind }) => (kind === "directory" ? `${name}/` : name) },
  { head: "KIND", value: ({ kind }) => kind },
  { head: "BYTES", value: ({ bytes }) => bytes },
  { head: "MODIFIED", value: ({ modifiedMs }) => new Date(modifiedMs).toISOString() },
];

export function addFileCommands(program: Command): void {
  const files = nounOf(program, "files", "files of a task's sandbox");
  files
    .command("ls <task> [path]")
    .description("what the sandbox, or a folder in it, holds")
    .action(async (task: string, path: string | undefined, _: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const query = path === undefined ? {} : { path };
      const folder = await server().call("taskFolder", { path: { task }, query });
      printList(folder.entries, ENTRIES, output);
      if (!folder.isComplete) note("the folder holds more than is shown");
    });
  files
    .command("cat <task> <path>")
    .description("the bytes of a file; it need not be text")
    .option("--offset <bytes>", "first byte; negative counts from the end", "0")
    .option("--length <bytes>", "most bytes")
    .action(async (task: string, path: string, flags: Range, command: Command) => {
      const { server } = invocationOf(command);
      const offset = whole("--offset", flags.offset);
      const length = flags.length === undefined ? undefined : whole("--length", flags.length);
      if (length !== undefined && length < 0) {
        throw new CliError(EXIT.usage, `--length: ${length} is below 0`);
      }
      const query = { path, offset, ...(length === undefined ? {} : { length }) };
      await readFile(server(), task, query, (bytes) => void process.stdout.write(bytes));
    });
}

interface Range {
  readonly offset: string;
  readonly length?: string;
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value)) return value;
  throw new CliError(EXIT.usage, `${flag}: ${JSON.stringify(text)} is no whole number of bytes`);
}

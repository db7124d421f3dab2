/** Commands that change one task that runs. */
import type { Command } from "commander";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { printObject } from "../output.ts";
import { nounOf } from "./lists.ts";
import { number } from "./run.ts";

export function addTaskCommands(program: Command): void {
  nounOf(program, "task", "one task")
    .command("update <task>")
    .description("give a running task other cpus and memory; shrinking never ends it")
    .option("--cpus <number>", "cpus from here on")
    .option("--mem <MiB>", "memory from here on, in MiB")
    .action(async (task: string, flags: { cpus?: string; mem?: string }, command: Command) => {
      const { server, output } = invocationOf(command);
      const cpus = number("--cpus", flags.cpus);
      const memMib = number("--mem", flags.mem);
      if (cpus === undefined && memMib === undefined) {
        throw new CliError(EXIT.usage, "neither --cpus nor --mem is given", "name one of them");
      }
      const body = {
        ...(cpus === undefined ? {} : { cpus }),
        ...(memMib === undefined ? {} : { memMib }),
      };
      const answer = await server().call("updateTask", { path: { task }, body });
      printObject(answer, [["update", answer.message]], output);
    });
}

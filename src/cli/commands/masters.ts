/** Commands about masters: transfer gives the lead to another one. */
import type { Command } from "commander";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { printObject } from "../output.ts";
import type { Server } from "../server.ts";
import { nounOf } from "./lists.ts";

const ASK_INTERVAL_MS = 50;

export function addMasterCommands(program: Command): void {
  nounOf(program, "master", "masters")
    .command("transfer")
    .description("the leader gives the lead to a master that stands by")
    .option("--from <master>", "only if this one leads")
    .action(async (flags: { from?: string }, command: Command) => {
      const { server: serverOf, output, config } = invocationOf(command);
      const server = serverOf();
      const before = (await server.call("status")).leader;
      if (before === undefined) throw new CliError(EXIT.failed, "nobody leads right now");
      const masterId = flags.from;
      await server.call("transferLead", { body: masterId === undefined ? {} : { masterId } });
      const after = await nextLeader(server, before.epoch, config.durationMs("timeout"));
      const lines = [
        ["leader", after.masterId],
        ["epoch", after.epoch],
        ["before", before.masterId],
      ] as const;
      printObject({ leader: after, before }, lines, output);
    });
}

/** @throws CliError when nobody has taken the lead within the time. */
async function nextLeader(server: Server, epoch: number, limitMs: number) {
  const endMs = Date.now() + limitMs;
  for (;;) {
    const { leader } = await server.call("status");
    if (leader !== undefined && leader.epoch > epoch) return leader;
    if (Date.now() > endMs) {
      throw new CliError(EXIT.failed, `nobody took the lead within ${limitMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
  }
}

/** Commands about join tokens: create, list, revoke; they act on the data directory of the cluster. */
import type { Command } from "commander";
import { parseDuration } from "#config";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { data, printList } from "../output.ts";
import { age } from "../table.ts";
import { dataOfContext, onDataOf, startOrSay } from "./daemons.ts";
import { number } from "./run.ts";

const LIFETIME_DEFAULT = "1h";
const LIFETIME_MS_MIN = 1_000;
const DAY_MS = 24 * 3_600_000;
const LIFETIME_DAYS_MAX = 30;

interface CreateFlags {
  readonly uses: string;
  readonly lifetime: string;
}

export function addTokenCommands(program: Command): void {
  const token = program.command("token").description("rights to join the cluster");
  onDataOf(
    token.command("create <role>").description("one line by which a machine joins as an agent"),
  )
    .option("--uses <integer>", "how many machines may join by it", "1")
    .option("--lifetime <duration>", "until when they may", LIFETIME_DEFAULT)
    .option("--nats <text>", "tls://HOST:PORT that the line names; default: that of --listen")
    .action(async (role: string, flags: CreateFlags, command: Command) => {
      if (role !== "agent") throw new CliError(EXIT.usage, `role: ${role} is not agent`);
      const wish = {
        uses: usesOf(flags.uses),
        lifetimeMs: lifetimeOf(flags.lifetime, LIFETIME_DAYS_MAX),
      };
      const { config } = invocationOf(command);
      const { createToken } = await import("#daemon");
      await startOrSay(async () => {
        data(`${await createToken(config, dataOfContext(), wish)}\n`);
        return EXIT.done;
      });
    });
  onDataOf(
    token.command("list").description("tokens that were made, and how often they were used"),
  ).action(async (_flags: object, command: Command) => {
    const { config, output } = invocationOf(command);
    const { listTokens } = await import("#daemon");
    await startOrSay(async () => {
      const rows = await listTokens(config, dataOfContext());
      type Row = (typeof rows)[number];
      const nowMs = Date.now();
      const left = ({ expiresMs, state }: Row): string =>
        (state === "good" && age(nowMs, expiresMs)) || "-";
      printList(
        rows,
        [
          { head: "TOKEN", value: (row: Row) => row.id },
          { head: "ROLE", value: (row: Row) => row.role },
          { head: "STATE", value: (row: Row) => row.state },
          { head: "USED", value: (row: Row) => `${row.used} of ${row.uses}` },
          { head: "AGE", value: (row: Row) => age(row.createdMs, nowMs) },
          { head: "LEFT", value: left },
        ],
        output,
      );
      return EXIT.done;
    });
  });
  onDataOf(
    token.command("revoke <token>").description("nobody joins by it any more; who has stays"),
  ).action(async (id: string, _flags: object, command: Command) => {
    const { config } = invocationOf(command);
    const { revokeToken } = await import("#daemon");
    await startOrSay(async () => {
      await revokeToken(config, dataOfContext(), id);
      data(`token  ${id} is revoked\n`);
      return EXIT.done;
    });
  });
}

function usesOf(text: string): number {
  const uses = number("--uses", text) ?? 0;
  if (Number.isInteger(uses) && uses >= 1 && uses <= 10_000) return uses;
  throw new CliError(EXIT.usage, `--uses: ${text} is no whole number from 1 to 10000`);
}

/** @throws CliError naming the limits. */
export function lifetimeOf(text: string, daysMax: number): number {
  const ms = parseDuration(text) ?? 0;
  if (ms >= LIFETIME_MS_MIN && ms <= daysMax * DAY_MS) return ms;
  const limits = `from 1s to ${daysMax}d, such as 1h`;
  throw new CliError(EXIT.usage, `--lifetime: ${text} is no duration ${limits}`);
}

/** Commands about rights on the bus: create, list, revoke; they act on the data directory of the cluster. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { data, note, printList } from "../output.ts";
import { dataOfContext, onDataOf, startOrSay } from "./daemons.ts";
import { lifetimeOf } from "./tokens.ts";

const ROLES = ["master", "agent", "framework", "broker"] as const;

interface CreateFlags {
  readonly out: string;
  readonly nats?: string;
  readonly members?: string;
  readonly lifetime?: string;
}

/** As long as the authority of the brokers is good. */
const LIFETIME_DAYS_MAX = 3_650;

export function addCredentialCommands(program: Command): void {
  const credential = program.command("credential").description("rights on the bus");
  onDataOf(
    credential
      .command("create <role> <name>")
      .description(
        "a file by which a master, an agent, a framework (name.instance) or a broker may join",
      ),
  )
    .requiredOption("--out <file>", "where to write it, readable by its owner alone")
    .option("--nats <text>", "addresses that the file names; default: those of the cluster")
    .option(
      "--members <text>",
      "of a broker: all brokers, as NAME=HOST[:PORT][/HOST[:PORT]] with commas between; default: " +
        "as before",
    )
    .option("--lifetime <duration>", "until when it is good; default: 30d; of a broker 1825d")
    .action(async (role: string, name: string, flags: CreateFlags, command: Command) => {
      const known = roleOf(role, flags);
      const lifetimeMs = flags.lifetime && lifetimeOf(flags.lifetime, LIFETIME_DAYS_MAX);
      const { config } = invocationOf(command);
      const { createBrokerCredential, createCredential } = await import("#daemon");
      await startOrSay(async () => {
        const out = resolve(flags.out);
        if (known === "broker") {
          const { members } = flags;
          const wish = { name, members, out, tell: note };
          await createBrokerCredential(config, dataOfContext(), wish);
        } else {
          const wish = { role: known, name, out, ...(lifetimeMs ? { lifetimeMs } : {}) };
          await createCredential(config, dataOfContext(), wish);
        }
        data(`${out}\n`);
        return EXIT.done;
      });
    });
  onDataOf(
    credential.command("list").description("who was given some, and whose were taken away"),
  ).action(async (_flags: object, command: Command) => {
    const { config, output } = invocationOf(command);
    const { listCredentials } = await import("#daemon");
    await startOrSay(async () => {
      const rows = await listCredentials(config, dataOfContext());
      type Row = (typeof rows)[number];
      printList(
        rows,
        [
          { head: "HOLDER", value: ({ holder }: Row) => (holder === "" ? "-" : holder) },
          { head: "STATE", value: ({ state }: Row) => state },
          { head: "KEY", value: ({ key }: Row) => key },
        ],
        output,
      );
      return EXIT.done;
    });
  });
  onDataOf(
    credential
      .command("revoke <who>")
      .description("a holder, a key or a credential file: cut off at once, for ever"),
  )
    .option("--nats <text>", "brokers that are told; default: those of the cluster")
    .action(async (who: string, _flags: object, command: Command) => {
      const { config } = invocationOf(command);
      const { revokeCredential } = await import("#daemon");
      await startOrSay(async () => {
        const { keys, untold } = await revokeCredential(config, dataOfContext(), who);
        for (const { key, holder } of keys)
          data(`revoked  ${holder === "" ? "-" : holder}  ${key}\n`);
        if (untold === undefined) return EXIT.done;
        note(`${untold}: it is cut off when the brokers of this cluster start next`);
        return EXIT.failed;
      });
    });
}

function roleOf(role: string, { nats, members, lifetime }: CreateFlags): (typeof ROLES)[number] {
  const known = ROLES.find((one) => one === role);
  if (known === undefined) {
    throw new CliError(EXIT.usage, `role: ${role} is none of ${ROLES.join(", ")}`);
  }
  if (known === "broker" && nats !== undefined) {
    throw new CliError(EXIT.usage, "--nats: a broker dials others by --members; leave it out");
  }
  if (known === "broker" && lifetime !== undefined) {
    throw new CliError(EXIT.usage, "--lifetime: a broker's file is good for 1825d; leave it out");
  }
  if (known !== "broker" && members !== undefined) {
    const mend = "leave it out, or name brokers by --nats";
    throw new CliError(EXIT.usage, `--members: it is of brokers, and this is of ${known}; ${mend}`);
  }
  return known;
}

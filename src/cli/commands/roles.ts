/** Commands about roles: quota set, list, show and remove; weight set and list; role show. */
import type { Command } from "commander";
import type { ByName, QuotaObject, QuotaRequest, RoleObject, WeightObject } from "#api";
import { invalidRole, readScalar } from "#resources";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { printObject } from "../output.ts";
import type { Column } from "../table.ts";
import { addList, amounts, byNameText, nounOf, percent } from "./lists.ts";

interface QuotaFlags {
  readonly guarantee?: string;
  readonly limit?: string;
  readonly lend?: boolean;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

const MILLI = 1000;

/** `cpus:2;mem:1024`, or with commas, which no shell takes for its own. */
function amountsIn(flag: string, text: string): ByName {
  const parts = text.split(/[;,]/).filter((part) => part.trim() !== "");
  const named: Record<string, number> = {};
  for (const part of parts) {
    const [, name, value] = /^\s*([^:\s]+)\s*:\s*(\S+)\s*$/.exec(part) ?? [];
    const reading = value === undefined ? undefined : readScalar(value);
    if (name === undefined || reading === undefined || reading.kind === "text") {
      const hint = 'write name:number, such as "cpus:2;mem:1024"; mem and disk are in MiB';
      throw new CliError(EXIT.usage, `${flag}: cannot read ${JSON.stringify(part)}`, hint);
    }
    if (reading.kind === "invalid") {
      throw new CliError(EXIT.usage, `${flag}: ${name}: ${reading.message}`);
    }
    if (Object.hasOwn(named, name)) {
      throw new CliError(EXIT.usage, `${flag}: ${name} is named twice`);
    }
    named[name] = reading.milli / MILLI;
  }
  if (parts.length === 0) {
    throw new CliError(EXIT.usage, `${flag}: nothing is named`, 'write "cpus:2;mem:1024"');
  }
  return named;
}

function checkRole(role: string): void {
  const fault = invalidRole(role);
  if (fault !== undefined) throw new CliError(EXIT.usage, fault);
}

function requestOf({ guarantee, limit, lend, force, dryRun }: QuotaFlags): QuotaRequest {
  if (guarantee === undefined && limit === undefined) {
    throw new CliError(
      EXIT.usage,
      "neither --guarantee nor --limit is given",
      "quota set replaces the whole quota; quota remove ROLE takes it away",
    );
  }
  return {
    ...(guarantee === undefined ? {} : { guarantee: amountsIn("--guarantee", guarantee) }),
    ...(limit === undefined ? {} : { limit: amountsIn("--limit", limit) }),
    ...(lend === undefined ? {} : { lends: lend }),
    ...(force === undefined ? {} : { force }),
    ...(dryRun === undefined ? {} : { dryRun }),
  };
}

const QUOTAS: Column<QuotaObject>[] = [
  { head: "ROLE", value: ({ name }) => name },
  { head: "GUARANTEE", value: ({ guarantee }) => byNameText(guarantee) },
  { head: "LIMIT", value: ({ limit }) => byNameText(limit) },
  { head: "CONSUMED", value: ({ consumed }) => byNameText(consumed) },
  { head: "LENDS", value: ({ lends }) => (lends ? "yes" : "no") },
];

const WEIGHTS: Column<WeightObject>[] = [
  { head: "ROLE", value: ({ name }) => name },
  { head: "WEIGHT", value: ({ weight }) => weight },
];

function quotaLines(quota: QuotaObject): (readonly [string, string | undefined])[] {
  return [
    ["role", quota.name],
    ["guarantee", byNameText(quota.guarantee) ?? "none"],
    ["limit", byNameText(quota.limit) ?? "none"],
    ["consumed", byNameText(quota.consumed) ?? "nothing"],
    ["lends", quota.lends ? "yes" : "no"],
  ];
}

function roleLines(role: RoleObject): (readonly [string, string | number | undefined])[] {
  const { quota } = role;
  return [
    ["role", role.name],
    ["weight", role.weight],
    ["share", percent(role.share)],
    ["weighted share", percent(role.weightedShare)],
    ["frameworks", role.frameworks.join(", ") || "none"],
    ["used", amounts(role.used)],
    ["offered", amounts(role.offered)],
    ["guarantee", quota === undefined ? "none" : (byNameText(quota.guarantee) ?? "none")],
    ["limit", quota === undefined ? "none" : (byNameText(quota.limit) ?? "none")],
    ["consumed", byNameText(role.consumed) ?? "nothing"],
    ["lends", quota?.lends === true ? "yes" : undefined],
  ];
}

export function addRoleCommands(program: Command): void {
  addQuotaCommands(nounOf(program, "quota", "what roles are guaranteed and limited to"));
  addWeightCommands(nounOf(program, "weight", "how much more than others roles are served"));
  nounOf(program, "role", "roles with their shares")
    .command("show <role>")
    .description("a role with its share, weight and quota")
    .action(async (role: string, _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      checkRole(role);
      const shown = await server().call("showRole", { path: { role } });
      printObject(shown, roleLines(shown), output);
    });
}

function addQuotaCommands(quota: Command): void {
  quota
    .command("set <role>")
    .description("set the whole quota of a role: what is not named is not guaranteed, not limited")
    .option("--guarantee <amounts>", 'kept for the role, such as "cpus:2;mem:1024"')
    .option("--limit <amounts>", "the most that the role may have")
    .option("--lend", "others may use, as revocable, what of the guarantee the role does not")
    .option("--force", "even where the agents have less, or the role has more than the limit")
    .option("--dry-run", "say whether it could be set, and change nothing")
    .action(async (role: string, flags: QuotaFlags, command: Command) => {
      const { server, output } = invocationOf(command);
      checkRole(role);
      const body = requestOf(flags);
      const answer = await server().call("setQuota", { path: { role }, body });
      printObject(answer, [["quota", answer.message]], output);
    });
  addList(
    quota.command("list").description("roles that have a quota"),
    (server, query) => server.call("listQuotas", { query }),
    () => QUOTAS,
  );
  quota
    .command("show <role>")
    .description("the quota of a role, and what of it is used")
    .action(async (role: string, _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      checkRole(role);
      const shown = await server().call("showQuota", { path: { role } });
      printObject(shown, quotaLines(shown), output);
    });
  quota
    .command("remove <role>")
    .description("take the quota of a role away")
    .action(async (role: string, _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      checkRole(role);
      const answer = await server().call("removeQuota", { path: { role } });
      printObject(answer, [["quota", answer.message]], output);
    });
}

function addWeightCommands(weight: Command): void {
  weight
    .command("set <role> <number>")
    .description("set the weight of a role; 1 is that of every role where none is set")
    .action(async (role: string, text: string, _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      checkRole(role);
      const value = Number(text);
      if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) {
        throw new CliError(EXIT.usage, `weight: ${JSON.stringify(text)} is no number above 0`);
      }
      const body = { weight: value };
      const answer = await server().call("setWeight", { path: { role }, body });
      printObject(answer, [["weight", answer.message]], output);
    });
  addList(
    weight.command("list").description("roles whose weight is not 1"),
    (server, query) => server.call("listWeights", { query }),
    () => WEIGHTS,
  );
}

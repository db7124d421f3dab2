/** Commands that show what there is: ps, task show, agent, framework, offer and role lists. */
import type { Command } from "commander";
import type { AgentObject, Amounts, ByName, FrameworkObject, OfferObject } from "#api";
import type { RoleObject, TaskObject } from "#api";
import { invocationOf } from "../invocation.ts";
import { printList, printObject } from "../output.ts";
import type { Server } from "../server.ts";
import { age, type Column } from "../table.ts";

/** Ids are shown this short in tables; -o wide shows them whole. */
const ID_SHOWN_LENGTH = 8;
const PAGE_LENGTH = 1000;

/** One page of a list; `ask` is the one call that knows its route. */
type Ask<Item> = (
  server: Server,
  query: { limit: number; after: string | undefined; filter: string | undefined },
) => Promise<{ readonly items: readonly Item[]; readonly next?: string }>;

/** All pages of a list. */
export async function allOf<Item>(
  server: Server,
  ask: Ask<Item>,
  filter?: string,
): Promise<Item[]> {
  const items: Item[] = [];
  let after: string | undefined;
  do {
    const page = await ask(server, { limit: PAGE_LENGTH, after, filter });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return items;
}

export function amounts({ cpus, memMib, diskMib, gpus, ports }: Amounts): string {
  const parts = [`cpus ${cpus}`, `mem ${memMib}`];
  if (diskMib > 0) parts.push(`disk ${diskMib}`);
  if (gpus > 0) parts.push(`gpus ${gpus}`);
  if (ports !== undefined) parts.push(`ports ${ports}`);
  return parts.join(", ");
}

function shortId<Row extends { readonly id: string }>(head: string): Column<Row>[] {
  return [{ head, value: ({ id }) => (id.length > 28 ? `${id.slice(0, 28)}…` : id) }];
}

function tasks(nowMs: number): Column<TaskObject>[] {
  return [
    { head: "TASK", value: ({ id }) => id },
    { head: "STATE", value: ({ state }) => state.replace(/^TASK_/, "") },
    { head: "AGENT", value: ({ agentId }) => agentId.slice(0, ID_SHOWN_LENGTH + 8) },
    { head: "FRAMEWORK", value: ({ framework, frameworkId }) => framework || frameworkId },
    { head: "ROLE", value: ({ role }) => role },
    { head: "CPUS", value: ({ resources }) => resources.cpus },
    { head: "MEM", value: ({ resources }) => resources.memMib },
    { head: "EXIT", value: ({ exitCode }) => exitCode },
    { head: "AGE", value: ({ launchedAtMs }) => age(launchedAtMs, nowMs) },
    { head: "REASON", value: ({ reason }) => reason?.replace(/^REASON_/, "") },
    { head: "MEM-USED", wide: true, value: ({ usage }) => usage?.memMib },
    { head: "CONTAINER", wide: true, value: ({ containerId }) => containerId },
    { head: "MESSAGE", wide: true, value: ({ message }) => message },
  ];
}

const AGENTS: Column<AgentObject>[] = [
  ...shortId<AgentObject>("AGENT"),
  { head: "HOST", value: ({ hostname }) => hostname },
  { head: "CONDITION", value: ({ condition }) => condition },
  { head: "ACTIVITY", value: ({ activity }) => activity },
  { head: "ISOLATION", value: ({ isolation }) => isolation },
  { head: "TASKS", value: ({ tasks }) => tasks },
  { head: "CPUS", value: ({ used, total }) => `${used.cpus}/${total.cpus}` },
  { head: "MEM", value: ({ used, total }) => `${used.memMib}/${total.memMib}` },
  { head: "PRINCIPAL", wide: true, value: ({ principal }) => principal },
  { head: "ATTRIBUTES", wide: true, value: ({ attributes }) => textOf(attributes) },
];

function textOf(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => `${name}:${value}`)
    .join(";");
}

function frameworks(nowMs: number): Column<FrameworkObject>[] {
  return [
    ...shortId<FrameworkObject>("FRAMEWORK"),
    { head: "NAME", value: ({ name }) => name },
    { head: "ROLES", value: ({ roles }) => roles.join(",") },
    { head: "CONNECTED", value: ({ connected }) => (connected ? "yes" : "no") },
    { head: "SUPPRESSED", value: ({ suppressedRoles }) => suppressedRoles.join(",") || undefined },
    { head: "TASKS", value: ({ tasks }) => tasks },
    { head: "USED", value: ({ used }) => amounts(used) },
    { head: "AGE", value: ({ subscribedAtMs }) => age(subscribedAtMs, nowMs) },
    { head: "PRINCIPAL", wide: true, value: ({ principal }) => principal },
  ];
}

function offers(nowMs: number): Column<OfferObject>[] {
  return [
    { head: "OFFER", value: ({ id }) => id },
    { head: "FRAMEWORK", value: ({ framework, frameworkId }) => framework || frameworkId },
    { head: "ROLE", value: ({ role }) => role },
    { head: "AGENT", value: ({ agentId }) => agentId },
    { head: "RESOURCES", value: ({ resources }) => amounts(resources) },
    { head: "AGE", value: ({ madeAtMs }) => age(madeAtMs, nowMs) },
  ];
}

const ROLES: Column<RoleObject>[] = [
  { head: "ROLE", value: ({ name }) => name },
  { head: "WEIGHT", value: ({ weight }) => weight },
  { head: "SHARE", value: ({ share }) => percent(share) },
  { head: "WEIGHTED", value: ({ weightedShare }) => percent(weightedShare) },
  { head: "FRAMEWORKS", value: ({ frameworks }) => frameworks.length },
  { head: "GUARANTEE", value: ({ quota }) => byNameText(quota?.guarantee) },
  { head: "LIMIT", value: ({ quota }) => byNameText(quota?.limit) },
  { head: "CONSUMED", value: ({ consumed }) => byNameText(consumed) },
  { head: "USED", wide: true, value: ({ used }) => amounts(used) },
  { head: "OFFERED", wide: true, value: ({ offered }) => amounts(offered) },
];

/** `cpus:2;mem:1024`, as it is written in commands. */
export function byNameText(byName: ByName = {}): string | undefined {
  const parts = Object.entries(byName).map(([name, value]) => `${name}:${value}`);
  return parts.length === 0 ? undefined : parts.join(";");
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

const FILTER = ["--filter <conditions>", "such as state=TASK_RUNNING,role!=ads"] as const;

/** A noun may be there already, with a meaning of its own: `agent` runs one. */
export function nounOf(program: Command, noun: string, about: string): Command {
  const known = program.commands.find((command) => command.name() === noun);
  return known ?? program.command(noun).description(about);
}

export function addListCommands(program: Command): void {
  const list = (noun: string, about: string): Command =>
    nounOf(program, noun, about).command("list").description(`all ${about}`);
  addList(
    program.command("ps").description("tasks that live and those that ended lately"),
    (server, query) => server.call("listTasks", { query }),
    tasks,
  );
  addList(
    list("agent", "machines"),
    (server, query) => server.call("listAgents", { query }),
    () => AGENTS,
  );
  addList(
    list("framework", "frameworks"),
    (server, query) => server.call("listFrameworks", { query }),
    frameworks,
  );
  addList(
    list("offer", "outstanding offers"),
    (server, query) => server.call("listOffers", { query }),
    offers,
  );
  addList(
    list("role", "roles with their shares"),
    (server, query) => server.call("listRoles", { query }),
    () => ROLES,
  );
  addTaskShow(program);
}

export function addList<Item extends { readonly id?: string; readonly name?: string }>(
  into: Command,
  ask: Ask<Item>,
  columns: (nowMs: number) => readonly Column<Item>[],
): void {
  into.option(...FILTER).action(async (flags: { filter?: string }, command: Command) => {
    const { server, output } = invocationOf(command);
    printList(await allOf(server(), ask, flags.filter), columns(Date.now()), output);
  });
}

function addTaskShow(program: Command): void {
  const task = program.command("task").description("one task");
  task
    .command("show <task>")
    .description("a task with its history")
    .action(async (id: string, _options: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const shown = await server().call("showTask", { path: { task: id } });
      printObject(shown, taskLines(shown), output);
    });
}

function taskLines(task: TaskObject): (readonly [string, string | number | undefined])[] {
  const { limitation } = task;
  const limit =
    limitation === undefined
      ? undefined
      : `${limitation.resource}: limit ${mib(limitation.limitBytes)}, peak ${mib(limitation.peakBytes)}`;
  return [
    ["task", task.id],
    ["name", task.name],
    ["state", task.state],
    ["reason", task.reason],
    ["message", task.message],
    ["exit code", task.exitCode],
    ["limitation", limit],
    ["agent", `${task.agentId} (${task.hostname})`],
    ["framework", `${task.framework} (${task.frameworkId})`],
    ["role", task.role],
    ["resources", amounts(task.resources)],
    ["usage", usageText(task.usage)],
    ["container", task.containerId],
    ["cgroup", task.cgroup],
    ...task.history.map(
      (entry, index) =>
        [
          index === 0 ? "history" : "",
          `${new Date(entry.atMs).toISOString()}  ${entry.state}${entry.message === undefined ? "" : `  ${entry.message}`}`,
        ] as const,
    ),
  ];
}

function usageText(usage: TaskObject["usage"]): string | undefined {
  if (usage === undefined) return undefined;
  const { cpuMs, memMib, memPeakMib, pids } = usage;
  const parts = [`cpu ${(cpuMs / 1000).toFixed(1)} s`, `mem ${memMib} MiB`];
  if (memPeakMib !== undefined) parts.push(`peak ${memPeakMib} MiB`);
  if (pids !== undefined) parts.push(`${pids} processes`);
  return parts.join(", ");
}

function mib(bytes: number | undefined): string {
  return bytes === undefined ? "unknown" : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

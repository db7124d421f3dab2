/** `meseta why`: what keeps a run, framework, role or task waiting, or an agent from being offered. */
import type { Command } from "commander";
import type { WhyObject } from "#api";
import { invocationOf } from "../invocation.ts";
import { data, note, type OutputOptions, printObject } from "../output.ts";
import { type Column, table } from "../table.ts";

/** Rows of one reason and in all that a table shows; `-o wide` shows all. */
const ROWS_SHOWN_MAX = 20;

type AgentRow = WhyObject["agents"][number];
type SubscriptionRow = WhyObject["subscriptions"][number];

const COUNTS: Column<readonly [reason: string, count: number]>[] = [
  { head: "REASON", value: ([reason]) => reason },
  { head: "COUNT", value: ([, count]) => count },
];

const AGENTS: Column<AgentRow>[] = [
  { head: "AGENT", value: ({ agentId }) => agentId },
  { head: "HOST", value: ({ hostname }) => hostname },
  { head: "REASON", value: ({ reason }) => reason ?? "offered" },
  { head: "DETAIL", value: ({ detail }) => detail },
];

const SUBSCRIPTIONS: Column<SubscriptionRow>[] = [
  { head: "FRAMEWORK", value: ({ framework, frameworkId }) => framework || frameworkId },
  { head: "ROLE", value: ({ role }) => role },
  { head: "REASON", value: ({ reason }) => reason ?? "offered" },
  { head: "DETAIL", value: ({ detail }) => detail },
  { head: "ID", wide: true, value: ({ frameworkId }) => frameworkId },
];

export function addWhyCommand(program: Command): void {
  program
    .command("why <name>")
    .description("why a run, framework, role or task waits, or an agent is not offered")
    .action(async (name: string, _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const why = await server().call("why", { query: { name } });
      if (output.output === "table" || output.output === "wide") show(why, output);
      else printObject(why, [], output);
    });
}

function show(why: WhyObject, output: OutputOptions): void {
  data(`${why.kind} ${why.name}: ${why.summary}\n`);
  const counted = why.agents.length + why.subscriptions.length > 0;
  if (!counted) return;
  const counts = Object.entries(why.counts).filter(([, count]) => count > 0);
  counts.sort(([, a], [, b]) => b - a);
  data(`\n${table(counts, COUNTS, { wide: false, heads: output.headers })}`);
  rows(why.agents, AGENTS, output);
  rows(why.subscriptions, SUBSCRIPTIONS, output);
}

/** Those that something keeps away first: they are what is asked about. */
function rows<Row extends { readonly reason?: string }>(
  all: readonly Row[],
  columns: readonly Column<Row>[],
  { output, headers }: OutputOptions,
): void {
  if (all.length === 0) return;
  const kept = all.filter(({ reason }) => reason !== undefined);
  const ordered = [...kept, ...all.filter(({ reason }) => reason === undefined)];
  const wide = output === "wide";
  const shown = wide ? ordered : ordered.slice(0, ROWS_SHOWN_MAX);
  data(`\n${table(shown, columns, { wide, heads: headers })}`);
  const left = ordered.length - shown.length;
  if (left > 0) note(`${left} more; -o wide shows them, -o json too`);
}

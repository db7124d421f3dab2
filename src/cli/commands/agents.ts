/** Commands about agents: drain, deactivate, reactivate, gone, show; reserve, unreserve, volumes. */
import type { Command } from "commander";
import type { AgentObject, OperationRequest, VolumeObject } from "#api";
import { parseDuration } from "#config";
import { CliError, EXIT } from "../exit.ts";
import { invocationOf } from "../invocation.ts";
import { printList, printObject } from "../output.ts";
import type { Column } from "../table.ts";
import { allOf, amounts, nounOf } from "./lists.ts";

export function durationMs(flag: string, text: string): number {
  const lastsMs = parseDuration(text);
  if (lastsMs !== undefined) return lastsMs;
  const hint = "write 30s, 5m or 2h";
  throw new CliError(EXIT.usage, `${flag}: cannot read ${JSON.stringify(text)}`, hint);
}

export function addAgentCommands(program: Command): void {
  const agent = nounOf(program, "agent", "machines");
  agent
    .command("show <agent>")
    .description("an agent with its reservations, volumes and what operators said of it")
    .action(async (name: string, _flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const shown = await server().call("showAgent", { path: { agent: name } });
      printObject(shown, agentLines(shown), output);
    });
  agent
    .command("drain <agent>")
    .description("kill what runs there, offer nothing of it; it ends as drained")
    .option("--grace <time>", "the most that a task may take to end, such as 30s")
    .option("--mark-gone", "gone for good when it is empty")
    .option("--cancel", "call the drain off: the agent is offered again")
    .action(async (name: string, flags: DrainFlags, command: Command) =>
      drain(name, flags, command),
    );
  const single = [
    ["deactivate", "deactivateAgent", "offer nothing of it; what runs there goes on"],
    ["reactivate", "reactivateAgent", "offer it again; a drain is called off"],
    ["gone", "markAgentGone", "count it as gone for good; it cannot come back"],
  ] as const;
  for (const [verb, route, about] of single) {
    agent
      .command(`${verb} <agent>`)
      .description(about)
      .action(async (name: string, _flags: object, command: Command) => {
        const { server, output } = invocationOf(command);
        const answer = await server().call(route, { path: { agent: name } });
        printObject(answer, [["agent", answer.message]], output);
      });
  }
  addReserveCommands(program);
  addVolumeCommands(nounOf(program, "volume", "disk that outlives the tasks that mount it"));
}

interface DrainFlags {
  readonly grace?: string;
  readonly markGone?: boolean;
  readonly cancel?: boolean;
}

async function drain(agent: string, flags: DrainFlags, command: Command): Promise<void> {
  const { server, output } = invocationOf(command);
  const { grace, markGone, cancel } = flags;
  if (cancel === true && (grace !== undefined || markGone === true)) {
    throw new CliError(EXIT.usage, "--cancel stands alone");
  }
  const body = {
    ...(grace === undefined ? {} : { maxGracePeriodMs: durationMs("--grace", grace) }),
    ...(markGone === undefined ? {} : { markGone }),
  };
  const answer =
    cancel === true
      ? await server().call("reactivateAgent", { path: { agent } })
      : await server().call("drainAgent", { path: { agent }, body });
  printObject(answer, [["agent", answer.message]], output);
}

function agentLines(agent: AgentObject): (readonly [string, string | number | undefined])[] {
  const { drain: drained, unavailability } = agent;
  const grace = drained?.maxGracePeriodMs;
  return [
    ["agent", agent.id],
    ["host", agent.hostname],
    ["condition", agent.condition],
    ["activity", agent.activity],
    ["drained since", drained && new Date(drained.sinceMs).toISOString()],
    ["drain grace", grace === undefined ? undefined : `${grace} ms`],
    ["after the drain", drained?.markGone === true ? "gone for good" : undefined],
    ["maintenance", unavailability && windowText(unavailability)],
    ["tasks", agent.tasks],
    ["total", amounts(agent.total)],
    ["used", amounts(agent.used)],
    ["offered", amounts(agent.offered)],
    ...agent.reservations.map(
      ({ role, type, principal, amounts: part }) =>
        [
          "reserved",
          `${role} (${type}${principal ? `, ${principal}` : ""}): ${amounts(part)}`,
        ] as const,
    ),
    ...agent.volumes.map(
      ({ id, role, diskMib, containerPath }) =>
        ["volume", `${id} of ${role}, ${diskMib} MiB at ${containerPath}`] as const,
    ),
    ...agent.operations.map(
      ({ id, type, state, resources }) =>
        ["operation", `${id} ${type} ${resources} ${state.replace(/^OPERATION_/, "")}`] as const,
    ),
  ];
}

export function windowText({
  startMs,
  durationMs: lastsMs,
}: {
  readonly startMs: number;
  readonly durationMs?: number;
}): string {
  const start = new Date(startMs).toISOString();
  return lastsMs === undefined
    ? `from ${start} on`
    : `${start} for ${Math.round(lastsMs / 1000)} s`;
}

async function apply(agent: string, body: OperationRequest, command: Command): Promise<void> {
  const { server, output } = invocationOf(command);
  const answer = await server().call("applyOperation", { path: { agent }, body });
  printObject(answer, [["operation", answer.message]], output);
}

interface RoleFlags {
  readonly role: string;
  readonly principal?: string;
}

const ROLE = ["--role <role>", "the role that it is for"] as const;
const PRINCIPAL = ["--principal <name>", "whose it is"] as const;

function whose({ role, principal }: RoleFlags) {
  return principal === undefined ? { role } : { role, principal };
}

function addReserveCommands(program: Command): void {
  const verbs = [
    ["reserve", "RESERVE", "set resources of an agent aside for a role"],
    ["unreserve", "UNRESERVE", "give resources that were reserved by an operation back to all"],
  ] as const;
  for (const [verb, type, about] of verbs) {
    program
      .command(`${verb} <agent> <resources>`)
      .description(`${about}; resources as in "cpus:2;mem:512"`)
      .requiredOption(...ROLE)
      .option(...PRINCIPAL)
      .action(async (agent: string, text: string, flags: RoleFlags, command: Command) => {
        const resources = text.replaceAll(",", ";");
        await apply(agent, { type, ...whose(flags), resources }, command);
      });
  }
}

type Row = VolumeObject & { readonly agentId: string };

const VOLUMES: Column<Row>[] = [
  { head: "VOLUME", value: ({ id }) => id },
  { head: "ROLE", value: ({ role }) => role },
  { head: "DISK", value: ({ diskMib }) => diskMib },
  { head: "PATH", value: ({ containerPath }) => containerPath },
  { head: "AGENT", value: ({ agentId }) => agentId },
  { head: "PRINCIPAL", wide: true, value: ({ principal }) => principal },
];

function addVolumeCommands(volume: Command): void {
  volume
    .command("create <agent> <id>")
    .description("make a persistent volume of disk that is reserved for the role")
    .requiredOption(...ROLE)
    .requiredOption("--disk <mib>", "its size in MiB")
    .option("--path <path>", "where tasks find it; default: its id, in their sandbox")
    .option(...PRINCIPAL)
    .action(
      async (
        agent: string,
        id: string,
        flags: RoleFlags & { disk: string; path?: string },
        command: Command,
      ) => {
        const diskMib = Number(flags.disk);
        if (!(diskMib > 0)) {
          throw new CliError(EXIT.usage, `--disk: ${flags.disk} is no number above 0`);
        }
        const { path } = flags;
        const shape = { id, diskMib, ...(path === undefined ? {} : { containerPath: path }) };
        await apply(agent, { type: "CREATE", ...whose(flags), volume: shape }, command);
      },
    );
  volume
    .command("destroy <agent> <id>")
    .description("remove a volume and all that is in it; its disk stays reserved")
    .requiredOption(...ROLE)
    .action(async (agent: string, id: string, flags: RoleFlags, command: Command) => {
      await apply(agent, { type: "DESTROY", role: flags.role, volume: { id } }, command);
    });
  volume
    .command("list")
    .description("persistent volumes of all agents")
    .action(async (_flags: object, command: Command) => {
      const { server, output } = invocationOf(command);
      const agents = await allOf(server(), (one, query) => one.call("listAgents", { query }));
      const rows = agents.flatMap(({ id: agentId, volumes }) =>
        volumes.map((each) => ({ ...each, agentId })),
      );
      printList(rows, VOLUMES, output);
    });
}

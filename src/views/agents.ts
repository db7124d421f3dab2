/** Agents as people read them: what they have by reservations, what operators have said of them. */
import type { AgentObject, MachineObject, ReservationObject, VolumeObject } from "#api";
import type { AgentView, OperatorEvent, Resource } from "#protocol";
import { formatAttribute, Resources } from "#resources";
import { addAmounts, amountsOf } from "./amounts.ts";

/** The schedule as the leader told of it last. */
export type Maintenance = Omit<
  Extract<OperatorEvent, { readonly type: "MAINTENANCE_UPDATED" }>,
  "type"
>;
export const NO_MAINTENANCE: Maintenance = { windows: [], down: [] };

export function agentObject(view: AgentView, version: string): AgentObject {
  const { info, drain, unavailability, reregisteredAtMs } = view;
  const attributes: Record<string, string> = {};
  for (const attribute of info.attributes) {
    const text = formatAttribute(attribute);
    attributes[attribute.name] = text.slice(text.indexOf(":") + 1);
  }
  const most = drain?.maxGracePeriodMs;
  return {
    id: info.agentId,
    principal: view.principal,
    hostname: info.hostname,
    condition: view.condition,
    isolation: info.isolation,
    agentVersion: info.version,
    attributes,
    total: amountsOf(info.resources),
    used: amountsOf(view.used),
    offered: amountsOf(view.offered),
    tasks: 0,
    registeredAtMs: view.registeredAtMs,
    ...(reregisteredAtMs === undefined ? {} : { reregisteredAtMs }),
    activity: activityOf(view),
    ...(drain === undefined
      ? {}
      : {
          drain: {
            markGone: drain.markGone,
            sinceMs: drain.sinceMs,
            ...(most === undefined ? {} : { maxGracePeriodMs: most }),
          },
        }),
    ...(unavailability === undefined ? {} : { unavailability }),
    inverseOffers: view.inverseOffers ?? [],
    reservations: reservationsOf(info.resources),
    volumes: info.resources.flatMap(volumeOf),
    operations: (view.operations ?? []).map(({ operationUuid, operation, state, frameworkId }) => ({
      id: operationUuid,
      type: operation.type,
      state,
      resources: Resources.fromWire(operation.resources).toString(),
      ...(frameworkId === undefined ? {} : { frameworkId }),
    })),
    version,
  };
}

function activityOf({ drain, deactivated, down }: AgentView): AgentObject["activity"] {
  if (down === true) return "down";
  if (drain !== undefined) return drain.state === "DRAINED" ? "drained" : "draining";
  return deactivated === true ? "deactivated" : "active";
}

/** One entry for each role, way and principal; volumes are counted in them. */
function reservationsOf(resources: readonly Resource[]): ReservationObject[] {
  const found = new Map<string, ReservationObject>();
  for (const resource of resources) {
    const top = resource.reservations?.at(-1);
    if (top === undefined) continue;
    const { role, type, principal } = top;
    const key = JSON.stringify([role, type, principal ?? null]);
    const own = amountsOf([resource]);
    const before = found.get(key);
    const amounts = before === undefined ? own : { ...addAmounts(before.amounts, own) };
    found.set(key, { role, type, amounts, ...(principal === undefined ? {} : { principal }) });
  }
  return [...found.values()];
}

function volumeOf({ disk, reservations, scalar }: Resource): VolumeObject[] {
  const { persistence, volume } = disk ?? {};
  if (persistence === undefined) return [];
  const { id, principal } = persistence;
  return [
    {
      id,
      role: reservations?.at(-1)?.role ?? "*",
      ...(principal === undefined ? {} : { principal }),
      diskMib: (scalar?.milli ?? 0) / 1000,
      containerPath: volume?.containerPath ?? "",
    },
  ];
}

/** Machines of the schedule, with the agents that are known of them. */
export function machinesOf(
  { windows, down }: Maintenance,
  agents: Iterable<AgentObject>,
): MachineObject[] {
  const byMachine = new Map<string, AgentObject[]>();
  for (const agent of agents) {
    const machine = agent.hostname.toLowerCase();
    byMachine.set(machine, [...(byMachine.get(machine) ?? []), agent]);
  }
  const away = new Set(down);
  return windows.flatMap(({ hostnames, unavailability }) =>
    hostnames.map((name) => {
      const there = byMachine.get(name) ?? [];
      return {
        name,
        mode: away.has(name) ? ("DOWN" as const) : ("DRAINING" as const),
        ...unavailability,
        agents: there.map(({ id }) => id),
        answers: there.flatMap(({ inverseOffers }) => inverseOffers),
      };
    }),
  );
}

/** What operators do to agents: operations on their resources, drains, and what ends them. */
import { ApiError, type OperationRequest } from "#api";
import { type AgentId, asId, idFault, type Reservation, type Resource } from "#protocol";
import { invalidRole, isPersistentVolume, Resources } from "#resources";
import { findOne } from "#views";
import type { GatewayContext } from "../context.ts";
import type { Handlers } from "./handlers.ts";
import { changed } from "./seen.ts";

const MILLI = 1000;

function agentIdOf({ view }: GatewayContext, path: Readonly<Record<string, string>>): AgentId {
  return asId<AgentId>(findOne("agent", path["agent"] ?? "", view.allAgents()).id);
}

/** The resource objects that the leader is asked about. @throws ApiError naming the field. */
function resourcesOf(request: OperationRequest, there: readonly Resource[]): Resource[] {
  const { type, role, resources, volume } = request;
  const fault = invalidRole(role);
  if (fault !== undefined || role === "*") {
    throw new ApiError("invalid", `field role: ${fault ?? "* cannot be reserved"}`);
  }
  if (type === "RESERVE" || type === "UNRESERVE") {
    if (volume !== undefined) throw new ApiError("invalid", `field volume: ${type} names none`);
    const parsed = Resources.parse(resources ?? "");
    if (!parsed.ok) throw new ApiError("invalid", `field resources: ${parsed.error.message}`);
    return type === "RESERVE"
      ? reserved(request, parsed.value)
      : held(request, parsed.value, there);
  }
  if (volume === undefined) throw new ApiError("invalid", `field volume: ${type} needs one`);
  if (resources !== undefined) throw new ApiError("invalid", `field resources: ${type} has none`);
  return [type === "CREATE" ? created(request, there) : destroyed(request, there)];
}

function reserved({ role, principal }: OperationRequest, named: Resources): Resource[] {
  const reservation: Reservation = { type: "DYNAMIC", role, ...(principal ? { principal } : {}) };
  const fault = named.reservable(reservation);
  if (fault !== undefined) throw new ApiError("invalid", `field resources: ${fault}`);
  return named.pushReservation(reservation).toWire();
}

/** What of the agent is reserved for the role by an operation, and is no volume. */
function dynamicOf({ role, principal }: OperationRequest, there: readonly Resource[]): Resources {
  return Resources.fromWire(
    there.filter((resource) => {
      const top = resource.reservations?.at(-1);
      if (top?.role !== role || isPersistentVolume(resource)) return false;
      return principal === undefined || top.principal === principal;
    }),
  );
}

function held(request: OperationRequest, named: Resources, there: readonly Resource[]): Resource[] {
  const dynamic = dynamicOf(request, there).filter(({ reservations }) => {
    return reservations?.at(-1)?.type === "DYNAMIC";
  });
  const found = dynamic.find(named.toUnreserved());
  if (found !== undefined) return found.toWire();
  const has = dynamic.toString() || "nothing";
  throw new ApiError("invalid", `field resources: reserved for ${request.role} there is ${has}`);
}

function created(request: OperationRequest, there: readonly Resource[]): Resource {
  const { id = "", diskMib, containerPath } = request.volume ?? {};
  const fault = idFault(id);
  if (fault !== undefined) throw new ApiError("invalid", `field volume/id: ${fault}`);
  if (diskMib === undefined) throw new ApiError("invalid", "field volume/diskMib: CREATE needs it");
  const disks = dynamicOf(request, there).filter(({ name, disk }) => {
    return name === "disk" && disk?.source === undefined;
  });
  const milli = Math.round(diskMib * MILLI);
  const large = disks.filter(({ scalar }) => (scalar?.milli ?? 0) >= milli);
  const [from] = [...large];
  if (from === undefined) {
    const has = disks.toString() || "nothing";
    const message = `field volume/diskMib: reserved for ${request.role} there is ${has}`;
    throw new ApiError("invalid", message, "reserve disk for the role first");
  }
  const principal = request.principal ?? from.reservations?.at(-1)?.principal;
  return {
    ...{},
    ...from,
    scalar: { milli },
    disk: {
      persistence: { id, ...(principal === undefined ? {} : { principal }) },
      volume: { containerPath: containerPath ?? id, mode: "RW" },
    },
  };
}

function destroyed({ role, volume }: OperationRequest, there: readonly Resource[]): Resource {
  const found = there.find(({ disk, reservations }) => {
    return disk?.persistence?.id === volume?.id && reservations?.at(-1)?.role === role;
  });
  if (found !== undefined) return found;
  throw new ApiError("not-found", `there is no volume ${volume?.id} of role ${role} on this agent`);
}

export const agentHandlers = {
  async applyOperation(context, { path, body }) {
    const agentId = agentIdOf(context, path);
    const resources = resourcesOf(body, context.view.resourcesOf(agentId));
    const { type } = body;
    const call = { kind: "OPERATOR_APPLY_OPERATION", body: { agentId, type, resources } } as const;
    return await changed(context, await context.call(call), `${type} is done`);
  },
  async drainAgent(context, { path, body }) {
    const agentId = agentIdOf(context, path);
    const { maxGracePeriodMs, markGone = false } = body;
    const grace = maxGracePeriodMs === undefined ? {} : { maxGracePeriodMs };
    const call = { kind: "OPERATOR_DRAIN_AGENT", body: { agentId, markGone, ...grace } } as const;
    return await changed(context, await context.call(call), `agent ${agentId} is drained`);
  },
  async deactivateAgent(context, { path }) {
    const agentId = agentIdOf(context, path);
    const answer = await context.call({ kind: "OPERATOR_DEACTIVATE_AGENT", body: { agentId } });
    return await changed(context, answer, `nothing of agent ${agentId} is offered`);
  },
  async reactivateAgent(context, { path }) {
    const agentId = agentIdOf(context, path);
    const answer = await context.call({ kind: "OPERATOR_REACTIVATE_AGENT", body: { agentId } });
    return await changed(context, answer, `agent ${agentId} is offered again`);
  },
  async markAgentGone(context, { path }) {
    const agentId = agentIdOf(context, path);
    const answer = await context.call({ kind: "OPERATOR_MARK_AGENT_GONE", body: { agentId } });
    return await changed(context, answer, `agent ${agentId} is gone for good`);
  },
} satisfies Partial<Handlers>;

/** Roles with their quotas and weights: shown out of the views, changed by the leader. */
import {
  ApiError,
  type QuotaObject,
  QuotaObjectSchema,
  type RoleObject,
  RoleObjectSchema,
  WeightObjectSchema,
} from "#api";
import type { WireQuantities } from "#protocol";
import { invalidRole, readScalarNumber } from "#resources";
import { quotasOf, weightsOf } from "#views";
import type { GatewayContext } from "../context.ts";
import type { Handlers } from "./handlers.ts";
import { listing } from "./objects.ts";
import { changed } from "./seen.ts";

/** The role of a path. @throws ApiError for what can be no role. */
function roleOf(path: Readonly<Record<string, string>>): string {
  const role = path["role"] ?? "";
  const fault = invalidRole(role);
  if (fault !== undefined) throw new ApiError("invalid", fault);
  return role;
}

/** @throws ApiError naming field, value and what is wrong with it. */
function wireOf(field: string, amounts: Readonly<Record<string, number>> = {}): WireQuantities {
  return Object.entries(amounts).map(([name, value]) => {
    const reading = readScalarNumber(value);
    if (reading.kind === "milli") return { name, milli: reading.milli };
    const why = reading.kind === "invalid" ? reading.message : `${value} is no amount`;
    throw new ApiError("invalid", `field ${field}/${name}: ${why}`);
  });
}

function showRole({ view }: GatewayContext, role: string): RoleObject {
  const found = view.roles.get(role);
  if (found !== undefined) return found;
  const hint = "role list shows those with frameworks, a weight or a quota";
  throw new ApiError("not-found", `there is no role ${JSON.stringify(role)}`, hint);
}

function showQuota({ view }: GatewayContext, role: string): QuotaObject {
  const found = quotasOf(view.roles.values()).find(({ name }) => name === role);
  if (found !== undefined) return found;
  const hint = "quota list shows those that have one; quota set ROLE sets one";
  throw new ApiError("not-found", `role ${JSON.stringify(role)} has no quota`, hint);
}

export const roleHandlers = {
  listRoles: listing(RoleObjectSchema, ({ view }) => [...view.roles.values()]),
  listQuotas: listing(QuotaObjectSchema, ({ view }) => quotasOf(view.roles.values())),
  listWeights: listing(WeightObjectSchema, ({ view }) => weightsOf(view.roles.values())),
  showRole: (context, { path }) => showRole(context, roleOf(path)),
  showQuota: (context, { path }) => showQuota(context, roleOf(path)),
  async setQuota(context, { path, body }) {
    const role = roleOf(path);
    const { guarantee, limit, lends = false, force = false, dryRun = false } = body;
    const answer = await context.call({
      kind: "OPERATOR_UPDATE_QUOTA",
      body: {
        role,
        guarantee: wireOf("guarantee", guarantee),
        limit: wireOf("limit", limit),
        lends,
        force,
        dryRun,
      },
    });
    return await changed(context, answer, `the quota of ${role} is set`);
  },
  async removeQuota(context, { path }) {
    const role = roleOf(path);
    const answer = await context.call({ kind: "OPERATOR_REMOVE_QUOTA", body: { role } });
    return await changed(context, answer, `role ${role} has no quota any more`);
  },
  async setWeight(context, { path, body }) {
    const role = roleOf(path);
    const { weight } = body;
    const answer = await context.call({ kind: "OPERATOR_UPDATE_WEIGHT", body: { role, weight } });
    return await changed(context, answer, `the weight of ${role} is ${weight}`);
  },
} satisfies Partial<Handlers>;

/** Maintenance: the schedule as the views have it, changed by the leader. */
import type { WireUnavailability } from "#protocol";
import { machinesOf } from "#views";
import type { Handlers } from "./handlers.ts";
import { changed } from "./seen.ts";

function unavailabilityOf({
  startMs,
  durationMs,
}: {
  readonly startMs: number;
  readonly durationMs?: number;
}): WireUnavailability {
  const start = { startMs: Math.round(startMs) };
  return durationMs === undefined ? start : { ...{}, ...start, durationMs: Math.round(durationMs) };
}

export const maintenanceHandlers = {
  showMaintenance: ({ view }) => ({
    machines: machinesOf(view.maintenance, view.agents.values()),
  }),
  async scheduleMaintenance(context, { body }) {
    const windows = body.windows.map((window) => ({
      hostnames: [...window.machines],
      unavailability: unavailabilityOf(window),
    }));
    const call = { kind: "OPERATOR_SCHEDULE_MAINTENANCE", body: { windows } } as const;
    return await changed(context, await context.call(call), "the schedule is set");
  },
  async startMaintenance(context, { body }) {
    const hostnames = [...body.machines];
    const answer = await context.call({ kind: "OPERATOR_START_MAINTENANCE", body: { hostnames } });
    return await changed(context, answer, `down: ${hostnames.join(" ")}`);
  },
  async stopMaintenance(context, { body }) {
    const hostnames = [...body.machines];
    const answer = await context.call({ kind: "OPERATOR_STOP_MAINTENANCE", body: { hostnames } });
    return await changed(context, answer, `up: ${hostnames.join(" ")}`);
  },
  async setWhitelist(context, { body }) {
    const hostnames = [...body.machines];
    const answer = await context.call({ kind: "OPERATOR_WHITELIST", body: { hostnames } });
    return await changed(context, answer, `only these are offered: ${hostnames.join(" ")}`);
  },
  async clearWhitelist(context) {
    const answer = await context.call({ kind: "OPERATOR_WHITELIST", body: {} });
    return await changed(context, answer, "agents of all hosts are offered");
  },
} satisfies Partial<Handlers>;

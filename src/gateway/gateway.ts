/** The whole gateway: the native HTTP API of a master, health and metrics, as routes. */
import type { HttpRoute } from "#http";
import type { GatewayContext } from "./context.ts";
import { mesosMetrics } from "./allocator-metrics.ts";
import { healthRoutes } from "./health.ts";
import { metricsText } from "./metrics.ts";
import { nativeRoutes } from "./native.ts";
import { openApi } from "./openapi.ts";

export function gatewayRoutes(context: GatewayContext): HttpRoute[] {
  const metrics = metricsText(context);
  const document = JSON.stringify(openApi(context.build));
  const read = { method: "GET", open: false, stream: false, permission: "read" } as const;
  return [
    ...nativeRoutes(context),
    ...healthRoutes(context),
    {
      ...{},
      ...read,
      path: "/metrics",
      handle: async () =>
        new Response(await metrics(), {
          headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
        }),
    },
    {
      ...{},
      ...read,
      path: "/metrics/snapshot",
      handle: () => Response.json(mesosMetrics(context.view)),
    },
    {
      ...{},
      ...read,
      path: "/openapi.json",
      handle: () => new Response(document, { headers: { "content-type": "application/json" } }),
    },
  ];
}

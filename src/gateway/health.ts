/** Is this process alive, and can it answer for the cluster. Open to everybody on loopback. */
import type { HttpRoute } from "#http";
import type { GatewayContext } from "./context.ts";

export function healthRoutes(context: GatewayContext): HttpRoute[] {
  const base = { method: "GET", open: true, stream: false };
  return [
    { ...{}, ...base, path: "/healthz", handle: () => new Response("ok\n") },
    {
      ...{},
      ...base,
      path: "/readyz",
      handle: () => {
        const { leader, stale } = context.view;
        if (leader === undefined) return new Response("no leader is known\n", { status: 503 });
        if (stale) return new Response("events are missing\n", { status: 503 });
        return new Response("ok\n");
      },
    },
  ];
}

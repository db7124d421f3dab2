/** Door of the gateway: HTTP in. */
export { mesosMetrics } from "./allocator-metrics.ts";
export type { GatewayContext, LogChunk, LogReader, OperatorCall, Runs } from "./context.ts";
export * from "./gateway.ts";
export { refuseUnaccepted } from "./native/handlers.ts";

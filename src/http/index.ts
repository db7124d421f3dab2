/** Door of the HTTP kit. */
export * from "./identify.ts";
export * from "./limits.ts";
export * from "./problem.ts";
export * from "./server.ts";
export * from "./sse.ts";

/** Door of the HTTP API's words: objects, routes, errors, lists, event frames, requests. */
export * from "./client.ts";
export * from "./errors.ts";
export * from "./lists.ts";
export * from "./objects.ts";
export * from "./routes.ts";
export * from "./sse.ts";

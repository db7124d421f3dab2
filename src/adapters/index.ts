/** Door of the adapters: one file per real thing that a port stands for. */
export * from "./durable-files.ts";
export * from "./exclusive-lock.ts";
export * from "./nkeys.ts";
export * from "./pino-logger.ts";
export * from "./system-clock.ts";
export * from "./system-random.ts";

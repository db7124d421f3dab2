/** Door of the runtime floor: what an actor stands on. */
export type * from "./actor.ts";
export * from "./counters.ts";
export type * from "./effects.ts";
export type * from "./inputs.ts";
export * from "./ports/bus.ts";
export type * from "./ports/clock.ts";
export * from "./ports/disk.ts";
export * from "./ports/launcher.ts";
export * from "./ports/log.ts";
export type * from "./ports/logger.ts";
export type * from "./ports/random.ts";
export * from "./ports/streams.ts";

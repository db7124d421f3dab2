/** Door of the simulator: the world, its ports, and what runs in it. */
export { type ClusterOptions, SimCluster } from "./cluster.ts";
export * from "./kernel/digest.ts";
export * from "./kernel/node.ts";
export * from "./kernel/prng.ts";
export * from "./kernel/world.ts";
export * from "./ports/bus.ts";
export * from "./ports/clock.ts";
export * from "./ports/disk.ts";
export * from "./ports/launcher.ts";
export * from "./ports/log.ts";
export * from "./ports/log-cluster.ts";
export * from "./ports/machine.ts";
export * from "./ports/paths.ts";
export * from "./ports/streams.ts";
export * from "./recording/file.ts";
export * from "./recording/replay.ts";
export * from "./recording/show.ts";
export * from "./trace.ts";

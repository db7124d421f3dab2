/** All faults, as a table. */
export * from "./fault.ts";
export * from "./selectors.ts";
export * from "./swarm.ts";
export { FAULTS, faultNamed } from "./table.ts";

/** Door of the views: answers for people, never asked by actors. */
export { machinesOf, type Maintenance } from "./agents.ts";
export * from "./amounts.ts";
export * from "./cluster.ts";
export * from "./history.ts";
export * from "./lists.ts";
export * from "./ring.ts";
export { quotasOf, weightsOf } from "./roles.ts";

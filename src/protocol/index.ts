/** Door of the protocol floor: the words that everybody speaks. */
export * from "./entities.ts";
export * from "./events.ts";
export * from "./ids.ts";
export * from "./kinds.ts";
export * from "./messages.ts";
export * from "./messages/agent.ts";
export * from "./messages/executor.ts";
export * from "./messages/framework.ts";
export * from "./messages/leader.ts";
export * from "./messages/operator.ts";
export * from "./refusals.ts";
export * from "./status-reasons.ts";
export * from "./subjects.ts";
export * from "./task-states.ts";

/** Door of the run framework: commands that are run once. */
export * from "./run-framework.ts";
export * from "./state.ts";

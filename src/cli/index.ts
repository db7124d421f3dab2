/** Door of the command line. */
export { type ContainerFlags, containerWish } from "./commands/container-flags.ts";
export { configDir, readContexts } from "./contexts.ts";
export { EXIT } from "./exit.ts";
export { makeProgram, version } from "./program.ts";

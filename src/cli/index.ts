/** Door of the command line. */
export { configDir, readContexts } from "./contexts.ts";
export { EXIT } from "./exit.ts";
export { makeProgram, version } from "./program.ts";

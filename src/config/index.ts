/** Door of the settings: the table, and values with their origins. */
export * from "./resolve.ts";
export * from "./schema.ts";

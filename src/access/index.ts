/** Who somebody is, and what they may do. */
export * from "./permissions.ts";
export * from "./principals.ts";

/** Isolation: first what is computed, then real launchers, real cgroups, real processes. */
import { sweepLeftovers } from "./rig.ts";

sweepLeftovers();
await import("./cgroups.cases.ts");
await import("./plans.cases.ts");
await import("./files.cases.ts");
await import("./contract.cases.ts");
await import("./limits.cases.ts");

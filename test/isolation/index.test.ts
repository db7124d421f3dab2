/** Isolation: first what is computed, then real launchers, real cgroups, real processes. */
import { sweepLeftovers } from "./rig.ts";

sweepLeftovers();
await import("./contract.cases.ts");
await import("./limits.cases.ts");

/** Whole clusters: real processes, a real broker, real cgroups, as a person starts them. */
import t from "tap";

/** Of the whole file. */
t.setTimeout(400_000);

await import("./daily.cases.ts");
await import("./hostile.cases.ts");
await import("./lending.cases.ts");
await import("./operations.cases.ts");
await import("./second-machine.cases.ts");
await import("./start.cases.ts");
await import("./steer.cases.ts");
await import("./strangers.cases.ts");

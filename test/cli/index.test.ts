/** Entry of the command line's tests. */
import t from "tap";

/** Of the whole file: each command is a process. */
t.setTimeout(180_000);

await import("./refusals.cases.ts");
await import("./task-ends.cases.ts");
await import("./container-flags.cases.ts");
await import("./simulator.cases.ts");

/** Whole clusters whose parts are killed: real processes, a real broker, real cgroups. */
import t from "tap";

/** Of the whole file. */
t.setTimeout(400_000);

await import("./crash.cases.ts");
await import("./executors.cases.ts");
await import("./recorder.cases.ts");

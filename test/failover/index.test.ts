/** Whole clusters whose leaders, or all of whose parts, go: real processes and a real broker. */
import t from "tap";

/** Of the whole file: a leader stands still for half a minute in it. */
t.setTimeout(400_000);

await import("./deposed.cases.ts");
await import("./outage.cases.ts");
await import("./restore.cases.ts");
await import("./transfer.cases.ts");

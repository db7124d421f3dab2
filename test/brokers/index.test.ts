/** Brokers on machines of their own: files for them, the processes, and a cluster on three of them. */
import t from "tap";

/** Of the whole file. */
t.setTimeout(240_000);

await import("./formation.cases.ts");
await import("./files.cases.ts");
await import("./machines.cases.ts");

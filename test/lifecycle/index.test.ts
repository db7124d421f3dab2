/**
 * The lifecycle of containers on the real machine: agent, launcher and shims are ended at numbered
 * points and at random. A few points here; all of them with MESETA_LIFECYCLE=whole, or those that
 * MESETA_POINTS names.
 */
import t from "tap";

t.setTimeout(1_200_000);

await import("./points.cases.ts");
await import("./random.cases.ts");

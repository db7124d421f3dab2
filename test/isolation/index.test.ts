/** Isolation: first what is computed, then real launchers, real cgroups, real processes. */
import t from "tap";
import { sweepLeftovers } from "./rig.ts";

/** Of the whole file; an emulated machine is some fifty times slower. */
t.setTimeout(900_000);

sweepLeftovers();
await import("./cgroups.cases.ts");
await import("./plans.cases.ts");
await import("./inside.cases.ts");
await import("./seccomp.cases.ts");
await import("./files.cases.ts");
await import("./contract.cases.ts");
await import("./limits.cases.ts");
await import("./room.cases.ts");
await import("./insides.cases.ts");
await import("./escape.cases.ts");
await import("./cpu.cases.ts");
await import("./mem.cases.ts");
await import("./io.cases.ts");
await import("./devices.cases.ts");
await import("./bounds.cases.ts");
await import("./disk.cases.ts");
await import("./network.cases.ts");
await import("./usage.cases.ts");
await import("./table.cases.ts");
